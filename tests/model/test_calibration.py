"""The temperature against scikit-learn's own and a grid; the calibration error against a plain loop."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from qdllm_utils.model.calibration import (
    RANGE,
    fit_temperature,
    negative_log_likelihood,
    probabilities,
    reliability,
    targets,
)


class Fixed(ClassifierMixin, BaseEstimator):
    """Hands the features through as logits."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return self.classes_[x.argmax(axis=1)]


@pytest.fixture
def overconfident():
    """Logits (2000, 4) three times as large as those that the labels were drawn from."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (2000, 4))
    labels = np.array([generator.choice(4, p=row) for row in softmax(logits, axis=1)])
    return 3 * logits, labels


def test_temperature_agrees_with_scikit_learn(overconfident):
    logits, labels = overconfident
    fixed = FrozenEstimator(Fixed().fit(logits, labels))
    theirs = CalibratedClassifierCV(fixed, method="temperature").fit(logits, labels)
    ours = probabilities(logits, fit_temperature(logits, labels))
    assert np.abs(theirs.predict_proba(logits) - ours).max() < 0.005
    assert fit_temperature(logits, labels) == pytest.approx(3, rel=0.1)


def test_temperature_is_the_best_of_a_grid(overconfident):
    logits, labels = overconfident[0][:60], overconfident[1][:60]
    found = fit_temperature(logits, labels)
    grid = np.geomspace(*RANGE, 4001)
    best = min(grid, key=lambda t: negative_log_likelihood(logits, labels, t))
    assert found == pytest.approx(best, rel=0.005)


def test_ten_texts_that_are_all_right_do_not_make_certainty():
    logits, labels = 50 * np.eye(2)[[0, 1] * 5], np.array([0, 1] * 5)
    chances = probabilities(logits, fit_temperature(logits, labels)).max(axis=1)
    assert chances.min() > 0.85 and chances.max() < 0.95  # 11/12
    assert np.allclose(targets(labels, 2).sum(axis=1), 1)


def test_calibration_error_is_the_plain_loops():
    generator = np.random.default_rng(1)
    chances = softmax(generator.normal(size=(300, 3)), axis=1)
    labels = generator.integers(0, 3, 300)
    wanted = 0.0
    for low in np.arange(10) / 10:
        rows = [i for i in range(300) if low <= chances[i].max() < low + 0.1]
        if rows:
            accuracy = np.mean([chances[i].argmax() == labels[i] for i in rows])
            wanted += abs(accuracy - np.mean([chances[i].max() for i in rows])) * len(rows) / 300
    found = reliability(chances, labels)
    assert found.ece == pytest.approx(wanted, abs=1e-12) and found.texts.sum() == 300
