"""Could any teacher reach the paper's accuracy? The student under teachers of every quality, on every reader's states.

A teacher made of the true labels is right on as many texts as one likes (`texts/label_teachers.py`), so its student
shows what the reader's states and the released texts allow, whoever teaches. Every cell is trained alike, at preset
`tuned` without a search of the learning rate, and a linear probe of the same states beside it.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qdcircuits.errors import InputError
from qdllm_utils.config import knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, number_of_seeds, tasks_of, train
from qdllm_utils.show import paper
from qdllm_utils.texts.sources import Source

STUDENTS = {"quantum": "QD-LLM", "cosine": "the same without its circuit (cos)", "linear": "linear probe"}
RIGHT = (50, 60, 70, 80, 90, 100)  # the percent of texts on which a teacher of true labels is right
TRUE, WEAK = "labels-100", "labels-70"
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training texts
DEMO_RIGHT, DEMO_SHARES = (70, 100), (0.5, 1.0)


@dataclass(frozen=True)
class Cell:
    """One student on one reader's states under one teacher; share: of the training texts that it had."""

    task: str
    reader: str
    teacher: str
    student: str
    share: float
    outcome: Outcome
    accuracy: Difference


@dataclass(frozen=True)
class Curve:
    """Accuracy against the number of training texts, and where a power law of the error would be at the paper's size.

    texts: numbers of training texts; accuracies: (seeds, sizes) in percent. at: the paper's number of training texts;
    there: the accuracy that the law gives, and its 95% interval over seeds (not over laws).
    """

    texts: list[int]
    accuracies: np.ndarray
    at: int
    there: tuple[float, float, float]


@dataclass(frozen=True)
class Ceiling:
    """What the page shows. teachers: {(task, name): row}; curves: {(task, reader): of QD-LLM under the true labels}."""

    parameters: Parameters
    cells: list[Cell]
    teachers: dict[tuple[str, str], Row]
    curves: dict[tuple[str, str], Curve]
    store: Store

    @property
    def rows(self) -> list[Row]:
        """Every row of the page: students and teachers."""
        return [row for cell in self.cells for row in cell.outcome.rows] + list(self.teachers.values())

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: task, reader, teacher and its accuracy, student, share, accuracy, interval; in percent."""
        return pd.DataFrame(
            {
                "task": each.task,
                "reader": each.reader,
                "teacher": each.teacher,
                "teacher_accuracy": 100 * self.teachers[each.task, each.teacher].result["acc"],
                "student": STUDENTS[each.student],
                "share": each.share,
                "accuracy": each.accuracy.mean,
                "low": each.accuracy.low,
                "high": each.accuracy.high,
                "seeds": len(each.outcome.rows),
            }
            for each in self.cells
        )

    def find(self, task: str, reader: str, teacher: str, student: str = "quantum") -> Cell:
        """The cell of all training texts."""
        asked = (task, reader, teacher, student, 1.0)
        return next(c for c in self.cells if (c.task, c.reader, c.teacher, c.student, c.share) == asked)


def run(parameters: Parameters) -> Ceiling:
    """Every task, reader and teacher asked for; what the store lacks is trained."""
    store, seeds = Store(refresh=parameters.refresh), number_of_seeds(parameters)
    cells: list[Cell] = []
    teachers: dict[tuple[str, str], Row] = {}
    curves = {}
    if not parameters.values["teachers"]:
        raise InputError("teachers is empty: name at least one, such as minilm.")
    right, shares = (DEMO_RIGHT, DEMO_SHARES) if parameters.demo else (RIGHT, SHARES)
    for task in tasks_of(parameters):
        for reader in parameters.readers_of(task):
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            plain = Experiment(source, scale, TRUE, knobs("tuned"), store)
            for name in (*(f"labels-{share}" for share in right), *parameters.of_task("teachers", task)):
                experiment = replace(plain, teacher=name)
                teachers[task, name] = experiment.teacher_row()
                cells += cells_of(experiment, seeds, tuple(STUDENTS))
            for share in shares[:-1]:
                cells += cells_of(replace(plain, train_share=share), seeds, ("quantum",))
            whole = teachers[task, TRUE].result["rows"]["train"]
            curves[task, reader] = curve([c for c in cells if (c.task, c.reader) == (task, reader)], whole, task)
    return Ceiling(parameters, cells, teachers, curves, store)


def cells_of(experiment: Experiment, seeds: range, students: tuple[str, ...]) -> list[Cell]:
    """The students of one experiment, at the preset's learning rate."""
    found = train(experiment, [Arm(student) for student in students], seeds, "tuned", [{}])
    labels, task = experiment.test_labels(), experiment.source.task
    where = task, experiment.scale.embedder, experiment.teacher
    return [
        Cell(*where, arm.student, experiment.train_share, outcome, compared(100.0 * (outcome.predicted == labels)))
        for arm, outcome in found.items()
    ]


def paper_texts(task: str) -> int:
    """The training texts of the paper: six in ten of the texts that its Table 1 counts."""
    printed = paper.table("datasets").query("task == @task and place == 'Table 1'")["texts"].iloc[0]
    return round(0.6 * paper.number(str(printed)))


def curve(cells: list[Cell], whole: int, task: str) -> Curve:
    """The learning curve of QD-LLM under the true labels; whole: how many training texts there are."""
    chosen = {each.share: each for each in cells if each.teacher == TRUE and each.student == "quantum"}
    texts = [round(share * whole) for share in sorted(chosen)]
    accuracies = np.array([chosen[share].outcome.accuracies for share in sorted(chosen)]).T * 100
    at = paper_texts(task)
    generator = np.random.default_rng(0)
    draws = [accuracies[generator.integers(0, len(accuracies), len(accuracies))] for _ in range(2000)]
    at_paper = [power_law(texts, draw.mean(axis=0), at) for draw in draws]
    low, high = np.percentile(at_paper, [2.5, 97.5])
    return Curve(texts, accuracies, at, (power_law(texts, accuracies.mean(axis=0), at), float(low), float(high)))


def power_law(texts: list[int], accuracies: np.ndarray, at: int) -> float:
    """Accuracy in percent at `at` texts, if the error falls as a power of their number (least squares of the logs)."""
    slope, start = np.polyfit(np.log(texts), np.log(100 - accuracies), 1)
    return float(100 - np.exp(start + slope * np.log(at)))
