"""A teacher of few labels: what it may see, and what its students see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdllm_utils.texts.few_labels import FewLabels
from qdllm_utils.texts.teacher_specs import without_model

LABELS = np.arange(200) % 3
PARTS = {"train": np.arange(0, 120), "validation": np.arange(120, 160), "test": np.arange(160, 200)}
STATES = np.random.default_rng(0).normal(size=(200, 5)) + LABELS[:, None]


def test_a_hub_id_that_begins_alike_is_a_model():
    assert without_model("probe-mpnet-8-3") and without_model("labels-80")
    assert not without_model("probe-lab/bert") and not without_model("probe-mpnet")


def test_the_name_says_all_and_no_other_name_is_taken_for_one():
    few = FewLabels("mpnet", 8, 3)
    assert FewLabels.of(few.name) == few and few.name == "probe-mpnet-8-3"
    for other in ("mpnet", "labels-80", "probe-mpnet", "probe-mpnet-8", "my/probe-mpnet-8-3"):
        assert FewLabels.of(other) is None


@given(st.integers(1, 30), st.integers(0, 50))
def test_so_many_training_texts_of_each_class_and_a_larger_draw_holds_a_smaller(labelled, draw):
    rows = FewLabels("mpnet", labelled, draw).rows(LABELS, PARTS["train"])
    assert np.bincount(LABELS[rows]).tolist() == [labelled] * 3
    assert set(rows) <= set(PARTS["train"])
    assert set(FewLabels("mpnet", max(1, labelled - 3), draw).rows(LABELS, PARTS["train"])) <= set(rows)


def test_more_than_there_are_is_refused(refused):
    with refused("40 training texts"):
        FewLabels("mpnet", 41, 0).rows(LABELS, PARTS["train"])


def test_the_teacher_learns_from_the_labelled_texts_alone():
    few = FewLabels("mpnet", 8, 0)
    known = few.rows(LABELS, PARTS["train"])
    hidden = np.setdiff1d(np.arange(200), known)
    others = LABELS.copy()
    # every label that it may not know is another one, save that the draw stays as it is
    others[hidden] = np.where(np.isin(hidden, PARTS["train"]), LABELS[hidden], (LABELS[hidden] + 1) % 3)
    before, after = few.teach(STATES, LABELS, PARTS["train"]), few.teach(STATES, others, PARTS["train"])
    assert np.array_equal(before.logits, after.logits)
    assert np.allclose(np.exp(before.logits).sum(axis=1), 1, atol=1e-5)
    assert (before.logits.argmax(axis=1) == LABELS).mean() > 0.5 and before.parameters == 3 * 6


def test_a_class_of_probability_nought_has_a_finite_logit():
    labels = np.arange(40) % 2
    states = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32) * 0.01 + labels[:, None]
    states[-1] = 1e4
    found = FewLabels("mpnet", 8, 0).teach(states, labels, np.arange(36)).logits
    assert np.isfinite(found).all() and found[-1].argmax() == 1 and found[-1, 0] < -50


@pytest.mark.parametrize("alone", [True, False])
def test_a_student_never_meets_a_label_that_is_not_known(alone):
    few = FewLabels("mpnet", 8, 0)
    known = few.rows(LABELS, PARTS["train"])
    logits = np.eye(3)[np.full(200, 2)]  # a teacher that always says 2
    given_labels, parts = few.seen(LABELS, PARTS, logits, alone)
    unknown = np.setdiff1d(np.concatenate([PARTS["train"], PARTS["validation"]]), known)
    assert (given_labels[unknown] == 2).all()
    assert np.array_equal(given_labels[known], LABELS[known])
    assert np.array_equal(given_labels[PARTS["test"]], LABELS[PARTS["test"]])
    assert np.array_equal(parts["train"], known if alone else PARTS["train"])
    assert np.array_equal(parts["validation"], PARTS["validation"]) and np.array_equal(parts["test"], PARTS["test"])
