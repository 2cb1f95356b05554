"""A fair search for a better student: the declared family, screened on validation, finalists on ten paired seeds.

At each budget, in trained numbers, as many quantum designs as classical ones are tried, each at the same learning
rates with the same seeds (see `runs.tuning`). Where the quantum designs outgrow a budget, since the reader is wide, the
classical ones get as many numbers as the largest of them. The best of each kind on validation, mean over the screening
seeds, is a finalist; the finalists meet on the test rows, which chose nothing. The family of comparisons is every
quantum design that was screened on any task, not the finalists alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference, family_of
from qdllm_utils.runs.store import Store
from qdllm_utils.runs.tuning import (
    LEARNING_RATES,
    TUNING_SEEDS,
    Arm,
    Outcome,
    answers_against,
    experiments_of,
    number_of_seeds,
    train,
)
from qdllm_utils.show.tables import model_name
from qdllm_utils.students.design_catalogue import BUDGETS, CLASSICAL_DESIGNS, QUANTUM_DESIGNS, WIDER

FINAL_SEEDS = 13
OUTGROWN = 1.5  # times a budget: then it is not the budget that binds


@dataclass(frozen=True)
class Meeting:
    """One task, teacher and budget: what was screened of each kind, and the two finalists.

    budget: as declared; size: the trained numbers that the classical designs got.
    """

    group: str
    budget: int
    size: int
    screened: dict[str, list[Outcome]]
    quantum: Outcome
    classical: Outcome
    labels: np.ndarray

    @property
    def title(self) -> str:
        """Its name in the family of all meetings."""
        return f"{self.group}: {self.size:,} parameters"


@dataclass(frozen=True)
class Search:
    """What the page shows, and how it was got; differences: quantum minus classical finalist, by a meeting's title."""

    parameters: Parameters
    meetings: list[Meeting]
    differences: dict[str, Difference]
    comparison: Comparison

    @property
    def tries(self) -> int:
        """The quantum designs screened, and as many classical ones."""
        return sum(len(meeting.screened["quantum"]) for meeting in self.meetings)

    @property
    def left_out(self) -> list[int]:
        """The declared budgets that this run did not ask for."""
        return [budget for budget in BUDGETS if budget not in {meeting.budget for meeting in self.meetings}]

    def groups(self) -> dict[str, dict[str, Difference]]:
        """The differences by task, for the forest plot."""
        found: dict[str, dict[str, Difference]] = {}
        for meeting in self.meetings:
            found.setdefault(meeting.group, {})[f"{meeting.size:,} parameters"] = self.differences[meeting.title]
        return found


def budgets_of(parameters: Parameters) -> tuple[int, ...]:
    """The budgets asked for; by default the smallest at the demo scale and all at the others."""
    asked = parameters.values["budgets"]
    if asked is None:
        return BUDGETS[:1] if parameters.demo else BUDGETS
    numbers = [number.strip() for number in asked.split(",")]
    if unknown := [number for number in numbers if number not in map(str, BUDGETS)]:
        raise InputError(f"budgets has {unknown[0]!r}: choose some of {', '.join(map(str, BUDGETS))}.")
    return tuple(budget for budget in BUDGETS if str(budget) in numbers)


def run(parameters: Parameters) -> Search:
    """Every task, teacher and budget asked for; what the store lacks is trained."""
    budgets = budgets_of(parameters)
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters, FINAL_SEEDS)
    meetings, runs = [], []
    experiments = [experiment for _, experiment in experiments_of(parameters, ("tuned",), store)]
    for experiment in experiments:
        teacher = experiment.teacher_row()
        name = teacher.result["name"]
        group = f"{TASKS[experiment.source.task].title}, teacher {model_name(name)}"
        for budget in budgets:
            meeting = meet(experiment, group, budget, seeds)
            meetings.append(meeting)
            rows = {o.title: o.rows for kind in meeting.screened.values() for o in kind}
            rows |= {finalist.title: finalist.rows for finalist in (meeting.quantum, meeting.classical)}
            runs.append(TeacherRun(experiment.teacher, teacher, rows))
    comparison = Comparison("Designs", experiments[0].source.kind, None, parameters, runs, store)
    return Search(parameters, meetings, differences(meetings), comparison)


def differences(meetings: list[Meeting]) -> dict[str, Difference]:
    """Quantum minus classical finalist of every meeting in points; the family is every quantum design tried."""
    tested = {
        meeting.title: answers_against(meeting.quantum, meeting.classical, meeting.labels) for meeting in meetings
    }
    return family_of(tested, sum(len(meeting.screened["quantum"]) for meeting in meetings))


def meet(experiment: Experiment, group: str, budget: int, seeds: range) -> Meeting:
    """Screen both kinds at a budget, then train the best of each on all seeds."""
    of_kind = {"quantum": screen(experiment, QUANTUM_DESIGNS[budget], seeds)}
    largest = max(outcome.rows[0].result["parameters"] for outcome in of_kind["quantum"].values())
    size = budget if largest <= OUTGROWN * budget else WIDER.get(budget, budget)
    of_kind["classical"] = screen(experiment, CLASSICAL_DESIGNS[size], seeds)
    best = {kind: max(found, key=lambda arm: found[arm].validation) for kind, found in of_kind.items()}
    finalists = train(experiment, best.values(), seeds, "tuned")
    return Meeting(
        group,
        budget,
        size,
        {kind: list(outcomes.values()) for kind, outcomes in of_kind.items()},
        finalists[best["quantum"]],
        finalists[best["classical"]],
        experiment.test_labels(),
    )


def screen(experiment: Experiment, names: Iterable[str], seeds: range) -> dict[Arm, Outcome]:
    """The designs of a kind, each at its own best learning rate on validation, on the screening seeds."""
    return train(experiment, [Arm(name) for name in names], seeds[:TUNING_SEEDS], "tuned")


def conclusions(search: Search) -> list[str]:
    """What all meetings say, where there are several tasks or teachers; then a sentence or two for each of them."""
    told = [conclusion(search, group) for group in search.groups()]
    return [answer(search), *told] if len(told) > 1 else told


def answer(search: Search) -> str:
    """How many meetings each kind won, over all tasks, teachers and budgets."""
    verdicts = [difference.verdict for difference in search.differences.values()]
    won, lost, open_ = (verdicts.count(word) for word in ("ahead", "behind", "inconclusive"))
    return (
        f"In {len(verdicts)} cases of a task and a budget, {search.tries} quantum designs tried and as many classical "
        f"ones, the best quantum design is ahead of the best classical one in {won}, behind it in {lost}; {open_} are "
        "inconclusive."
    )


def conclusion(search: Search, group: str) -> str:
    """How many meetings of a task each kind won, of how many designs tried, and what could have been seen."""
    meetings = [meeting for meeting in search.meetings if meeting.group == group]
    differences = [search.differences[meeting.title] for meeting in meetings]
    verdicts = [difference.verdict for difference in differences]
    won = verdicts.count("ahead")
    tries = sum(len(meeting.screened["quantum"]) for meeting in meetings)
    start = (
        f"{group}, budgets of {', '.join(f'{meeting.size:,}' for meeting in meetings)} trained numbers: of {tries} "
        f"quantum designs and as many classical ones, each at {len(LEARNING_RATES)} learning rates, {won or 'none'} of "
        f"the quantum finalists {'is' if won < 2 else 'are'} ahead of the classical finalist of its budget, "
        f"{verdicts.count('behind')} behind, {verdicts.count('inconclusive')} inconclusive."
    )
    if len(meetings[0].quantum.rows) < LEAST_SEEDS:
        return f"{start} Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference."
    found = [difference.detectable for difference in differences]
    return (
        f"{start} The smallest difference that would have been found with a probability of 80% lies between "
        f"{min(found):.1f} and {max(found):.1f} points, from meeting to meeting."
    )
