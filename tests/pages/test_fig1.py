"""Figure 1: what is drawn is what the knobs say, and it can be read."""

from itertools import combinations

import matplotlib
import pytest

from qdllm_utils.config import PRESETS, Knobs, knobs
from qdllm_utils.pages import fig1

matplotlib.use("agg")


@pytest.mark.parametrize(
    ("chosen", "dimension", "classes", "words"),
    [
        (
            Knobs(),
            768,
            2,
            {"Linear 768 → 11", "11 layers\nof 72", "0.1 CE + 0.9 (KL + JS)", "Linear 11 → 2", "0…10 rad"},
        ),
        (PRESETS["tuned"], 384, 4, {"Linear 384 → 11", "2 layers\nof 72", "Linear 11 → 4", "tanh"}),
        (knobs("paper", qubits=4, alpha=0.5, soft="js"), 768, 2, {"on 4 qubits", "of 23", "0.5 CE + 0.5 (JS)"}),
    ],
)
def test_pipeline_says_what_is_trained(chosen, dimension, classes, words):
    figure = fig1.draw(chosen, dimension, classes)
    shown = "\n".join(text.get_text() for text in figure.axes[0].texts)
    assert not {word for word in words if word not in shown}


def test_boxes_do_not_overlap_and_arrows_join_them_all():
    placed = fig1.boxes(Knobs(), 768, 2)
    for one, other in combinations(placed, 2):
        (x, y), (u, v) = placed[one][0], placed[other][0]
        (a, b), (c, d) = fig1.half_size(one), fig1.half_size(other)
        assert abs(x - u) > a + c or abs(y - v) > b + d, (one, other)
    assert {name for arrow in fig1.ARROWS for name in arrow} == set(placed)
    for start, end in fig1.ARROWS:
        x, y = fig1.edge(placed, start, end)
        (centre_x, centre_y), half = placed[start][0], fig1.half_size(start)
        reach = max(abs(x - centre_x) / half[0], abs(y - centre_y) / half[1])
        assert reach == pytest.approx(1)
