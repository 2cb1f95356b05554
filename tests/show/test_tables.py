"""Tables and figures from rows made up here; the paper's printed values from its text."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import mean, stdev

import matplotlib

from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import plots, tables

matplotlib.use("agg")
MACHINE = {"processor": "a processor", "cores": 2, "threads": 1, "gpu": None, "gpu_memory_mb": None, "system": "Linux"}
PROVENANCE = {
    "source": "measured",
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc123",
    "seconds": 1.0,
    "cpu_seconds": 1.0,
    "peak_memory_mb": 1234,
    "machine": MACHINE,
    "versions": {"python": "3.11", "torch": "2.13.0"},
}
ACCURACIES = (0.8, 0.9, 0.85)


def fake_row(student: str, seed: int, acc: float, parameters: int) -> Row:
    result = {
        "acc": acc,
        "p": acc - 0.01,
        "r": acc - 0.02,
        "f1": acc - 0.03,
        "epoch_seconds": 2.0,
        "parameters": parameters,
        "size": "some size",
        "inner_states": student == "pkd",
    }
    return Row({"kind": "student", "student": student, "seed": seed}, result, PROVENANCE)


def comparison(tmp_path: Path, teachers: tuple[str, ...] = ("opt",), scale: str = "cpu") -> Comparison:
    values = {"scale": scale, "preset": "paper", "seeds": 3, "layers": 2, "refresh": False, "teacher": teachers[0]}
    runs = []
    for number, teacher in enumerate(teachers):
        result = {
            "name": teacher,
            "acc": 0.95,
            "parameters": 7_000_000,
            "validation": {"acc": 0.96},
            "cleaning": "9 texts",
        }
        students = {
            student: [
                fake_row(student, seed, acc - 0.1 * number, 9_275 if student == "quantum" else 10_000_000)
                for seed, acc in enumerate(ACCURACIES)
            ]
            for student in STUDENTS
        }
        runs.append(TeacherRun(teacher, Row({"kind": "teacher", "pretraining_steps": 4}, result, PROVENANCE), students))
    return Comparison("Emotion analysis", "authors", "emotion", Parameters(values), runs, Store(tmp_path))


class Cells(HTMLParser):
    """The text of each row's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "br":
            self.rows[-1][-1] += "|"

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def cells(html: str) -> list[list[str]]:
    parser = Cells()
    parser.feed(html)
    return parser.rows


def test_each_cell_shows_mean_spread_and_the_papers_value(tmp_path):
    rows = {row[0].split("|")[0]: row for row in cells(tables.compression_table(comparison(tmp_path)))[1:7]}
    assert rows["QD-LLM"][1] == f"{mean(ACCURACIES):.4f}|± {stdev(ACCURACIES):.4f}|paper 0.8157"
    assert rows["PKD"][4].endswith("|paper 0.7702")
    assert rows["TinyBERT"][5] == "8.50e-08|± 5.0e-09|paper 5.54e-8"
    assert rows["QD-LLM"][6] == "4.25e-01|± 2.5e-02|paper 1.39e-3"
    assert "exact reverse KL" in rows["MiniLLM"][0] and "some size, 10.00M" in rows["MiniLLM"][0]


def test_overall_is_the_mean_over_teachers_seed_by_seed(tmp_path):
    rows = cells(tables.compression_table(comparison(tmp_path, ("opt", "llama2"))))
    (quantum,) = [row for row in rows[-5:] if row[0].startswith("QD-LLM")]
    lowered = [acc - 0.05 for acc in ACCURACIES]
    assert quantum[1] == f"{mean(lowered):.4f}|± {stdev(lowered):.4f}|paper 0.8012"
    assert quantum[0] == "QD-LLM|0.09% of the largest (paper 0.02%)"


def test_a_table_whose_lines_have_different_numbers_of_seeds_names_them(tmp_path):
    even = comparison(tmp_path, ("opt", "llama2"))
    assert "seed" not in " ".join(row[0] for row in cells(tables.compression_table(even)))
    runs = [replace(run, students=run.students | {"pkd": run.students["pkd"][:1]}) for run in even.runs]
    rows = cells(shown := tables.compression_table(replace(even, runs=runs)))
    named = {row[0].split("|")[0]: row[0].split("|")[-1] for row in rows if len(row) > 1 and "|" in row[0]}
    assert {"PKD": "1 seed", "QD-LLM": f"{len(ACCURACIES)} seeds"}.items() <= named.items()
    assert sum("1 seed" in row[0].split("|") for row in rows) == 3 and "the seeds that a line names" in shown


def test_students_of_the_papers_size_stand_below_the_five_with_no_value_of_the_paper(tmp_path):
    plain = comparison(tmp_path, ("opt",))
    wide = {"distilbert_768": [fake_row("distilbert_768", 0, 0.83, 52_785_026)]}
    more = replace(plain, runs=[replace(plain.runs[0], wide=wide)])
    rows = cells(shown := tables.compression_table(more))
    assert rows[-1][0] == "DistilBERT, 4 × 768|MLM term left out|cut from MPNet|some size, 52.79M|1 seed"
    assert "100.00% of the largest" in rows[2][0]
    assert rows[-1][1] == "0.8300" and "those of 4 × 768 out of MPNet" in shown
    assert len(more.rows) == len(plain.rows) + 1 and "out of MPNet" not in tables.compression_table(plain)


def test_a_teacher_that_the_paper_has_not_gets_no_value_of_the_paper(tmp_path):
    rows = cells(tables.compression_table(comparison(tmp_path, ("minilm",))))
    assert len(rows) == 7 and all("|paper 0" in cell for row in rows[2:7] for cell in row[1:5])
    assert rows[6][1].endswith("|paper 0.8012")
    rows = cells(tables.compression_table(comparison(tmp_path, ("minilm", "mpnet"))))
    assert not any("paper" in cell for row in rows[2:7] for cell in row[1:])


def test_a_teacher_that_learnt_from_a_part_of_the_texts_says_so(tmp_path):
    whole = comparison(tmp_path, ("qwen",))
    teacher = whole.runs[0].teacher
    teacher = replace(
        teacher,
        identity=teacher.identity | {"share_learnt": 0.5},
        result=teacher.result | {"rows": {"train": 6001, "validation": 2000, "test": 2000}},
    )
    half = replace(teacher, result=teacher.result | {"run": {"numbers": "bfloat16"}})
    part, rounded = (replace(whole, runs=[replace(whole.runs[0], teacher=one)]) for one in (teacher, half))
    assert "taught with 3,000 of 6,001 texts; its" in tables.compression_table(part)
    assert "taught with 3,000 of 6,001 texts, in bfloat16; its" in tables.compression_table(rounded)
    assert "taught with" not in tables.compression_table(whole)


def test_a_second_reader_is_a_line_of_its_own_without_the_papers_value(tmp_path):
    whole = comparison(tmp_path)
    lower = {"minilm": [fake_row("quantum", seed, acc - 0.2, 5_051) for seed, acc in enumerate(ACCURACIES)]}
    whole = replace(whole, runs=[replace(whole.runs[0], others=lower)])
    rows = cells(tables.compression_table(whole))
    first, second = (row for row in rows if row[0].startswith("QD-LLM"))
    assert "reads MPNet, 12 × 768" in first[0] and first[1].endswith("|paper 0.8157")
    assert second[0] == "QD-LLM|reads MiniLM, 6 × 384|some size, 5,051, 0.05% of the largest"
    assert second[1] == f"{mean(ACCURACIES) - 0.2:.4f}|± {stdev(ACCURACIES):.4f}"


def test_caption_names_what_was_changed_and_marks_a_demo(tmp_path):
    shown = tables.compression_table(comparison(tmp_path, scale="demo"))
    assert "qd-demo" in shown and "changed: layers = 2" in shown and "9 texts" in shown
    assert "Hidden states of the teacher are used by PKD" in shown
    assert "a whole frozen embedder (sentence-transformers/all-MiniLM-L6-v2), which" in shown
    assert "qd-demo" not in tables.compression_table(comparison(tmp_path))
    assert "own test accuracy 0.9500" in shown and "1:1000 twin" in shown


def test_provenance_strip_says_source_commit_machine_and_versions(tmp_path):
    shown = tables.provenance_strip(comparison(tmp_path))
    for part in ("16 rows, source: measured", "abc123", "a processor, 2 cores", "torch 2.13.0", "1,234 MB"):
        assert part in shown


def test_figure_shows_measured_and_paper_points_on_a_logarithmic_axis(tmp_path):
    figure = plots.accuracy_against_parameters(comparison(tmp_path, ("opt", "minilm"), scale="demo"))
    for axis in figure.axes:
        assert axis.get_xscale() == "log" and axis.get_xlabel() == "trainable parameters"
        drawn = {(round(x), round(y, 4)) for line in axis.lines for x, y in zip(*line.get_data(), strict=True)}
        assert (9_275, round(mean(ACCURACIES), 4)) in drawn or (9_275, round(mean(ACCURACIES) - 0.1, 4)) in drawn
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "none"]
    assert {round(line.get_ydata()[0], 4) for line in hollow} == {0.7943, 0.8130, 0.7591, 0.7739, 0.8157}
    assert any(text.get_text() == "demo" for text in figure.texts)


def test_the_caption_says_under_which_teachers_hidden_states_are_used(tmp_path):
    found = comparison(tmp_path, ("opt", "llama2"))
    assert "Hidden states of the teacher are used by PKD; the others see class logits only." in tables.caption(found)
    for row in found.runs[1].students["pkd"]:
        row.result["inner_states"] = False
    one, other = (tables.TEACHER_NAMES[name] for name in ("opt", "llama2"))
    assert (
        f"Hidden states of {one} are used by PKD; the others, and all students of {other}, see class logits only."
        in tables.caption(found)
    )
    seeing = fake_row("pkd_768", 0, 0.83, 52_785_026)
    seeing.result["inner_states"] = True
    both = replace(found, runs=[found.runs[0], replace(found.runs[1], wide={"pkd_768": [seeing]})])
    assert f"hidden states of {other} are used by PKD, 4 × 768; the others see" in tables.caption(both)
    for row in found.runs[0].students["pkd"]:
        row.result["inner_states"] = False
    assert "Students see the teacher&#x27;s class logits only." in tables.caption(found).replace("'", "&#x27;")
