"""The alternatives page: who is compared with whom, in one family, and what the sentences say of it."""

import numpy as np
import pytest

from qdllm_utils.pages import alternatives, alternatives_views
from qdllm_utils.pages.alternatives import PAIRS, STUDENTS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Outcome
from tests.answers import LABELS, answers

VALUES = {"scale": "cpu", "teacher": "minilm", "tasks": "hiding", "seeds": None, "refresh": False, "embedder": None}
ACCURACY = {name: 0.7 for name in STUDENTS} | {"mps": 0.76, "iqp": 0.76, "cosine": 0.77}


class Labelled:
    """Of an experiment, what a block needs besides trained rows."""

    class source:
        task = "hiding"

    @staticmethod
    def test_labels():
        return LABELS

    @staticmethod
    def teacher_row():
        return Row({"kind": "teacher"}, {"acc": 0.8}, {})


@pytest.fixture
def found(monkeypatch):
    """Ten seeds of rows that were never trained; the grids that were asked for are kept."""
    noise = np.linspace(-0.004, 0.004, 10)

    def train(experiment, arms, seeds, preset, grid):
        assert preset == "tuned" and grid == () and len(seeds) == 10  # the grid of the controls
        return {
            arm: Outcome(
                arm.title,
                [
                    Row({"student": arm.student, "seed": s}, answers(ACCURACY[arm.student] + noise[s]), {})
                    for s in seeds
                ],
                {},
                "0.01",
            )
            for arm in arms
        }

    monkeypatch.setattr(alternatives, "train", train)
    block = alternatives.block_of(Labelled, range(10), demo=False)
    for number, outcome in enumerate(block.outcomes.values()):
        for row in outcome.rows:
            row.result["parameters"] = 8000 + number
    return alternatives.Alternatives(Parameters(VALUES), [block], Store())


def test_every_student_is_compared_and_every_quantum_one_with_a_classical_one():
    classical = {name for name in STUDENTS if name.endswith("cosine")} | {"random_cosines", "reduced_mlp"}
    controls = [pair for pair in PAIRS if pair.kind == "control"]
    assert {pair.student for pair in PAIRS} | {pair.reference for pair in PAIRS} == set(STUDENTS)
    assert all(pair.reference in classical and pair.student not in classical for pair in controls)
    assert {pair.student for pair in controls} | {"quantum", "low_rank_quantum"} == set(STUDENTS) - classical
    assert set(alternatives_views.NAMES) == set(STUDENTS) and len(set(PAIRS)) == len(PAIRS) == 14


def test_differences_are_paired_and_corrected_over_the_family(found):
    (block,) = found.blocks
    assert {each.family for each in block.differences.values()} == {14}
    means = {(pair.student, pair.reference): each.mean for pair, each in block.differences.items()}
    assert means["mps", "reduced_mlp"] == pytest.approx(6) and means["iqp", "cosine"] == pytest.approx(-1)
    assert means["tt_quantum", "quantum"] == 0 and means["tt_cosine", "cosine"] == pytest.approx(-7)


def test_only_who_is_ahead_of_all_its_controls_is_said_to_gain(found):
    """The IQP circuit is ahead of random cosines and not of cos."""
    assert found.winners == [("hiding", "mps")]
    first, sizes, layer = alternatives_views.answers(found)
    assert "reading MPNet, 12 × 768: matrix product state on hiding detection (in 6 comparisons ahead in 2" in first
    number = {name: f"{8000 + place:,}" for place, name in enumerate(STUDENTS)}
    told = f"matrix product state ({number['mps']}) against MLP on the same angles ({number['reduced_mlp']}) +6.0 ["
    assert told in sizes and sizes.count(" against ") == 6
    assert f"trains {number['tt_quantum']} numbers for {number['quantum']}, and is +0.0 [" in layer


def test_the_table_has_a_line_for_each_comparison_and_names_what_was_not_checked(found):
    shown = str(alternatives_views.alternatives_table(found))
    assert shown.count('<th scope="row">') == len(PAIRS) and "0.05 / 14" in shown
    assert "2508.13054, whose text was not checked" in shown and "rate 0.01" in shown
    assert "demo" not in shown


def test_several_teachers_are_refused(refused):
    with refused("one teacher"):
        alternatives.run(Parameters(VALUES | {"teacher": "minilm, qwen"}))
