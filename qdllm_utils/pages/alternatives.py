"""Other quantum and quantum-inspired students, each beside a classical one of equal size and beside what it changes.

All arms are trained alike: preset `tuned`, each at its own best learning rate on validation, the same reader, teacher,
split and seeds. A comparison of kind `control` asks whether the quantum (or quantum-inspired) student is better than a
classical one of as many trained numbers (but for the circuit's own 144 angles); one of kind `change`, what the change
itself costs or brings.
"""

from dataclasses import dataclass

from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, answers_against, experiments_of, number_of_seeds, train
from qdllm_utils.students.alternatives import ALTERNATIVES


@dataclass(frozen=True)
class Pair:
    """A comparison: a student against its reference; kind: `control` or `change`."""

    student: str
    reference: str
    kind: str


PAIRS = (
    Pair("tt_quantum", "tt_cosine", "control"),
    Pair("iqp", "random_cosines", "control"),
    Pair("iqp", "cosine", "control"),
    Pair("mps", "reduced_mlp", "control"),
    Pair("rkd_quantum", "rkd_cosine", "control"),
    Pair("qrkd_quantum", "qrkd_cosine", "control"),
    Pair("tt_quantum", "quantum", "change"),
    Pair("tt_cosine", "cosine", "change"),
    Pair("tt_quantum", "low_rank_quantum", "change"),
    Pair("tt_cosine", "low_rank_cosine", "change"),
    Pair("rkd_quantum", "quantum", "change"),
    Pair("rkd_cosine", "cosine", "change"),
    Pair("qrkd_quantum", "quantum", "change"),
    Pair("qrkd_cosine", "cosine", "change"),
)
DEMO = [{"epochs": 4}]  # and no search of the learning rate: a demo is to be quick
STUDENTS = ("quantum", "cosine", *ALTERNATIVES)


@dataclass(frozen=True)
class Block:
    """One task. differences: student minus reference in points, one family; outcomes: of every arm, by its name."""

    task: str
    teacher: Row
    outcomes: dict[str, Outcome]
    differences: dict[Pair, Difference]
    accuracies: dict[str, Difference]


@dataclass(frozen=True)
class Alternatives:
    """What the page shows, and how it was got."""

    parameters: Parameters
    blocks: list[Block]
    store: Store

    def of_kind(self, kind: str) -> list[Difference]:
        """All comparisons of a kind."""
        return [each for block in self.blocks for pair, each in block.differences.items() if pair.kind == kind]

    @property
    def winners(self) -> list[tuple[str, str]]:
        """(task, student) of the students that are ahead of every classical one of their size."""
        won = []
        for block in self.blocks:
            of_student: dict[str, list[str]] = {}
            for pair, each in block.differences.items():
                if pair.kind == "control":
                    of_student.setdefault(pair.student, []).append(each.verdict)
            won += [(block.task, name) for name, verdicts in of_student.items() if set(verdicts) == {"ahead"}]
        return won

    @property
    def rows(self) -> list[Row]:
        """Every row that the page shows."""
        return [row for block in self.blocks for rows in (o.rows for o in block.outcomes.values()) for row in rows] + [
            block.teacher for block in self.blocks
        ]


def run(parameters: Parameters) -> Alternatives:
    """Every task asked for; what the store lacks is trained. The demo is DEMO."""
    store, seeds = Store(refresh=parameters.refresh), number_of_seeds(parameters)
    _ = parameters.teacher  # one
    experiments = [experiment for _, experiment in experiments_of(parameters, ("tuned",), store)]
    return Alternatives(parameters, [block_of(each, seeds, parameters.demo) for each in experiments], store)


def block_of(experiment: Experiment, seeds: range, demo: bool) -> Block:
    """Train all arms of one task and compare them on the test texts."""
    found = train(experiment, [Arm(name) for name in STUDENTS], seeds, "tuned", DEMO if demo else ())
    outcomes = {arm.student: outcome for arm, outcome in found.items()}
    labels = experiment.test_labels()
    differences = {
        pair: compared(answers_against(outcomes[pair.student], outcomes[pair.reference], labels), len(PAIRS))
        for pair in PAIRS
    }
    accuracies = {name: compared(100.0 * (outcome.predicted == labels)) for name, outcome in outcomes.items()}
    return Block(experiment.source.task, experiment.teacher_row(), outcomes, differences, accuracies)
