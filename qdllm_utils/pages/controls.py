"""Does the circuit help? The quantum student against controls (a) to (i), and what follows, in sentences.

A block is one task, reader, teacher and preset; its family of comparisons is every control of the block.
"""

from dataclasses import dataclass
from statistics import mean

from qdllm_utils.config import TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference, accuracy_error
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import (
    SCALINGS,
    Arm,
    Outcome,
    against,
    experiments_of,
    number_of_seeds,
    tfidf_outcome,
    train,
)
from qdllm_utils.show.tables import model_name
from qdllm_utils.students.controls import CONTROLS, Cosine


@dataclass(frozen=True)
class Block:
    """One task, reader, teacher and preset; differences: the controls' accuracies minus the student's, by title.

    reader: the embedder of all arms; '' for the page's first, which a block need not name.
    """

    task: str
    reader: str
    preset: str
    teacher: Row
    student: Outcome
    controls: list[Outcome]
    differences: dict[str, Difference]

    @property
    def title(self) -> str:
        """Task, preset, teacher and, where it is not the page's first, reader."""
        reader = f", reader {model_name(self.reader)}" if self.reader else ""
        return f"{TASKS[self.task].title}, preset {self.preset}, teacher {self.teacher_name}{reader}"

    @property
    def teacher_name(self) -> str:
        """What the page calls the teacher."""
        return model_name(self.teacher.result["name"])


@dataclass(frozen=True)
class Controls:
    """What the page shows, and how it was got."""

    parameters: Parameters
    blocks: list[Block]
    comparison: Comparison


def arms() -> list[Arm]:
    """The declared arms: the student and each control, with distillation and then with cross-entropy alone."""
    students = ("quantum", *CONTROLS)
    return [Arm(student, distilled) for distilled in (True, False) for student in students]


def run(parameters: Parameters) -> Controls:
    """Every block asked for; what the store lacks is trained."""
    default = ("tuned",) if parameters.demo else ("paper", "tuned")
    presets = (parameters.preset,) if parameters.preset else default
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    blocks, runs = [], []
    experiments = experiments_of(parameters, presets, store)
    for preset, experiment in experiments:
        outcomes = list(train(experiment, arms(), seeds, preset, scalings(experiment)).values())
        student, controls = outcomes[0], [*outcomes[1:], tfidf_outcome(experiment)]
        teacher = experiment.teacher_row()
        differences = against(student, controls, experiment.test_labels())
        reader = "" if experiment.scale.embedder == parameters.size.embedder else experiment.scale.embedder
        blocks.append(Block(experiment.source.task, reader, preset, teacher, student, controls, differences))
        rows = {outcome.title: outcome.rows for outcome in (student, *controls)}
        runs.append(TeacherRun(experiment.teacher, teacher, rows))
    source = experiments[0][1].source
    return Controls(parameters, blocks, Comparison("Controls", source.kind, None, parameters, runs, store))


def scalings(experiment: Experiment) -> list[dict[str, bool]]:
    """Whether E is standardised, for every arm to try, where the preset leaves that open.

    The released min-max angles are at their best on E as it is, a linear probe or an MLP at the preset's rate of .06 on
    standardised E: with either for all, some arms break, which is no finding about circuits.
    """
    return [] if experiment.asked.scaling == "tanh" else SCALINGS  # tanh always standardises


def conclusions(controls: Controls) -> list[str]:
    """What each block's rows say, a sentence or three a block."""
    return [conclusion(block) for block in controls.blocks]


def conclusion(block: Block) -> str:
    """How many controls are ahead of the student, which is the best on validation, and what could have been seen."""
    verdicts = [difference.verdict for difference in block.differences.values()]
    ahead, behind = verdicts.count("ahead"), verdicts.count("behind")
    seeds, family = len(block.student.rows), len(verdicts)
    best = max(block.controls, key=lambda outcome: outcome.validation)
    difference = block.differences[best.title]
    sentence = (
        f"{block.title}: of {family} controls {ahead} {'is' if ahead == 1 else 'are'} ahead of the student, {behind} "
        f"behind, {verdicts.count('inconclusive')} inconclusive at {seeds} seed{'s' if seeds > 1 else ''}. The control "
        f"that validation prefers is the {best.title}: {difference.signed} points against the student "
        f"({difference.verdict})."
    )
    if seeds < LEAST_SEEDS:
        return f"{sentence} Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference."
    found = [difference.detectable for difference in block.differences.values()]
    texts = block.teacher.result["rows"]["test"]
    error = 100 * accuracy_error(mean(block.student.accuracies), texts)
    return (
        f"{sentence} The smallest difference that would have been found with a probability of 80% lies between "
        f"{min(found):.1f} and {max(found):.1f} points, from control to control; one accuracy on {texts:,} test texts "
        f"has a standard error of {error:.1f} points, which more seeds do not lower."
    )


def answer(controls: Controls) -> list[str]:
    """The page's claim, counted over the blocks: is (c) behind the student for certain, is any control, a teacher?"""
    verdicts = [
        block.differences[outcome.title].verdict
        for block in controls.blocks
        for outcome in block.controls
        if "CE alone" not in outcome.title
    ]
    without = [block.differences[Cosine.title].verdict for block in controls.blocks]
    untaught = [block.differences[Arm("quantum", distilled=False).title].verdict for block in controls.blocks]
    helps, blocks = without.count("behind"), len(controls.blocks)
    found = f"In {helps or 'none'} of {blocks} block{'s' if blocks > 1 else ''} the circuit helps"
    if helps and all(block.preset != "tuned" for block in controls.blocks if helped(block)):
        found += ", where no arm was tuned"
    ahead, behind, open_ = (verdicts.count(word) for word in ("ahead", "behind", "inconclusive"))
    return [
        f"{found}: the student without its ansatz ({Cosine.title}) is ahead of it in {without.count('ahead')}, behind "
        f"it in {helps}.",
        f"Over {len(verdicts)} comparisons with distilled controls and TF-IDF the control is ahead in {ahead}, the "
        f"student in {behind}, and {open_} are inconclusive.",
        f"Taught by the labels alone (CE alone) the student is ahead of itself taught by the teacher too in "
        f"{untaught.count('ahead')} of {blocks}, behind in {untaught.count('behind')}.",
    ]


def helped(block: Block) -> bool:
    """Whether the student is ahead of itself without its ansatz."""
    return block.differences[Cosine.title].verdict == "behind"
