"""What an experiment is called, what it trains, and what it never writes down."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from qdllm_utils.config import SCALES, knobs
from qdllm_utils.runs import experiments, jobs, teaching
from qdllm_utils.runs.experiments import STUDENTS, Experiment
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.show import tables
from qdllm_utils.texts.sources import Source
from qdllm_utils.texts.teachers import TeacherOutput

CPU = SCALES["cpu"]


def experiment(teacher="opt", scale=CPU, data_dir=None, path=None, **changes) -> Experiment:
    source = Source("emotion", scale, data_dir, path)
    changes = {"pooling": "mean"} | changes
    return Experiment(source, scale, teacher, knobs("tuned", **changes), Store(say=lambda sentence: None))


def keys(chosen: Experiment) -> dict[str, str]:
    return {student: key_of(chosen.student_identity(student, 0)) for student in STUDENTS}


def changed(one: Experiment, other: Experiment) -> set[str]:
    return {student for student in STUDENTS if keys(one)[student] != keys(other)[student]}


@pytest.mark.parametrize(
    ("other", "students"),
    [
        ({"data_dir": "elsewhere"}, set()),
        ({"scale": replace(CPU, name="mine", seeds=99)}, set()),
        ({"layers": 3}, {"quantum"}),
        ({"alpha": 0.5}, {"quantum"}),
        ({"epochs": 3}, set(STUDENTS)),
        ({"teacher": "llama2"}, set(STUDENTS)),
        ({"scale": replace(CPU, max_texts=100)}, set(STUDENTS)),
        ({"scale": replace(CPU, pretraining_steps=7)}, set(STUDENTS)),
        ({"scale": replace(CPU, embedder="bert")}, {"quantum"}),
        ({"scale": replace(CPU, paper_sizes=True)}, set(STUDENTS) - {"quantum"}),
    ],
)
def test_a_key_changes_with_what_a_run_depends_on_and_with_nothing_else(other, students):
    assert changed(experiment(), experiment(**other)) == students


def test_every_student_and_seed_has_a_key_of_its_own():
    chosen = experiment()
    names = {key_of(chosen.student_identity(student, seed)) for student in STUDENTS for seed in range(3)}
    assert len(names) == 3 * len(STUDENTS)


def student_row(chosen: Experiment, student: str, seed: int) -> Row:
    result = {"acc": seed / 10, "p": 0.5, "r": 0.5, "f1": 0.5, "parameters": 9, "validation": 0.5, "size": "small"}
    return Row(chosen.student_identity(student, seed), result, {})


def fill(chosen: Experiment, seeds) -> None:
    for student in STUDENTS:
        for seed in seeds:
            chosen.store.save(student_row(chosen, student, seed))


def test_rows_in_the_store_are_found_without_data_weights_or_training(monkeypatch):
    fill(experiment(), range(4))
    monkeypatch.setattr(jobs, "run_jobs", None)
    chosen = experiment(data_dir="/absent")
    rows = chosen.student_rows(STUDENTS, range(4))
    assert {student: [row.result["acc"] for row in found] for student, found in rows.items()} == {
        student: [0.0, 0.1, 0.2, 0.3] for student in STUDENTS
    }
    assert len(chosen.store.loaded) == 20 and not chosen.store.computed


def test_the_baselines_may_have_fewer_seeds_than_the_student():
    chosen = experiment()
    fill(chosen, range(4))
    rows = chosen.student_rows(STUDENTS, range(4), range(2))
    assert [len(rows[student]) for student in STUDENTS] == [2, 2, 2, 2, 4] and list(rows) == list(STUDENTS)


def test_only_missing_rows_are_trained_and_each_is_saved_as_it_comes(monkeypatch):
    asked = {}
    chosen = experiment()
    fill(chosen, [0, 2])

    def run(listed, total):
        for job in listed:
            asked.setdefault(job.student, []).extend(job.seeds)
            for identity in reversed(job.identities):
                yield student_row(chosen, job.student, identity["seed"])
        raise KeyboardInterrupt

    def jobs_of(self, missing):
        return [
            jobs.Job(name, [self.student_identity(name, seed) for seed in seeds], seeds, *[None] * 10)
            for name, seeds in missing.items()
        ]

    monkeypatch.setattr(Experiment, "jobs", jobs_of)
    monkeypatch.setattr(Experiment, "check_weights", lambda *_: None)
    monkeypatch.setattr(jobs, "run_jobs", run)
    with pytest.raises(KeyboardInterrupt):
        chosen.student_rows(("pkd", "quantum"), range(4))
    assert asked == {"pkd": [1, 3], "quantum": [1, 3]}
    monkeypatch.setattr(jobs, "run_jobs", None)
    rows = experiment().student_rows(("pkd", "quantum"), range(4))
    assert [row.result["acc"] for row in rows["pkd"]] == [0.0, 0.1, 0.2, 0.3]


def test_a_student_cut_from_the_teachers_model_gets_its_inner_states_although_the_stored_teacher_has_none(monkeypatch):
    logits, again = np.zeros((5, 2)), np.zeros((5, 2))
    again[[1, 3], 1] = 1
    kept = {"adapter/layer": np.ones(3)}
    taught = []

    def compute(self):
        taught.append(self.teacher)
        return {"acc": 0.9}, {"logits": again, **kept}

    monkeypatch.setattr(Experiment, "compute_teacher", compute)
    monkeypatch.setattr(Experiment, "parts", lambda self: {"test": np.array([1, 2, 3])})
    chosen = experiment("mpnet")
    for _ in range(2):  # the second time it is found
        found = teaching.adapter_for(chosen, "pkd_768", {"logits": logits})
        assert found.keys() == {"layer"} and (found["layer"] == 1).all() and taught == ["mpnet"]
    row = chosen.store.load({"kind": "adapter", "teacher": chosen.teacher_identity})
    assert row.result == {"acc": 0.9, "otherwise": 2}
    for teacher, student in (("mpnet", "pkd"), ("qwen", "pkd_768"), ("minilm", "distilbert_768")):
        assert teaching.adapter_for(experiment(teacher), student, {"logits": logits}) == {}
    assert teaching.adapter_for(chosen, "pkd", {"logits": logits, "adapter/own": logits}).keys() == {"own"}
    assert teaching.adapter(chosen, {"logits": logits}).keys() == {"layer"}  # what the pooling `teacher` reads with
    assert taught == ["mpnet"]


def test_the_names_of_the_students_are_those_of_their_classes():
    assert tuple(jobs.BASELINES) == experiments.COMPRESSION and tuple(jobs.WIDE_BASELINES) == experiments.WIDE
    assert tuple(tables.WIDE_NAMES) == experiments.WIDE and tuple(tables.STUDENT_NAMES) == STUDENTS


def test_weights_out_of_reach_are_noticed_before_anything_is_trained(monkeypatch):
    """At the scale `paper` the teacher, the embedder and all four students' sources must be there."""
    located = []
    monkeypatch.setattr(experiments.pretrained, "locate", lambda name: located.append(name) or name)
    experiment(scale=SCALES["paper"]).check_weights({})
    assert "mpnet" not in located
    sources = {jobs.BASELINES[student].paper.source for student in STUDENTS if student != "quantum"}
    assert {"facebook/opt-6.7b", "bert", *sources} <= set(located)
    experiment(scale=SCALES["paper"]).check_weights({"pkd_768": [0]})
    assert "mpnet" in located


def test_a_teacher_from_a_folder_leaves_no_path_in_its_row(monkeypatch, tmp_path):
    folder = tmp_path / "my-bert"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(2, dtype=np.float32)}, folder / "model.safetensors")
    lines = "".join(f"text {number},{'ab'[number % 2]}\n" for number in range(40))
    (tmp_path / "own.csv").write_text(f"text,label\n{lines}")
    logits = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
    monkeypatch.setattr(teaching, "fine_tune", lambda *given: TeacherOutput(logits, 10, 2, {}))
    chosen = experiment(str(folder), path=str(tmp_path / "own.csv"))
    for part, wrong in (("validation", 2), ("test", 3)):  # so that each part has an accuracy of its own
        rows = chosen.parts()[part][:wrong]
        logits[rows] = logits[rows][:, ::-1]
    row = chosen.teacher_row()
    assert row.result["acc"] == 5 / 8 and row.result["validation"]["acc"] == 6 / 8
    assert row.result["rows"] == {"train": 24, "validation": 8, "test": 8}
    written = (chosen.store.folder / f"{row.key}.json").read_text()
    assert json.loads(written)["result"] == row.result
    assert str(tmp_path) not in written and str(Path(tmp_path).parent) not in written


def test_another_split_is_another_student_and_teacher_of_the_same_embeddings():
    first = experiment("labels-100")
    other = replace(first, split_seed=3)
    assert other.embedding_identity("mean") == first.embedding_identity("mean")
    assert other.student_identity("quantum", 0)["embedding"] == first.student_identity("quantum", 0)["embedding"]
    assert keys(other)["quantum"] != keys(first)["quantum"]
    assert key_of(other.teacher_identity) != key_of(first.teacher_identity)
