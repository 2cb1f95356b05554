"""With 8 to 64 labelled texts a class: does a teacher help a small student, and does the circuit?

A teacher of few labels (`texts/few_labels.py`) tells the classes of all other training texts, and the student learns
from them; beside it the same student on the labelled texts alone, for as many steps. Ten draws of the labelled texts,
each with a student's seed of its own; the test texts are those of every other page.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qdcircuits.errors import choose
from qdllm_utils.config import knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, by_text, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, predictions, train
from qdllm_utils.texts.few_labels import FewLabels
from qdllm_utils.texts.pretrained import EMBEDDERS
from qdllm_utils.texts.sources import Source

STUDENTS = {"quantum": "QD-LLM", "cosine": "the same without its circuit (cos)", "linear": "linear probe"}
SIZES, DEMO_SIZES = (8, 16, 32, 64), (8, 32)  # labelled texts a class
DRAWS, DEMO_DRAWS = 10, 2
TASKS = ("hiding", "emotion")
MOST_EPOCHS = 1000


@dataclass(frozen=True)
class Outcome:
    """One student, or the teacher, over the draws. right: whether it is right, (draws, test texts)."""

    rows: list[Row]
    right: np.ndarray

    @property
    def accuracy(self) -> Difference:
        """In percent, with its interval over draws and texts."""
        return compared(100.0 * self.right)


@dataclass(frozen=True)
class Few:
    """What the page shows.

    outcomes: {(task, labelled, name): outcome}, name one of `teacher`, `quantum, taught`, `quantum, alone`, ...
    """

    parameters: Parameters
    teacher: str
    reader: str
    outcomes: dict[tuple[str, int, str], Outcome]
    store: Store

    @property
    def rows(self) -> list[Row]:
        """Every row of the page."""
        return [row for outcome in self.outcomes.values() for row in outcome.rows]

    @property
    def tasks(self) -> list[str]:
        """The tasks, in order."""
        return list(dict.fromkeys(task for task, *_ in self.outcomes))

    @property
    def sizes(self) -> list[int]:
        """The numbers of labelled texts a class, in order."""
        return sorted({size for _, size, _ in self.outcomes})

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return len(next(iter(self.outcomes.values())).rows)

    @property
    def frame(self) -> pd.DataFrame:
        """One line an outcome: task, labelled, name, accuracy in percent with its interval."""
        return pd.DataFrame(
            {"task": task, "labelled": size, "name": name, "accuracy": a.mean, "low": a.low, "high": a.high}
            for (task, size, name), outcome in self.outcomes.items()
            for a in (outcome.accuracy,)
        )

    def difference(self, task: str, size: int, name: str, other: str) -> Difference:
        """name minus other in points, paired by draw and text; one family: the sizes of a task."""
        first, second = (self.outcomes[task, size, each].right for each in (name, other))
        return compared(100.0 * (first.astype(float) - second), len(self.sizes))


def run(parameters: Parameters) -> Few:
    """Every task, size and draw; what the store lacks is trained."""
    store = Store(refresh=parameters.refresh)
    teacher = parameters.values["labelled_by"] or ("minilm" if parameters.demo else "mpnet")
    choose(teacher, EMBEDDERS, "reader labelled_by")
    reader = parameters.values["embedder"] or "minilm"
    scale = replace(parameters.size, embedder=reader)
    tasks = (TASKS[:1] if parameters.demo else TASKS) if parameters.values["tasks"] is None else parameters.task_list
    sizes = DEMO_SIZES if parameters.demo else SIZES
    draws = parameters.number("draws", DEMO_DRAWS if parameters.demo else DRAWS)
    outcomes: dict[tuple[str, int, str], Outcome] = {}
    for task in tasks:
        source = Source(task, scale, parameters.values.get("data_dir"))
        for size in sizes:
            found: dict[str, list[Row]] = {}
            for draw in range(draws):
                few = FewLabels(teacher, size, draw)
                taught = Experiment(source, scale, few.name, knobs("tuned", pooling=FewLabels.pooling), store)
                found.setdefault("teacher", []).append(taught.teacher_row())
                for name, row in students_of(taught, draw, size).items():
                    found.setdefault(name, []).append(row)
            truth = taught.test_labels()
            for name, rows in found.items():
                outcomes[task, size, name] = Outcome(rows, right(rows, truth))
    return Few(parameters, teacher, reader, outcomes, store)


def students_of(taught: Experiment, draw: int, size: int) -> dict[str, Row]:
    """Each student under this teacher and on the labelled texts alone, with the draw for its seed."""
    teacher = taught.teacher_row().result  # and not the texts, so that the page comes out of rows alone
    labelled = size * len(teacher["classes"])
    # as many steps of full batches
    epochs = min(MOST_EPOCHS, round(taught.knobs.epochs * teacher["rows"]["train"] / labelled))
    alone = replace(taught, asked=replace(taught.asked, alpha=0.0, epochs=epochs))
    found: dict[str, Row] = {}
    for how, experiment in (("taught", taught), ("alone", alone)):
        made = train(experiment, [Arm(name) for name in STUDENTS], range(draw, draw + 1), "tuned", [{}])
        found |= {f"{arm.student}, {how}": outcome.rows[0] for arm, outcome in made.items()}
    return found


def right(rows: list[Row], truth: np.ndarray) -> np.ndarray:
    """Whether each row is right on each test text, (draws, N)."""
    predicted = predictions(rows)
    return by_text(predicted, np.full_like(predicted, -1), truth) > 0
