"""The interval over seeds and texts against a bootstrap, a simulation and scipy; the verdict is the interval's."""

import numpy as np
import pytest
from scipy import stats

from qdllm_utils.runs.statistics import LEAST_SEEDS, accuracy_error, by_text, compared, family_of, over_splits


def drawn(seeds=10, texts=400, shift=0.0, seed=0, of_seeds=1.0, of_texts=20.0):
    """Differences with a known spread over seeds and over texts, in points."""
    rng = np.random.default_rng(seed)
    return shift + of_seeds * rng.normal(size=(seeds, 1)) + of_texts * rng.normal(size=(1, texts))


def test_the_error_is_that_of_a_bootstrap_over_seeds_and_texts():
    differences = drawn() + 30 * np.random.default_rng(1).normal(size=(10, 400))
    rng, means = np.random.default_rng(2), []
    for _ in range(4000):
        rows, columns = rng.integers(10, size=10), rng.integers(400, size=400)
        means.append(differences[rows][:, columns].mean())
    # ddof: the bootstrap's variance of seeds is (S - 1) / S of the unbiased one
    assert compared(differences).error == pytest.approx(np.std(means), rel=0.08)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = [0 for _ in range(2)]
    for seed in range(400):
        found = compared(drawn(shift=1.5, seed=seed))
        held[found.low <= 1.5 <= found.high] += 1
    assert 0.92 <= held[1] / 400 <= 0.985


def test_without_spread_over_texts_it_is_students_t_over_seeds():
    values = np.array([0.4, 1.3, -0.2, 0.9, 2.1, 0.3])
    found = compared(np.repeat(values[:, None], 50, axis=1))
    low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6)


def test_the_verdict_is_the_intervals_and_nothing_elses():
    for seed in range(60):
        found = compared(drawn(shift=1.5, seed=seed))
        without_0 = found.low > 0 or found.high < 0
        assert (found.verdict != "inconclusive") == without_0 == (found.p < 0.05)
        if without_0:
            assert found.verdict == ("ahead" if found.mean > 0 else "behind")


def test_a_family_widens_the_interval_to_its_level():
    differences = drawn(shift=3)
    alone, among = compared(differences), family_of({"a": differences, "b": differences * 0}, 20)["a"]
    assert among.family == 20 and among.error == alone.error and among.p == pytest.approx(min(1, 20 * alone.p))
    assert among.high - among.mean > 1.4 * (alone.high - alone.mean)
    assert family_of({"a": differences, "b": -differences})["b"].family == 2


def test_what_is_detectable_is_found_four_times_in_five():
    detectable = compared(drawn(seed=5)).detectable
    found = [compared(drawn(shift=detectable, seed=seed)).verdict for seed in range(300)]
    assert 0.68 < found.count("ahead") / 300 < 0.92


def test_few_seeds_tell_nothing_and_equal_answers_are_no_difference():
    assert compared(drawn(LEAST_SEEDS - 1, shift=50)).verdict == "inconclusive"
    assert compared(drawn(LEAST_SEEDS, shift=50)).verdict == "ahead"
    same = compared(np.zeros((10, 40)))
    assert (same.low, same.high, same.p, same.verdict) == (0, 0, 1, "inconclusive")


def test_a_text_counts_where_only_one_of_the_two_is_right():
    labels, predicted = np.array([0, 1, 1, 0]), np.array([[0, 1, 0, 1], [0, 0, 1, 1]])
    found = by_text(predicted, np.array([[0, 0, 1, 0]]), labels)
    assert found.tolist() == [[0, 100, -100, -100], [0, 0, 0, -100]]
    accuracies = 100 * (predicted == labels).mean(axis=1)
    assert found.mean(axis=1).tolist() == (accuracies - 75).tolist()


def test_the_error_of_one_accuracy():
    assert accuracy_error(0.8, 400) == pytest.approx(0.02)


def test_over_splits_it_is_students_t_widened_by_the_texts_that_splits_share():
    values = np.random.default_rng(3).normal(0.5, 1, 20)
    plain, shared = over_splits(values, 0.0), over_splits(values, 1 / 3)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (plain.low, plain.high) == pytest.approx((low, high))
    assert plain.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert (shared.high - shared.low) / (high - low) == pytest.approx(np.sqrt(1 + 20 / 3))


def test_over_splits_a_classifier_that_is_no_better_is_rarely_called_better():
    """Two nearest-mean classifiers on other halves of exchangeable features, on 20 splits of the same 60 points."""
    generator = np.random.default_rng(5)
    told = 0
    for _ in range(150):
        points, labels = generator.normal(size=(60, 8)), np.arange(60) % 2
        points[labels == 1] += 0.5
        found = []
        for _ in range(20):
            order = generator.permutation(60)
            train, test = order[:45], order[45:]
            accuracies = []
            for half in (points[:, :4], points[:, 4:]):
                means = np.array([half[train][labels[train] == one].mean(axis=0) for one in (0, 1)])
                nearest = ((half[test][:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
                accuracies.append(100 * (nearest == labels[test]).mean())
            found.append(accuracies[0] - accuracies[1])
        told += over_splits(np.array(found), 1 / 3).verdict != "inconclusive"
    assert told <= 150 * 0.1  # the uncorrected t calls one in three
