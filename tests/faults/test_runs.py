"""Runs that fail among others: what is stored, what is said, what the next run does; and what is not finite."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qdllm_utils.learning import finite, training
from qdllm_utils.runs import jobs
from qdllm_utils.runs import store as store_module
from qdllm_utils.runs.jobs import Failed, attempt, run_jobs, train
from qdllm_utils.runs.missing import train_missing
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.students.quantum import QuantumStudents
from tests.runs.test_jobs import FEATURES, KNOBS, LABELS, comparable, job


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Runs in this process, into a store of its own, with nothing published."""
    monkeypatch.setenv("QDLLM_WORKERS", "1")
    monkeypatch.setattr(store_module, "PUBLISHED", tmp_path)


class BreaksAtSeedOne(QuantumStudents):
    """The copy of seed 1 gets a loss that is not finite in its second epoch."""

    value = float("nan")

    def losses(self, batch, epoch):
        found = super().losses(batch, epoch)
        factor = torch.tensor([self.value if seed == 1 and epoch == 1 else 1.0 for seed in self.seeds])
        return found * factor[:, None]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_copy_that_is_not_finite_is_named_and_its_neighbours_keep_their_bits(monkeypatch, value):
    expected = train(job([0, 1, 2]), 1)
    monkeypatch.setattr(BreaksAtSeedOne, "value", value)
    monkeypatch.setitem(jobs.ON_EMBEDDINGS, "quantum", BreaksAtSeedOne)
    found = train(job([0, 1, 2]), 1)
    assert isinstance(found[1], Failed) and found[1].identity["seed"] == 1
    for said in ("quantum, seed 1", "loss is not finite", "epoch 2", "learning rate 0.03"):
        assert said in str(found[1])
    for number in (0, 2):
        assert comparable(found[number]) == comparable(expected[number])
        for name, values in expected[number].arrays.items():
            assert np.array_equal(found[number].arrays[name], values)


def test_a_single_copy_that_is_not_finite_makes_no_row(monkeypatch):
    monkeypatch.setitem(jobs.ON_EMBEDDINGS, "quantum", BreaksAtSeedOne)
    (found,) = train(job([1]), 1)
    assert isinstance(found, Failed) and "not finite in epoch 2" in str(found)


def test_a_caller_that_does_not_ask_gets_the_sentence(monkeypatch, refused):
    student = BreaksAtSeedOne(6, 2, KNOBS, [0, 1])
    data = {"features": torch.tensor(FEATURES), "labels": torch.tensor(LABELS), "teacher": torch.ones(50, 2)}
    with refused("my run", "loss is not finite in epoch 2", "smaller learning rate"):
        training.fit(student, data, data, "my run")


def test_weights_that_overflow_in_the_last_step_are_seen():
    """The loss was finite still; so are the logits, where the weight has no part in them."""
    student = QuantumStudents(6, 2, KNOBS, [0, 1])
    assert not finite.not_finite(student, torch.zeros(2), torch.zeros(2, 3, 2), "epoch 1")
    with torch.no_grad():
        student.angles[1, 0] = torch.inf
    found = finite.not_finite(student, torch.zeros(2), torch.zeros(2, 3, 2), "epoch 1")
    assert list(found) == [1] and "weights" in found[1] and "angles" in found[1]
    found = finite.not_finite(student, torch.tensor([torch.nan, 0.0]), torch.zeros(2, 3, 2), "epoch 1")
    assert "loss" in found[0] and "weights" in found[1]


@pytest.mark.parametrize(("name", "what"), [("features", "embeddings"), ("teacher_logits", "teacher")])
def test_inputs_that_are_not_finite_are_refused_before_training(refused, name, what):
    values = getattr(job([0]), name).copy()
    values[17, 1] = np.nan
    values[20, 0] = np.inf
    with refused(what, "2 of 50 texts", "text 17"):
        train(job([0], **{name: values}), 1)


def test_a_row_that_is_not_finite_is_not_stored(refused):
    row = train(job([0]), 1)[0]
    with refused("quantum", "not finite", "history.1"):
        broken = row.result | {"history": [0.5, float("nan")]}
        Store().save(replace(row, result=broken))
    with refused("not finite", "test_logits"):
        Store().save(replace(row, arrays={"test_logits": row.arrays["test_logits"] * np.inf}))
    assert Store().load(row.identity) is None


def test_one_failing_run_of_three_leaves_its_neighbours_stored_and_is_tried_alone_next_time(monkeypatch):
    """Three jobs, one with features of another width than its teacher's logits: an error that nobody foresaw."""
    tried = []

    def noted(listed, total=None):
        return run_jobs((tried.append(one.seeds[0]) or one for one in listed), total)

    monkeypatch.setattr("qdllm_utils.runs.jobs.run_jobs", noted)
    three = [job([0]), job([1], teacher_logits=np.zeros((50, 3), np.float32)), job([2])]
    found, failures = train_missing(Store(), three)
    assert sorted(row.identity["seed"] for row in found.values()) == [0, 2] and tried == [0, 1, 2]
    (failure,) = failures
    assert failure.identity["seed"] == 1 and "RuntimeError" in failure.reason and "\n" not in failure.reason
    assert (
        Store().load(three[0].identities[0]).result["acc"]
        == found[Row(three[0].identities[0], {}, {}).key].result["acc"]
    )
    tried.clear()
    found, failures = train_missing(Store(), [job([0]), job([1]), job([2])])
    assert tried == [1] and not failures and len(found) == 3


def test_what_fails_is_said_in_one_line():
    (failed,) = attempt(job([5], labels=LABELS[:10]), 1)
    assert isinstance(failed, Failed) and str(failed).startswith("quantum, seed 5: ") and "\n" not in str(failed)
