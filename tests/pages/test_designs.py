"""The search: as many tries for both kinds, finalists by validation, corrected over everything that was tried."""

import re

import numpy as np
import pytest

from qdcircuits.errors import InputError
from qdllm_utils.config import knobs
from qdllm_utils.pages import designs, designs_views
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import LEARNING_RATES, Arm, Outcome
from qdllm_utils.students.design_catalogue import BUDGETS, CLASSICAL_DESIGNS, DESIGNS, QUANTUM_DESIGNS
from tests.answers import LABELS, answers

VALUES = {"scale": "cpu", "teacher": "minilm", "tasks": "hiding", "budgets": None, "seeds": None, "refresh": False}


READER = {"width": 384}  # of the embeddings that nobody makes here


def trainable(name: str) -> int:
    return DESIGNS[name](READER["width"], 2, knobs("tuned"), [0]).trainable()


def outcome(title: str, accuracy: float, validation: float, seeds: int) -> Outcome:
    made = {"validation": validation, "parameters": trainable(title), "size": "small"}
    noise = np.linspace(-0.002, 0.002, 13)
    rows = [Row({"student": title, "seed": s}, made | answers(accuracy + noise[s]), {}) for s in range(seeds)]
    return Outcome(title, rows, {}, "0.01")


@pytest.fixture
def trained(monkeypatch):
    """arms.train that trains nothing: validation prefers q*_3 and c*_1, the test rows q*_0 and c*_0."""
    asked = []

    def train(experiment, arms, seeds, preset):
        arms = list(arms)
        asked.append(([arm.student for arm in arms], len(seeds)))
        return {
            arm: outcome(
                arm.student,
                0.7 if arm.student.endswith("_0") else 0.66 if arm.student.startswith("q") else 0.6,
                0.8 if arm.student.endswith("_3" if arm.student.startswith("q") else "_1") else 0.5,
                len(seeds),
            )
            for arm in arms
        }

    monkeypatch.setattr(designs, "train", train)
    return asked


class Labelled:
    """Of an experiment, what a meeting needs besides trained rows."""

    @staticmethod
    def test_labels():
        return LABELS


def search(budgets=(15, 50)) -> designs.Search:
    seeds = range(designs.FINAL_SEEDS)
    meetings = [designs.meet(Labelled, "Hiding", budget, seeds) for budget in budgets]
    parameters = Parameters(VALUES)
    comparison = Comparison("Designs", "authors", None, parameters, [], Store())
    return designs.Search(parameters, meetings, designs.differences(meetings), comparison)


def test_finalists_are_chosen_on_validation_and_both_kinds_have_as_many_tries(trained):
    found = search((15,)).meetings[0]
    assert (found.quantum.title, found.classical.title) == ("q15_3", "c15_1")
    *screened, (finalists, all_seeds) = trained
    assert [{name[0] for name in names} for names, _ in screened] == [{"q"}, {"c"}]
    assert [(len(names), seeds) for names, seeds in screened] == [(len(QUANTUM_DESIGNS[15]), 3)] * 2
    assert finalists == ["q15_3", "c15_1"] and all_seeds == designs.FINAL_SEEDS == 13


@pytest.mark.parametrize(("wide", "size"), [(False, 4500), (True, 8600)])
def test_where_a_wide_reader_makes_the_quantum_designs_larger_the_classical_ones_get_as_much(
    trained, monkeypatch, wide, size
):
    monkeypatch.setitem(READER, "width", 768 if wide else 384)
    found = search((4500,))
    (meeting,) = found.meetings
    assert meeting.size == size and meeting.classical.title == f"c{size}_1"
    assert size / 1.1 < max(map(trainable, QUANTUM_DESIGNS[4500])) < 1.1 * size
    made = sorted(map(trainable, CLASSICAL_DESIGNS[size]))
    assert made[-1] <= size and made[-2] > 0.9 * size
    assert f"{size:,} trained numbers" in designs.conclusions(found)[0]


def test_the_correction_runs_over_every_design_that_was_tried(trained):
    found = search()
    tried = len(QUANTUM_DESIGNS[15]) + len(QUANTUM_DESIGNS[50])
    assert found.tries == tried
    for difference in found.differences.values():
        assert difference.family == tried
        assert difference.mean == pytest.approx(6) and difference.verdict == "ahead"


def test_the_conclusion_and_the_tables_tell_how_many_were_tried(trained):
    found = search()
    (sentence,) = designs.conclusions(found)
    assert sentence.startswith(
        f"Hiding, budgets of 15, 50 trained numbers: of {found.tries} quantum designs and as many"
    )
    assert f"each at {len(LEARNING_RATES)} learning rates" in sentence
    assert "2 of the quantum finalists are ahead" in sentence and "0 behind, 0 inconclusive" in sentence
    finalists = str(designs_views.finalists_table(found))
    assert f"nevertheless all {found.tries} quantum designs" in finalists and finalists.count("reference") == 2
    assert "not run here: 150, 300, 800, 4,500." in finalists
    screened = str(designs_views.screened_table(found))
    assert len(re.findall(r'<tr><th scope="row">', screened)) == 2 * found.tries


def test_every_task_has_a_sentence_of_its_own_numbers(trained):
    found = search((15,))
    other = designs.meet(Labelled, "Emotion", 50, range(designs.FINAL_SEEDS))
    both = [*found.meetings, other]
    two = designs.Search(found.parameters, both, designs.differences(both), found.comparison)
    answer, hiding, emotion = designs.conclusions(two)
    assert answer == (
        "In 2 cases of a task and a budget, 12 quantum designs tried and as many classical ones, the best quantum "
        "design is ahead of the best classical one in 2, behind it in 0; 0 are inconclusive."
    )
    assert hiding.startswith("Hiding, budgets of 15 trained numbers: of 6 quantum designs")
    assert emotion.startswith("Emotion, budgets of 50 trained numbers: of 6 quantum designs")


def test_budgets_are_read_and_refused():
    def asked(text, scale="cpu"):
        return designs.budgets_of(Parameters(VALUES | {"budgets": text, "scale": scale}))

    assert asked(None) == BUDGETS and asked(None, "demo") == (15,) and asked("150, 15") == (15, 150)
    with pytest.raises(InputError, match="budgets has '16': choose some of 15, 50"):
        asked("16")


def test_an_arm_of_every_design_exists():
    assert all(Arm(name).title for family in QUANTUM_DESIGNS.values() for name in family)
