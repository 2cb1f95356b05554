"""Where the points are: what better features of the text buy, and what a better student of the same features buys.

Every student meets every feature with the same tuning (see `arms`). Which student and which feature a step goes to is
chosen on validation; what the step buys is told on the test rows.
"""

from dataclasses import dataclass, replace

import numpy as np

from qdllm_utils.config import FINE_TUNED_POOLINGS, FROZEN_POOLINGS, TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference, family_of
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, answers_against, experiments_of, number_of_seeds, train
from qdllm_utils.texts.teacher_specs import adapter_of

STUDENTS = ("quantum", "cosine", "mlp", "linear")
RELEASED = "last"  # the feature that the released code reads
FEATURES = {
    "last": "frozen: last of 60 positions (released)",
    "cls": "frozen: first position",
    "mean": "frozen: mean over tokens",
    "middle": "frozen: mean at half depth",
    "several": "frozen: first, mean, maximum",
    "distilled": "fine-tuned: embedder, by the teacher",
    "teacher": "fine-tuned: the teacher's own",
}
STEPS = {
    "tuning": "tuned training",
    "student": "another student",
    "frozen": "better frozen feature",
    "both": "another student on that",
    "fine_tuned": "fine-tuned feature",
}


@dataclass(frozen=True)
class Step:
    """One change: from what to what, and the paired difference in points of accuracy, new minus old."""

    before: str
    after: str
    difference: Difference


@dataclass(frozen=True)
class Panel:
    """One task and teacher. grid: {feature: {student: outcome}}, tuned; published: the student at preset paper.

    absent: {feature: why it is not in the grid}. steps: by name; `fine_tuned` only where the grid has such a feature.
    """

    title: str
    teacher: Row
    published: Outcome
    grid: dict[str, dict[str, Outcome]]
    absent: dict[str, str]
    steps: dict[str, Step]


@dataclass(frozen=True)
class Features:
    """What the page shows, and how it was got."""

    parameters: Parameters
    panels: list[Panel]
    comparison: Comparison

    def groups(self) -> dict[str, dict[str, Difference]]:
        """The steps' differences by panel, for the forest plot."""
        return {
            panel.title: {STEPS[name]: step.difference for name, step in panel.steps.items()} for panel in self.panels
        }


def run(parameters: Parameters) -> Features:
    """Every task and teacher asked for; what the store lacks is trained."""
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    panels, runs = [], []
    tuned = experiments_of(parameters, ("tuned",), store)
    for (_, fair), (_, paper) in zip(tuned, experiments_of(parameters, ("paper",), store), strict=True):
        panel = measure(fair, paper, seeds, fair.source.task in parameters.tasks_in("distilled"))
        panels.append(panel)
        rows: dict[str, list[Row]] = {"published": panel.published.rows}
        for feature, outcomes in panel.grid.items():
            rows |= {f"{feature}, {student}": outcome.rows for student, outcome in outcomes.items()}
        runs.append(TeacherRun(fair.teacher, panel.teacher, rows))
    source = tuned[0][1].source
    return Features(parameters, panels, Comparison("Features", source.kind, None, parameters, runs, store))


def measure(fair: Experiment, paper: Experiment, seeds: range, distilled: bool) -> Panel:
    """One panel: the published student, then every student on every feature that there is.

    distilled: whether the embedder is fine-tuned by the teacher too, which takes far longer than all the rest.
    """
    (published,) = train(paper, [Arm("quantum")], seeds, "paper").values()
    teacher = fair.teacher_row(arrays=True)
    absent = {} if distilled else {"distilled": "not run on this task (parameter distilled)"}
    if not adapter_of(teacher.arrays):
        absent["teacher"] = "not there: this teacher keeps no states"
    grid: dict[str, dict[str, Outcome]] = {}
    for feature in FEATURES:
        if feature not in absent:
            on_feature = replace(fair, asked=replace(fair.asked, pooling=feature))
            outcomes = train(on_feature, [Arm(student) for student in STUDENTS], seeds, "tuned")
            grid[feature] = {arm.student: outcome for arm, outcome in outcomes.items()}
    title = f"{TASKS[fair.source.task].title}, teacher {teacher.result['name']}"
    return Panel(title, teacher, published, grid, absent, steps(published, grid, fair.test_labels()))


def steps(published: Outcome, grid: dict[str, dict[str, Outcome]], labels: np.ndarray) -> dict[str, Step]:
    """From the published student onwards, one change at a time; together they are one family."""

    def best(features: list[str]) -> str:
        return max(features, key=lambda feature: grid[feature]["quantum"].validation)

    def better(feature: str) -> Outcome:
        others = [outcome for student, outcome in grid[feature].items() if student != "quantum"]
        return max(others, key=lambda outcome: outcome.validation)

    frozen = best([feature for feature in grid if feature in FROZEN_POOLINGS])
    fine_tuned = [feature for feature in grid if feature in FINE_TUNED_POOLINGS]
    released, chosen = grid[RELEASED], grid[frozen]
    changes: dict[str, tuple[str, Outcome, str, Outcome]] = {
        "tuning": ("preset paper", published, "preset tuned", released["quantum"]),
        "student": ("QD-LLM", released["quantum"], better(RELEASED).title, better(RELEASED)),
        "frozen": (RELEASED, released["quantum"], frozen, chosen["quantum"]),
        "both": ("QD-LLM", chosen["quantum"], better(frozen).title, better(frozen)),
    }
    if fine_tuned:
        changes["fine_tuned"] = (frozen, chosen["quantum"], best(fine_tuned), grid[best(fine_tuned)]["quantum"])
    differences = family_of({name: answers_against(new, old, labels) for name, (_, old, _, new) in changes.items()})
    return {name: Step(before, after, differences[name]) for name, (before, _, after, _) in changes.items()}


def conclusions(features: Features) -> list[str]:
    """For each panel, what a student and what a feature buys."""
    return [conclusion(panel) for panel in features.panels]


def conclusion(panel: Panel) -> str:
    """The steps of one panel in a sentence or two."""

    def told(name: str) -> str:
        step = panel.steps[name]
        return f"{step.difference.signed} points ({step.after}; {verdict(step.difference)})"

    sentence = (
        f"{panel.title}: on the released feature, tuned training gives QD-LLM {told('tuning')}, the other student that "
        f"validation prefers {told('student')}, the frozen feature that validation prefers {told('frozen')}; on that "
        f"feature another student gives {told('both')}"
    )
    sentence += f", and a fine-tuned feature {told('fine_tuned')}." if "fine_tuned" in panel.steps else "."
    seeds = len(panel.published.rows)
    if seeds < LEAST_SEEDS:
        return f"{sentence} Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference."
    return sentence


def verdict(difference: Difference) -> str:
    """`a gain`, `a loss` or `inconclusive`."""
    return {"ahead": "a gain", "behind": "a loss"}.get(difference.verdict, difference.verdict)


def answer(features: Features) -> str:
    """The page's claim: in how many panels a feature and a student are a certain gain for QD-LLM."""

    def gains(name: str) -> int:
        found = [panel.steps[name].difference.verdict for panel in features.panels if name in panel.steps]
        return found.count("ahead")

    panels = len(features.panels)
    return (
        f"Of {panels} task{'s' if panels > 1 else ''}, a better frozen feature is a certain gain in "
        f"{gains('frozen')}, a fine-tuned one on top of it in {gains('fine_tuned')}; another student is one on the "
        f"released feature in {gains('student')}, on the better feature in {gains('both')}."
    )
