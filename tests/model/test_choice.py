"""The choice on validation: intervals against a plain bootstrap, and the cases a user meets."""

import numpy as np
import pytest

from qdllm_utils.model.choice import accuracy_interval, choose, paired


def answers(n, *wrong):
    right = np.ones(n, bool)
    right[list(wrong)] = False
    return right


def test_interval_is_that_of_texts_drawn_again():
    generator = np.random.default_rng(3)
    one, other = generator.random(400) < 0.8, generator.random(400) < 0.75
    difference = np.concatenate([one.astype(int) - other.astype(int), [1, -1]])
    means = [generator.choice(difference, len(difference)).mean() for _ in range(4000)]
    found = paired(one, other)
    assert found.mean == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.006)


def test_agreement_on_ten_texts_is_not_level_and_on_two_hundred_it_is():
    assert not paired(answers(10), answers(10)).level
    assert paired(answers(200), answers(200)).level


def test_wilson_interval_of_all_right():
    low, high = accuracy_interval(answers(20))
    assert high == pytest.approx(1) and low == pytest.approx(0.8389, abs=1e-3)


def test_smallest_level_model_is_chosen_and_not_the_best():
    right = {
        "teacher": answers(400),
        "small": answers(400, 1, 2),
        "middle": answers(400),
        "tiny": answers(400, *range(60)),
    }
    sizes = {"teacher": 1000, "middle": 100, "small": 10, "tiny": 1}
    found = choose(right, sizes, answers(400, *range(200)), "teacher")
    assert found.name == "small" and found.level and found.told_from_majority and found.reference == "teacher"


def test_without_a_level_model_it_is_the_best():
    right = {"teacher": answers(400), "small": answers(400, *range(80))}
    found = choose(right, {"teacher": 1000, "small": 10}, answers(400, *range(200)), "teacher")
    assert found.name == "teacher"


def test_a_bad_teacher_is_no_measure():
    right = {"teacher": answers(400, *range(120)), "bad": answers(400, *range(121)), "good": answers(400, 3)}
    found = choose(right, {"teacher": 1000, "bad": 1, "good": 10}, answers(400, *range(200)), "teacher")
    assert found.name == "good" and found.reference == "good"


def test_few_texts_forbid_the_word_level():
    right = {"teacher": answers(12), "small": answers(12)}
    found = choose(right, {"teacher": 1000, "small": 10}, answers(12, *range(6)), "teacher")
    assert found.name == "small" and not found.level


def test_no_model_told_from_the_largest_class():
    majority = answers(40, *range(15))
    right = {"teacher": answers(40, *range(14)), "small": answers(40, *range(13))}
    assert not choose(right, {"teacher": 1000, "small": 10}, majority, "teacher").told_from_majority
