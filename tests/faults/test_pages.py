"""What a reader sees of a failure: one red cell with its reason, a page not made, a status that is not 0."""

import json
from dataclasses import replace

import nbformat
import pytest

from qdllm_utils import report
from qdllm_utils.config import TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs import comparison as comparing
from qdllm_utils.runs import experiments, missing
from qdllm_utils.runs.jobs import Failed
from qdllm_utils.show import plots, tables, verdicts
from tests.show.test_tables import comparison

WHY = "seed 2: its process was killed <b>twice</b>"


def with_failure(tmp_path, student="pkd"):
    whole = comparison(tmp_path, ("opt", "llama2"))
    run = whole.runs[0]
    del run.students[student]
    run.failed[student] = WHY
    return whole


@pytest.mark.parametrize("student", ["pkd", "quantum", "tinybert"])
def test_a_failed_arm_is_one_red_cell_with_its_reason_and_the_others_stand(tmp_path, student):
    table = tables.compression_table(with_failure(tmp_path, student))
    assert table.count("qd-failed") == 1 and "killed &lt;b&gt;twice&lt;/b&gt;" in table and "<b>" not in table
    assert table.facts["failed"] == [f"{student}, teacher opt: {WHY}"]
    _, metadata = table._repr_mimebundle_()
    assert metadata["qdllm"]["failed"]


def test_nothing_is_judged_and_the_figure_is_drawn_without_the_arm(tmp_path):
    found = verdicts.compression(with_failure(tmp_path))
    assert found.status == verdicts.UNTRIED and "1 of the arms failed" in found.why
    assert len(plots.accuracy_against_parameters(with_failure(tmp_path)).axes) == 2


def test_a_teacher_that_fails_is_a_red_line_and_the_other_teachers_stand(tmp_path):
    whole = comparison(tmp_path, ("opt",))
    whole.absent["llama2"] = "The model needs about 40 GB."
    table = tables.compression_table(whole)
    assert table.count("qd-failed") == 1 and "LLaMA2-7B" in table and "40 GB" in table
    assert table.facts["failed"] == ["teacher llama2: The model needs about 40 GB."]


def test_what_failed_is_told_by_student():
    failures = [Failed({"student": "pkd", "seed": seed}, "no memory") for seed in (1, 3)]
    error = missing.FailedRuns([*failures, Failed({"student": "minillm", "seed": 0}, "not finite")])
    assert error.reasons == {"pkd": "seed 1: no memory; seed 3: no memory", "minillm": "seed 0: not finite"}
    assert str(error).startswith("3 of the runs failed, and the rest are stored: pkd, seed 1: no memory;")


def test_a_comparison_keeps_the_arms_that_are_whole(monkeypatch, tmp_path):
    whole = comparison(tmp_path, ("opt",)).runs[0]

    def rows(self, students, seeds, baseline_seeds=None):
        some = {name: whole.students[name] for name in students if name != "pkd"}
        raise missing.FailedRuns([Failed({"student": "pkd", "seed": 2}, "no memory")], some)

    monkeypatch.setattr(experiments.Experiment, "student_rows", rows)
    monkeypatch.setattr(experiments.Experiment, "teacher_row", lambda self: whole.teacher)
    from tests.runs.test_experiments import experiment

    chosen = experiment()
    run = comparing.run_of(replace(chosen, scale=replace(chosen.scale, also_reads=())), range(3), range(3))
    assert set(run.students) == set(experiments.STUDENTS) - {"pkd"} and run.failed == {"pkd": "seed 2: no memory"}
    run = comparing.run_of(chosen, range(3), range(3))  # reading with MiniLM too, which fails alike here
    assert set(run.failed) == {"pkd", "quantum reading with minilm"} and run.others == {}


def test_wide_students_are_made_under_the_teachers_that_are_named(monkeypatch, tmp_path, refused):
    whole, asked = comparison(tmp_path, ("opt",)).runs[0], []

    def rows(self, students, seeds, baseline_seeds=None):
        asked.append((self.teacher, students, len(seeds)))
        return {name: [] for name in students}

    monkeypatch.setattr(experiments.Experiment, "student_rows", rows)
    monkeypatch.setattr(experiments.Experiment, "teacher_row", lambda self: whole.teacher)
    values = {"scale": "cpu", "preset": "paper", "seeds": 2, "refresh": False, "teacher": "minilm, mpnet"}
    found = comparing.compare(Parameters(values | {"wide": "mpnet@hiding, minilm@thematic"}), TASKS["hiding"])
    assert [set(run.wide) for run in found.runs] == [set(), {"distilbert_768", "pkd_768"}]
    assert [each for each in asked if "pkd_768" in each[1]] == [("mpnet", experiments.WIDE, 1)]
    with refused("wide names qwen, which is no teacher of this run"):
        comparing.compare(Parameters(values | {"wide": "qwen"}), TASKS["hiding"])


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A project of three notebooks: one is well, the kernel of one is killed, a run of the third failed."""
    sources = {
        "well": "1 + 1",
        "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "partly": "from IPython.display import publish_display_data\n"
        "publish_display_data({'text/html': 'a table'}, {'qdllm': {'failed': ['pkd: no memory']}})",
    }
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("title: t\n")
    for name, source in sources.items():
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "p"}})
        notebook.cells = [nbformat.v4.new_markdown_cell(f"# The page {name}"), nbformat.v4.new_code_cell(source)]
        nbformat.write(notebook, tmp_path / "notebooks" / f"{name}.ipynb")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    built = []
    monkeypatch.setattr(report, "build_book", lambda book, strict: built.append(strict))
    return tmp_path / "build" / "demo" / "book" / "executed", built


def test_a_kernel_that_is_killed_leaves_the_other_pages_and_a_status(project, capsys):
    executed, built = project
    with pytest.raises(SystemExit) as ended:
        report.main(["--scale", "demo"])
    sentence = str(ended.value.code)
    assert sentence.startswith("InputError: 2 of the pages failed") and "Traceback" not in sentence
    assert "killed.ipynb failed: its kernel died" in sentence and "QDLLM_WORKERS=1" in sentence
    assert "partly.ipynb: pkd: no memory" in sentence
    assert built == [False]
    page = nbformat.read(executed / "killed.ipynb", as_version=4)
    assert page.cells[0].source == "# The page killed" and "could not be made" in page.cells[1].source
    assert not (executed / "killed.json").exists()
    assert json.loads((executed / "well.json").read_text())["notebook"] == "well"
    assert "The page well" in (executed.parent / "status.md").read_text()


def test_a_full_temporary_folder_is_a_sentence(project, monkeypatch, refused, tmp_path):
    import errno

    from qdllm_utils.show import execution

    def full(*given, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(execution.papermill, "execute_notebook", full)
    with refused("well.ipynb failed", "No space left", "TMPDIR"):
        execution.execute(report.ROOT / "notebooks" / "well.ipynb", tmp_path / "out.ipynb", {}, tmp_path)
