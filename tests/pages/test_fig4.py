"""Figure 4's rows, intervals and sentences; a related-task row belongs to its data and to no teacher."""

from dataclasses import replace

import numpy as np
import pytest

from qdllm_utils.config import SCALES, TASKS, knobs
from qdllm_utils.learning.metrics import packed
from qdllm_utils.pages import fig4
from qdllm_utils.pages.fig4 import Related
from qdllm_utils.parameters import read_parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.jobs import RELATED, Job, train
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.show import paper
from qdllm_utils.texts.sources import Source, split

CPU = SCALES["cpu"]
TEXTS = 400
READ_EMBEDDINGS = {"bert_qtc", "bert_qtc_trained"}


def experiment(teacher="opt", scale=CPU, task="thematic", **changes) -> Experiment:
    quiet = Store(say=lambda sentence: None)
    return Experiment(Source(task, scale), scale, teacher, knobs("tuned", **({"pooling": "mean"} | changes)), quiet)


def keys(chosen):
    return {student: key_of(chosen.student_identity(student, 0)) for student in RELATED}


@pytest.mark.parametrize(
    ("other", "students"),
    [
        ({"teacher": "llama2"}, set()),
        ({"scale": replace(CPU, pretraining_steps=7)}, set()),
        ({"layers": 3, "pooling": "cls"}, set()),
        ({"scale": replace(CPU, embedder="bert")}, READ_EMBEDDINGS),
        ({"epochs": 3}, set(RELATED)),
        ({"task": "hiding"}, set(RELATED)),
        ({"scale": replace(CPU, max_texts=100)}, set(RELATED)),
        ({"scale": replace(CPU, paper_sizes=True)}, set(RELATED)),
    ],
)
def test_a_related_row_is_shared_by_all_teachers(other, students):
    one, two = keys(experiment()), keys(experiment(**other))
    assert {student for student in RELATED if one[student] != two[student]} == students
    assert len(set(one.values())) == len(RELATED)


def test_no_teacher_is_asked_for_where_only_related_rows_are_missing(monkeypatch):
    monkeypatch.setattr(Experiment, "teacher_row", None)
    chosen = experiment(scale=SCALES["demo"])
    (job,) = chosen.jobs({"textrcnn": [3]})
    assert job.teacher is None and job.teacher_logits is None and job.features is None
    assert job.identities == [chosen.student_identity("textrcnn", 3)] and job.texts == chosen.source.corpus.texts


@pytest.mark.parametrize("student", ["textrcnn", "hitin", "bert_qtc"])
def test_a_related_job_trains_on_texts_or_embeddings_and_gives_one_row(student):
    labels = np.arange(60) % 2
    texts = tuple(f"{('good', 'bad')[label]} {('day', 'night')[number % 3 % 2]}" for number, label in enumerate(labels))
    features = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32) + 2 * labels[:, None]
    job = Job(
        student=student,
        identities=[{"kind": "student", "seed": 1}],
        seeds=[1],
        knobs=knobs("paper", epochs=20),
        paper_size=False,
        classes=2,
        labels=labels,
        split=split(labels, 0),
        teacher_logits=None,
        features=features.astype(np.float32) if student in READ_EMBEDDINGS else None,
        texts=() if student in READ_EMBEDDINGS else texts,
        teacher=None,
        adapter={},
    )
    first, second = (train(job, 1)[0] for _ in range(2))
    np.testing.assert_allclose(first.arrays["test_logits"], second.arrays["test_logits"], atol=1e-5)
    assert first.result["acc"] > 0.6 and first.arrays["test_logits"].shape == (12, 2)
    assert first.result["validation"] == max(accuracy for accuracy in first.result["history"])


def parameters(**changes):
    values = {"teacher": "minilm", "scale": "demo", "preset": "paper", "seeds": 3, "data_dir": None, "refresh": False}
    kinds = {"teacher": str, "scale": str, "preset": str, "seeds": int, "data_dir": str, "refresh": bool}
    return read_parameters({"__annotations__": kinds} | values | changes)


def made_up(quantum, baselines, **changes) -> Related:
    """Related with given accuracies: quantum {teacher: [of each seed]}, baselines [of each seed], on every task."""
    chosen = parameters(**changes)

    def rows(accuracies):
        results = [dict.fromkeys(("acc", "p", "r", "f1"), acc) for acc in accuracies]
        answers = [packed(np.arange(TEXTS) >= round(TEXTS * acc)) for acc in accuracies]  # all texts are of class 0
        return [
            Row({}, {**result, "predicted": answer, "parameters": 9275, "size": "small"}, {})
            for result, answer in zip(results, answers, strict=True)
        ]

    teacher = Row({}, {"acc": 0.9, "name": "minilm"}, {})
    tasks = {}
    for task in TASKS.values():
        runs = []
        for number, (name, accuracies) in enumerate(quantum.items()):
            names = () if number else fig4.related_students(task.name)
            students = {"quantum": rows(accuracies)} | {student: rows(baselines) for student in names}
            runs.append(TeacherRun(name, teacher, students))
        tasks[task.name] = Comparison(task.title, "generated", task.name, chosen, runs, Store())
    return Related(chosen, tasks, {task: np.zeros(TEXTS, int) for task in TASKS})


def test_the_difference_is_paired_by_seed_and_text_and_corrected_for_all_baselines():
    ours, theirs = [0.80, 0.83, 0.79], [0.78, 0.79, 0.78]
    found = fig4.difference(made_up({"minilm": ours}, theirs), "hiding", "textrcnn")
    assert found.values == pytest.approx([2, 4, 1]) and found.mean == pytest.approx(7 / 3)
    by_text = np.zeros((3, TEXTS))
    for seed, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        by_text[seed, round(TEXTS * other) : round(TEXTS * one)] = 100
    variance = found.values.var(ddof=1) / 3 + by_text.mean(axis=0).var(ddof=1) / TEXTS
    assert found.error == pytest.approx(variance**0.5) and found.family == 3 * len(RELATED) - 2
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("quantum", "seeds", "judgement", "outcome"),
    [
        ([0.85, 0.86, 0.85, 0.86, 0.85], 5, "task: reproduced", "ahead of TextRCNN"),
        ([0.55, 0.56, 0.55, 0.56, 0.55], 5, "not reproduced", "behind TextRCNN"),
        ([0.70, 0.73, 0.70, 0.70, 0.70], 5, "inconclusive", "not to be told from TextRCNN"),
        ([0.99], 1, "inconclusive", "not to be told from TextRCNN"),  # a single seed tells nothing
    ],
)
def test_the_verdict_follows_from_the_rows(quantum, seeds, judgement, outcome):
    shown = fig4.verdict(made_up({"minilm": quantum}, [0.70, 0.71, 0.70, 0.70, 0.70][:seeds], seeds=seeds))
    assert judgement in shown and shown.count(outcome) == 3 and "demo scale" in shown
    assert ("Fewer than 5 seeds tell nothing" in shown) == (seeds < 5)
    assert f"of {3 * len(RELATED) - 2} comparisons" in shown


def test_several_teachers_give_one_value_a_seed_and_the_baselines_stand_once():
    many = made_up({"opt": [0.6, 0.7, 0.8, 0.7, 0.7], "llama2": [0.8, 0.7, 0.6, 0.7, 0.7]}, [0.5] * 5)
    comparison = many.tasks["emotion"]
    assert fig4.by_seed(comparison, "quantum", "acc") == pytest.approx([0.7] * 5)
    assert fig4.by_seed(comparison, "hitin", "f1") == [0.5] * 5
    assert fig4.difference(many, "emotion", "hitin").verdict == "ahead"
    assert len(many.whole.runs) == 6


def test_the_table_shows_every_student_and_the_papers_value_of_qd_llm_only():
    shown = fig4.table(made_up({"minilm": [0.6, 0.7, 0.8]}, [0.5, 0.5, 0.5]))
    for task in TASKS:
        assert f"paper {paper.compression(task, 'overall', 'quantum', 'acc')}<" in shown
    assert shown.count("HiTIN, label tree") == 1 and shown.count("LSFLS-style") == 3
    assert "demo scale: not a result" in shown and "generated demo texts" in shown.lower()


def test_the_figure_draws_each_mean_where_it_was_measured():
    figure = fig4.figure(made_up({"minilm": [0.6, 0.7, 0.8]}, [0.5, 0.5, 0.5]))
    assert [axis.get_title() for axis in figure.axes] == [task.title for task in TASKS.values()]
    for axis in figure.axes:
        stars = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "*"]
        assert stars[0] == pytest.approx(0.7) and len(stars) == 2
    assert any("demo" in text.get_text() for text in figure.texts)
