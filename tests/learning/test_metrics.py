"""The paper's metrics by hand and by scikit-learn's report."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from qdllm_utils.learning.metrics import classification, cost


def test_two_classes_by_hand():
    # class 0: 3 right of 4 predicted, of 5 there are; class 1: 1 right of 3 predicted, of 2 there are
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 1, 0])
    assert classification(labels, predicted) == pytest.approx(
        {
            "acc": 4 / 7,
            "p": (3 / 4 + 1 / 3) / 2,
            "r": (3 / 5 + 1 / 2) / 2,
            "f1": (2 * 3 / (4 + 5) + 2 * 1 / (3 + 2)) / 2,
        }
    )


def test_four_classes_by_hand_one_of_them_never_predicted():
    labels = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    predicted = np.array([0, 0, 1, 0, 2, 1, 2, 2])
    assert classification(labels, predicted) == pytest.approx(
        {
            "acc": 4 / 8,
            "p": (2 / 3 + 1 / 2 + 1 / 3 + 0) / 4,
            "r": (1 + 1 / 2 + 1 / 2 + 0) / 4,
            "f1": (4 / 5 + 2 / 4 + 2 / 5 + 0) / 4,
        }
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_the_macro_average_of_scikit_learns_report(pairs):
    labels, predicted = np.array(pairs).T
    report = classification_report(labels, predicted, output_dict=True, zero_division=0)
    macro = report["macro avg"]
    values = classification(labels, predicted)
    assert values["acc"] == pytest.approx(np.mean(labels == predicted))
    assert (values["p"], values["r"], values["f1"]) == pytest.approx(
        (macro["precision"], macro["recall"], macro["f1-score"])
    )
    assert all(type(value) is float for value in values.values())


def test_the_indicators_of_cost_are_the_papers():
    # Table 5, LLaMA2-7B + TinyBERT: 0.7995 over 14.35 million parameters is the 5.57e-8 of SPEC section 8
    assert cost(0.7995, 14_350_000, 100.0)["acc_param"] == pytest.approx(5.57e-8, rel=1e-3)
    assert cost(0.8, 10, 400.0)["acc_tkd"] == pytest.approx(0.002)
