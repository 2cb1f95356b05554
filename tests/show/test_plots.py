"""The forests of a family: one axis, and an arrow for what lies beyond it."""

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pytest
from matplotlib import pyplot as plt

from qdllm_utils.runs.statistics import Difference
from qdllm_utils.show import plots


def difference(mean: float, half: float = 1.0) -> Difference:
    return Difference(np.full(10, mean), mean, mean - half, mean + half, 0.01, half / 2, 2 * half)


@pytest.fixture
def figure():
    groups = {
        "one": {"a": difference(0.3), "b": difference(-22.0, 13.0), "c": difference(1.2)},
        "two": {"a": difference(-3.0, 0.5), "b": difference(0.1), "c": difference(-0.4)},
    }
    made = plots.forest(groups, "student", demo=False)
    yield made
    plt.close(made)


def test_all_panels_have_one_axis_which_one_far_comparison_does_not_flatten(figure):
    one, two = (axis.get_xlim() for axis in figure.axes[:2])
    assert one == two
    assert -4.5 < one[0] < -3.5 and 2.2 < one[1] < 3.0


def test_what_lies_beyond_is_an_arrow_with_its_value(figure):
    texts = [[text.get_text() for text in axis.texts] for axis in figure.axes[:2]]
    assert texts == [["-22.0"], []]
    arrows = [line for line in figure.axes[0].lines if line.get_marker() == "<"]
    assert [line.get_xdata()[0] for line in arrows] == [figure.axes[0].get_xlim()[0]]


def test_a_family_without_far_comparisons_shows_every_interval():
    left, right = plots.range_of([difference(value, 2.0) for value in (-1.0, 0.0, 2.0)])
    assert left < -3.0 and right > 4.0
    assert plots.range_of([difference(0.0, 0.0)]) == (-1.0, 1.0)


@pytest.mark.parametrize(("value", "marker"), [(-3.99, "<"), (3.99, ">")])
def test_a_mean_that_the_edge_would_cut_is_an_arrow_at_its_own_edge(value, marker, monkeypatch):
    monkeypatch.setattr(plots, "range_of", lambda *_: (-4.0, 4.0))
    figure = plots.forest({"a": {"one": difference(value, 1.0)}}, "student", False)
    arrows = [line for line in figure.axes[0].lines if line.get_marker() in ("<", ">")]
    assert [(line.get_marker(), line.get_xdata()[0]) for line in arrows] == [(marker, 4.0 if value > 0 else -4.0)]
