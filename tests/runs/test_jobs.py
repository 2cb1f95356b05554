"""A grid gives the same rows through joblib and through Dask, and a row holds what its student computed."""

from dataclasses import replace

import distributed
import numpy as np
import pytest
import torch

from qdllm_utils.config import knobs
from qdllm_utils.learning.metrics import classification
from qdllm_utils.runs import cluster
from qdllm_utils.runs.jobs import Job, run_jobs, train
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.texts.sources import split
from qdllm_utils.texts.teacher_specs import TeacherSpec

KNOBS = knobs("tuned", qubits=3, layers=1, epochs=2, learning_rate=0.03, batch_size=8)
LABELS = np.arange(50) % 2
FEATURES = (np.random.default_rng(0).normal(size=(50, 6)) + LABELS[:, None]).astype(np.float32)


def job(seeds, **changes) -> Job:
    quantum = Job(
        student="quantum",
        identities=[{"kind": "student", "seed": seed, "student": "quantum"} for seed in seeds],
        seeds=list(seeds),
        knobs=KNOBS,
        paper_size=False,
        classes=2,
        labels=LABELS,
        split=split(LABELS, 0),
        teacher_logits=np.eye(2, dtype=np.float32)[LABELS] * 3,
        features=FEATURES,
        texts=(),
        teacher=TeacherSpec("opt", "", (), 8, 1e-3, 1, 8, 1),
        adapter={},
    )
    return replace(quantum, **changes)


def by_seed(rows):
    return {row.identity["seed"]: row for row in rows}


def comparable(row):
    """What must not depend on where a row was computed: all but times."""
    return {name: value for name, value in row.result.items() if name != "epoch_seconds"}


@pytest.fixture(scope="module")
def alone():
    """The rows of the seeds 0 to 2, trained here: 0 and 1 together, then 2."""
    threads = torch.get_num_threads()
    rows = by_seed([*train(job([0, 1]), 1), *train(job([2]), 1)])
    torch.set_num_threads(threads)
    return rows


def assert_same(rows, expected):
    assert set(rows) == set(expected)
    for seed, row in rows.items():
        assert comparable(row) == comparable(expected[seed])
        assert row.identity == expected[seed].identity
        for name, values in expected[seed].arrays.items():
            np.testing.assert_allclose(row.arrays[name], values, atol=1e-5)
    assert not np.allclose(rows[0].arrays["test_logits"], rows[1].arrays["test_logits"], atol=1e-3)


def test_two_processes_give_the_rows_of_one(monkeypatch, alone):
    monkeypatch.setenv("QDLLM_WORKERS", "2")
    assert_same(by_seed(run_jobs([job([0, 1]), job([2])])), alone)


def test_a_dask_cluster_gives_the_rows_of_one_process(monkeypatch, alone):
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    ) as cluster:
        assert cluster.scheduler_address.startswith("tcp://")
        monkeypatch.setenv("QDLLM_DASK", cluster.scheduler_address)
        monkeypatch.setenv("QDLLM_WORKERS", "0")  # not looked at
        assert_same(by_seed(run_jobs([job([0, 1]), job([2])])), alone)


def test_a_row_holds_what_its_student_computed(alone):
    test = split(LABELS, 0)["test"]
    for seed, row in alone.items():
        student = QuantumStudents(6, 2, KNOBS, [seed])
        state = {name: torch.tensor(values)[None] for name, values in row.arrays.items() if name != "test_logits"}
        student.load_state_dict(state)
        logits = student.logits({"features": torch.tensor(FEATURES[test])[None]})[0].detach().numpy()
        np.testing.assert_allclose(row.arrays["test_logits"], logits, atol=1e-5)
        scores = classification(LABELS[test], logits.argmax(axis=1))
        assert {name: row.result[name] for name in scores} == pytest.approx(scores)
        assert row.result["parameters"] == 6 * 3 + 3 + student.angles.shape[1] + 3 * 2 + 2
        assert row.result["validation"] == max(row.result["history"])
        assert row.result["history"].index(row.result["validation"]) + 1 == row.result["best_epoch"]
        assert row.result["epoch_seconds"] > 0 and row.result["inner_states"] is False


def test_the_scaling_is_learnt_on_the_training_rows_alone(alone):
    rows = split(LABELS, 0)["train"]
    np.testing.assert_allclose(alone[0].arrays["centre"], FEATURES[rows].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(alone[0].arrays["spread"], FEATURES[rows].std(axis=0, ddof=1), atol=1e-5)


def test_a_bert_baseline_is_the_same_the_second_time():
    texts = tuple(f"{('a good day', 'a bad night')[label]} {number}" for number, label in enumerate(LABELS))
    baseline = job([4], student="distilbert", features=None, texts=texts, knobs=replace(KNOBS, epochs=1))
    first, second = (train(baseline, 1)[0] for _ in range(2))
    np.testing.assert_allclose(first.arrays["test_logits"], second.arrays["test_logits"], atol=1e-6)
    assert comparable(first) == comparable(second)
    assert first.result["size"] == "2 x 384" and first.result["inner_states"] is False


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_workers_that_is_none_is_refused(refused, monkeypatch, value):
    monkeypatch.setenv("QDLLM_WORKERS", value)
    with refused("QDLLM_WORKERS", repr(value), "whole number"):
        list(run_jobs([job([0])]))


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1:1"], ids=["no address", "nobody there"])
def test_a_scheduler_that_cannot_be_reached_is_refused(refused, monkeypatch, address):
    monkeypatch.setattr(cluster, "ANSWER", 1.5)
    monkeypatch.setenv("QDLLM_DASK", address)
    with refused("QDLLM_DASK", address):
        list(run_jobs([job([0])]))
