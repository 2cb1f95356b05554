"""Does the circuit help? The quantum student against controls (a) to (i), and what follows, in sentences.

A block is one task, teacher and preset: its family for Holm's correction is every control of the block.
"""

from dataclasses import dataclass

from qdllm_utils.config import TASKS
from qdllm_utils.evidence.arms import (
    Arm,
    Outcome,
    against,
    experiments_of,
    number_of_seeds,
    tfidf_outcome,
    train,
)
from qdllm_utils.evidence.experiments import Comparison, TeacherRun
from qdllm_utils.evidence.statistics import Difference, accuracy_error, least_p
from qdllm_utils.evidence.store import Row, Store
from qdllm_utils.parameters import Parameters

PRESETS_COMPARED = ("paper", "tuned")


@dataclass(frozen=True)
class Block:
    """One task, teacher and preset. outcomes: the student first, then its controls; differences: theirs to it."""

    task: str
    preset: str
    teacher_name: str
    teacher: Row
    student: Outcome
    controls: list[Outcome]
    differences: dict[str, Difference]

    @property
    def title(self) -> str:
        """The task, with the preset."""
        return f"{TASKS[self.task].title}, preset {self.preset}"


@dataclass(frozen=True)
class Controls:
    """What the page shows, and how it was got."""

    parameters: Parameters
    blocks: list[Block]
    comparison: Comparison

    @property
    def demo(self) -> bool:
        """Whether the texts are generated ones."""
        return bool(self.parameters.scale == "demo")


def arms() -> list[Arm]:
    """The declared arms: the student and each control, with distillation and then with cross-entropy alone."""
    from qdllm_utils.students.controls import CONTROLS

    students = ("quantum", *CONTROLS)
    return [Arm(student, distilled) for distilled in (True, False) for student in students]


def run(parameters: Parameters) -> Controls:
    """Every block asked for; what the store lacks is trained."""
    presets = [parameters.preset] if parameters.preset else PRESETS_COMPARED
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    blocks, runs = [], []
    experiments = experiments_of(parameters, presets, store)
    for preset, experiment in experiments:
        outcomes = list(train(experiment, arms(), seeds, preset).values())
        student, controls = outcomes[0], [*outcomes[1:], tfidf_outcome(experiment)]
        teacher = experiment.teacher_row()
        task = experiment.source.task
        blocks.append(Block(task, preset, experiment.teacher, teacher, student, controls, against(student, controls)))
        rows = {outcome.title: outcome.rows for outcome in (student, *controls)}
        runs.append(TeacherRun(experiment.teacher, teacher, rows))
    source = experiments[0][1].source
    return Controls(parameters, blocks, Comparison("Controls", source.kind, None, parameters, runs, store))


def conclusions(controls: Controls) -> list[str]:
    """What each block's rows say, a sentence or three a block."""
    return [conclusion(block) for block in controls.blocks]


def conclusion(block: Block) -> str:
    """How many controls are ahead of the student, which is the best on validation, and what could have been seen."""
    verdicts = [difference.verdict for difference in block.differences.values()]
    ahead, behind = verdicts.count("ahead"), verdicts.count("behind")
    seeds, family = len(block.student.rows), len(verdicts)
    sentence = (
        f"{block.title}: of {family} controls {ahead} {'is' if ahead == 1 else 'are'} ahead of the student, {behind} behind, "
        f"{verdicts.count('inconclusive')} inconclusive at {seeds} seed{'s' if seeds > 1 else ''}."
    )
    best = max(block.controls, key=lambda outcome: outcome.validation)
    difference = block.differences[best.title]
    sentence += (
        f" The control that validation prefers is the {best.title}: {points(difference)} points against the student "
        f"({difference.verdict})."
    )
    if least_p(seeds, family) >= 0.05:
        return (
            sentence
            + f" With {seeds} seeds and a family of {family} no difference, however large, can pass Holm's correction."
        )
    largest = max(difference.detectable for difference in block.differences.values())
    texts = block.teacher.result["rows"]["test"]
    error = 100 * accuracy_error(sum(block.student.accuracies) / seeds, texts)
    return sentence + (
        f" A difference of {largest:.1f} points would have been found in any comparison with a probability of 80%; one "
        f"accuracy on {texts:,} test texts has a standard error of {error:.1f} points, which more seeds do not lower."
    )


def answer(controls: Controls) -> str:
    """The page's claim, counted over the blocks: does any control lose to the student for certain?"""
    verdicts = [
        (difference.verdict, outcome.title)
        for block in controls.blocks
        for outcome in block.controls
        if "CE alone" not in outcome.title
        for difference in [block.differences[outcome.title]]
    ]
    counts = {name: sum(verdict == name for verdict, _ in verdicts) for name in ("ahead", "behind", "inconclusive")}
    without = [block.differences["cos in place of the circuit"].verdict for block in controls.blocks]
    return (
        f"Over {len(controls.blocks)} blocks and {len(verdicts)} comparisons with distilled controls and TF-IDF, the control is ahead in "
        f"{counts['ahead']}, the student in {counts['behind']}, and {counts['inconclusive']} are inconclusive. The student "
        f"without its ansatz (cos in place of the circuit) is ahead of it in {without.count('ahead')}, behind it in "
        f"{without.count('behind')} of {len(without)} blocks: "
        + (
            "no block shows that the circuit helps."
            if not without.count("behind")
            else f"the circuit helps in {without.count('behind')} of them."
        )
    )


def points(difference: Difference) -> str:
    """'+0.8 [0.3, 1.2]', in points of accuracy."""
    if difference.low != difference.low:
        return f"{difference.mean:+.1f}"
    return f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
