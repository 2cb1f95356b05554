"""The statistics against enumeration, hand computation and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdllm_utils.runs.statistics import (
    Difference,
    accuracy_error,
    corrected,
    effect_size,
    holm,
    interval,
    least_p,
    paired,
    sign_flip_p,
    smallest_detectable,
)

SEEN = np.array([0.5, 1.25, -0.25, 0.75, 0.5, 1.0, 0.0, 0.25, 1.5, 0.5])


def enumerated(differences) -> float:
    """The sign-flip p by looking at every pattern of signs."""
    seen = abs(np.mean(differences))
    means = [
        abs(np.mean(np.array(signs) * differences)) for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return float(np.mean([value >= seen - 1e-9 for value in means]))


@settings(deadline=None)
@given(st.lists(st.integers(-8, 8), min_size=2, max_size=7))
def test_sign_flip_p_is_that_of_all_patterns(numbers):
    differences = np.array(numbers) / 16
    assert sign_flip_p(differences) == pytest.approx(enumerated(differences))


def test_sign_flip_p_of_ten_seeds_is_exact_and_its_least_is_two_in_1024():
    assert sign_flip_p(SEEN) == pytest.approx(enumerated(SEEN))
    assert sign_flip_p(np.arange(1, 11) / 7) == 2 / 1024 == least_p(10, 1)


def test_many_seeds_are_drawn_and_agree_with_the_exact_test():
    many = np.tile(SEEN, 2)[:14]
    exact = enumerated(many)
    assert sign_flip_p(many) == pytest.approx(exact, abs=4 * math.sqrt(exact / 9999) + 1e-3)


def test_equal_differences_that_rounding_tells_apart_are_ties():
    """0.3 - 0.2 and 0.2 - 0.1 are not the same float; as accuracies of one test set they are the same difference."""
    found = paired([0.3, 0.2, 0.6], [0.2, 0.1, 0.5])
    assert found.p == 0.25 and found.low == found.high == pytest.approx(found.mean) and found.effect == math.inf


def test_differences_are_values_minus_reference_seed_by_seed():
    found = paired([0.8, 0.7, 0.9], [0.5, 0.6, 0.9])
    assert found.values.tolist() == pytest.approx([0.3, 0.1, 0.0])
    assert found.mean == pytest.approx(0.4 / 3)
    assert found.effect == pytest.approx(np.mean([0.3, 0.1, 0]) / np.std([0.3, 0.1, 0], ddof=1))
    assert found.low < found.mean < found.high


@pytest.mark.parametrize("reference", [[], [0.1], [0.1, 0.2, 0.3]])
def test_unpaired_seeds_are_refused(reference):
    with pytest.raises(ValueError, match="paired difference"):
        paired([0.1, 0.2] if reference else [], reference)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """BCa of ten normal differences covers a little less than 95%: between 85% and 97% in 100 experiments."""
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        low, high = interval(generator.normal(0.3, 1.0, 10))
        covered += low <= 0.3 <= high
    assert 85 <= covered <= 97


def test_one_seed_gives_a_difference_and_no_answer():
    found = paired([0.8], [0.7])
    assert found.mean == pytest.approx(0.1) and found.verdict == "inconclusive"
    assert all(math.isnan(value) for value in (found.low, found.high, found.p, found.effect))
    assert found.detectable == math.inf


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    with_gap = holm([math.nan, 0.01])
    assert math.isnan(with_gap[0]) and with_gap[1] == pytest.approx(0.02)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_p_and_bonferroni_and_keeps_the_order(p):
    adjusted = holm(p)
    assert all(raw <= value <= min(1.0, raw * len(p)) + 1e-12 for raw, value in zip(p, adjusted, strict=True))
    assert all((p[i] > p[j]) <= (adjusted[i] >= adjusted[j]) for i in range(len(p)) for j in range(len(p)))


def test_a_family_costs_power_and_changes_the_verdict():
    sure = paired(SEEN, np.zeros(10))
    assert sure.verdict == "ahead" and paired(-SEEN, np.zeros(10)).verdict == "behind"
    family = corrected({"sure": sure} | {f"other {k}": paired(np.roll(SEEN, k) - 0.5, np.zeros(10)) for k in range(24)})
    assert family["sure"].adjusted == pytest.approx(25 * sure.p) and family["sure"].family == 25
    assert family["sure"].verdict == "inconclusive" and family["sure"].detectable > sure.detectable
    assert family["sure"].mean == sure.mean


def test_an_interval_with_0_is_inconclusive_whatever_p_says():
    found = paired(SEEN, np.zeros(10))
    crossing = Difference(**(found.__dict__ | {"low": -0.1}))
    assert found.verdict == "ahead" and crossing.verdict == "inconclusive"


def test_a_detectable_difference_is_found_four_times_in_five():
    """The t test's power by simulation at the shift that is said to have 80%."""
    generator = np.random.default_rng(0)
    unit = SEEN / SEEN.std(ddof=1)
    for family in (1, 16):
        shift = smallest_detectable(unit, family)
        drawn = generator.normal(shift, 1.0, (20_000, 10))
        t = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * math.sqrt(10)
        from scipy.stats import t as student

        found = np.mean(2 * student.sf(np.abs(t), 9) < 0.05 / family)
        assert found == pytest.approx(0.8, abs=0.015)
    assert smallest_detectable(3 * unit) == pytest.approx(3 * smallest_detectable(unit))


@pytest.mark.parametrize(("seeds", "family"), [(2, 1), (5, 1), (10, 26), (6, 2)])
def test_too_few_seeds_can_detect_nothing(seeds, family):
    assert least_p(seeds, family) > 0.05
    assert smallest_detectable(SEEN[:seeds], family) == math.inf


def test_effect_size_of_no_difference_is_0():
    assert effect_size(np.zeros(4)) == 0 and effect_size(np.full(4, -0.5)) == -math.inf


def test_error_of_an_accuracy_is_the_binomial_one():
    drawn = np.random.default_rng(0).binomial(800, 0.65, 100_000) / 800
    assert accuracy_error(0.65, 800) == pytest.approx(drawn.std(), rel=0.02)
