"""Where the points are: what better features of the text buy, and what a better student of the same features buys.

Every student meets every feature of every reader with the same tuning (see `arms`). Which student and which feature a
step goes to is chosen on validation; what the step buys is told on the test rows.
"""

from dataclasses import dataclass, replace

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.config import FINE_TUNED_POOLINGS, FROZEN_POOLINGS, TASKS, knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference, family_of
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, answers_against, number_of_seeds, tasks_of, train
from qdllm_utils.show.tables import READERS, model_name
from qdllm_utils.texts.pretrained import EMBEDDERS, is_decoder
from qdllm_utils.texts.sources import Source
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
    "reader": "another reader of the text",
}


@dataclass(frozen=True)
class Step:
    """One change: from what to what, and the paired difference in points of accuracy, new minus old."""

    before: str
    after: str
    difference: Difference


@dataclass(frozen=True)
class Panel:
    """One task, teacher and reader. grid: {feature: {student: outcome}}, tuned; published: the student at preset paper.

    absent: {feature: why it is not in the grid}. steps: by name; `fine_tuned` only where the grid has such a feature,
    `reader` only where another reader of the task came before.
    """

    task: str
    reader: str
    teacher: Row
    published: Outcome
    grid: dict[str, dict[str, Outcome]]
    absent: dict[str, str]
    steps: dict[str, Step]

    @property
    def title(self) -> str:
        """Task, reader and teacher in words."""
        name = self.teacher.result["name"]
        return f"{TASKS[self.task].title}, read by {self.reader}, teacher {model_name(name)}"


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
    """Every task, teacher and reader asked for; what the store lacks is trained."""
    check_distilled(parameters)
    store = Store(refresh=parameters.refresh)
    panels: list[Panel] = []
    runs = []
    for task in tasks_of(parameters):
        for teacher in parameters.teachers_of(task):
            first: Panel | None = None
            for reader in parameters.readers_of(task):
                scale = replace(parameters.size, embedder=reader)
                source = Source(task, scale, parameters.values.get("data_dir"))
                fair, paper = (
                    Experiment(source, scale, teacher, knobs(preset, epochs=parameters.values.get("epochs")), store)
                    for preset in ("tuned", "paper")
                )
                distilled = not parameters.values.get("distilled") or reader in parameters.of_task("distilled", task)
                panel = measure(fair, paper, number_of_seeds(parameters), distilled, first)
                first = first or panel
                panels.append(panel)
                rows: dict[str, list[Row]] = {"published": panel.published.rows}
                for feature, outcomes in panel.grid.items():
                    rows |= {f"{feature}, {student}": outcome.rows for student, outcome in outcomes.items()}
                runs.append(TeacherRun(teacher, panel.teacher, rows))
    return Features(parameters, panels, Comparison("Features", source.kind, None, parameters, runs, store))


def check_distilled(parameters: Parameters) -> None:
    """Raise InputError where `distilled` names a reader that reads none of the tasks."""
    for task in TASKS:
        wrong = set(parameters.of_task("distilled", task)) - {
            reader for each in tasks_of(parameters) for reader in parameters.readers_of(each)
        }
        if wrong:
            raise InputError(
                f"distilled names {', '.join(sorted(wrong))}, which reads none of the tasks: name embedders that do."
            )


def measure(fair: Experiment, paper: Experiment, seeds: range, distilled: bool, first: Panel | None) -> Panel:
    """One panel: the published student, then every student on every feature that there is.

    distilled: whether the embedder is fine-tuned by the teacher too, which takes far longer than all the rest.
    first: the panel of the same task and teacher that another reader was asked for in first.
    """
    (published,) = train(paper, [Arm("quantum")], seeds, "paper").values()
    teacher = fair.teacher_row(arrays=True)
    absent = {} if distilled else {"distilled": "not run (parameter distilled)"}
    if not has_states(fair.teacher, teacher.arrays):
        absent["teacher"] = "not there: this teacher keeps no states"
    grid: dict[str, dict[str, Outcome]] = {}
    for feature in FEATURES:
        if feature not in absent:
            on_feature = replace(fair, asked=replace(fair.asked, pooling=feature))
            outcomes = train(on_feature, [Arm(student) for student in STUDENTS], seeds, "tuned")
            grid[feature] = {arm.student: outcome for arm, outcome in outcomes.items()}
    task, (reader, *_) = fair.source.task, READERS.get(fair.scale.embedder, fair.scale.embedder).split(",")
    changes = steps(published, grid, fair.test_labels(), first)
    return Panel(task, reader, teacher, published, grid, absent, changes)


def has_states(teacher: str, arrays: dict[str, np.ndarray]) -> bool:
    """Whether a teacher's own states can be had: with the adapter of its row or, of a known encoder, with a new one."""
    return bool(adapter_of(arrays)) or (teacher in EMBEDDERS and not is_decoder(teacher))


def steps(
    published: Outcome, grid: dict[str, dict[str, Outcome]], labels: np.ndarray, first: Panel | None = None
) -> dict[str, Step]:
    """From the published student onwards, one change at a time; together they are one family.

    first: of another reader; the last step leads from QD-LLM on its frozen feature to this reader's.
    """

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
    if first:
        feature = first.steps["frozen"].after
        changes["reader"] = (f"{first.reader}, {feature}", first.grid[feature]["quantum"], frozen, chosen["quantum"])
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
    sentence += f", and a fine-tuned feature {told('fine_tuned')}" if "fine_tuned" in panel.steps else ""
    if "reader" in panel.steps:
        sentence += f". {panel.reader} in place of {panel.steps['reader'].before} gives QD-LLM {told('reader')}"
    sentence += "."
    seeds = len(panel.published.rows)
    if seeds < LEAST_SEEDS:
        return f"{sentence} Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference."
    return sentence


def verdict(difference: Difference) -> str:
    """`a gain`, `a loss` or `inconclusive`."""
    return {"ahead": "a gain", "behind": "a loss"}.get(difference.verdict, difference.verdict)


def answer(features: Features) -> str:
    """The page's claim: in how many panels a feature, a student and a reader are a certain gain for QD-LLM."""

    def gains(name: str) -> str:
        """'2', or '2 of 3' where not every panel has the step."""
        found = [panel.steps[name].difference.verdict for panel in features.panels if name in panel.steps]
        return f"{found.count('ahead')}" + (f" of {len(found)}" if len(found) < len(features.panels) else "")

    panels = len(features.panels)
    several = len({panel.reader for panel in features.panels}) > 1
    taught = len({panel.teacher.result["name"] for panel in features.panels}) > 1
    parts = ["task", *["teacher"] * taught, *["reader"] * several]
    what = f"cases ({', '.join(parts)})" if len(parts) > 1 else f"task{'s' if panels > 1 else ''}"
    reader = f"; another reader of the text is one in {gains('reader')}" if several else ""
    return (
        f"Of {panels} {what}, a better frozen feature is a certain gain in "
        f"{gains('frozen')}, a fine-tuned one on top of it in {gains('fine_tuned')}; another student is one on the "
        f"released feature in {gains('student')}, on the better feature in {gains('both')}{reader}."
    )
