"""The arms of the controls page over learning rates: who is at chance, and what the texts changed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from qdllm_utils.pages import controls_rates
from qdllm_utils.runs.statistics import compared


def lines(student: str, rate: float, *values: float, where: str = "Hiding detection") -> list[dict]:
    same = {"where": where, "preset": "paper", "student": student, "rate": rate, "chance": 0.5, "texts": 800}
    return [same | {"validation": value} for value in values]


def test_an_arm_at_chance_is_named_with_its_rate_and_its_teacher():
    # three standard errors of a guess on 800 texts are 5.3 points
    frame = pd.DataFrame(
        lines("mlp", 0.06, 0.50, 0.52)
        + lines("mlp", 0.01, 0.60, 0.51)  # above on the mean
        + lines("linear", 0.06, 0.56, 0.56)
        + lines("linear", 0.06, 0.50, 0.50, where="Hiding detection, qwen")
    )
    assert controls_rates.broken(frame) == [
        "MLP of equal size at 0.06 on hiding detection, preset paper",
        "linear probe at 0.06 on hiding detection, qwen, preset paper",
    ]


def test_three_seeds_of_one_accuracy_are_drawn_although_their_mean_lies_a_last_bit_beyond_them():
    value = 535 / 1600
    assert 100 * pd.Series([value] * 3).groupby([0, 0, 0]).mean()[0] < 100 * value, "another value is needed"
    frame = pd.DataFrame([line for arm in controls_rates.ARMS for line in lines(arm, 0.06, *[value] * 3)])
    controls = SimpleNamespace(parameters=SimpleNamespace(demo=False))
    (axis,) = controls_rates.rates_figure(controls, controls_rates.Rates(frame, [])).axes
    assert len(axis.containers) == len(controls_rates.ARMS)


def test_a_verdict_that_the_texts_change_is_listed_with_both_intervals():
    generator = np.random.default_rng(0)
    texts = generator.normal(0, 30, (1, 100))  # the texts differ, the seeds hardly: only seeds alone would tell
    sure, unsure = np.full((10, 100), 5.0) + generator.normal(0, 0.1, (10, 1)), texts - texts.mean() + 1
    differences = {
        "sure": compared(sure),
        "unsure": compared(unsure + generator.normal(0, 0.1, (10, 1))),
        "level": compared(generator.normal(0, 1, (10, 100))),
    }
    block = SimpleNamespace(title="a block", differences=differences)
    ((title, name, seeds, both),) = controls_rates.changed(SimpleNamespace(blocks=[block]))
    assert (title, name, seeds.verdict, both.verdict) == ("a block", "unsure", "ahead", "inconclusive")
    assert both.low < 0 < seeds.low
