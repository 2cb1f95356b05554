"""The report on one page: each student's accuracy on each task, through each reader of the text, and how sure it is.

Every accuracy stands there twice: on all test texts, and without those that nearly repeat a training text.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from qdcircuits.errors import InputError
from qdllm_utils.config import knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, answers_against, number_of_seeds, readable, tasks_of, train
from qdllm_utils.show import paper
from qdllm_utils.texts.sources import Source

STUDENTS = {
    "QD-LLM, preset paper": ("paper", "quantum"),
    "QD-LLM, preset tuned": ("tuned", "quantum"),
    "the same without its circuit (cos)": ("tuned", "cosine"),
    "linear probe": ("tuned", "linear"),
}
TUNED, WITHOUT, PROBE = list(STUDENTS)[1:]
FAMILY = 6  # comparisons of one reader: three tasks, with cos and with the probe


@dataclass(frozen=True)
class Cell:
    """One student of one task and reader."""

    task: str
    reader: str
    student: str
    outcome: Outcome
    accuracy: Difference  # the accuracy itself in percent, with its interval over seeds and texts
    apart: Difference  # the same on the test texts that repeat no training text


@dataclass(frozen=True)
class Ladder:
    """One student, preset tuned, taught by one teacher after another on one task and reader.

    students: {teacher: outcome}; gains: {teacher: its student minus the first teacher's student}.
    """

    task: str
    reader: str
    teachers: dict[str, Row]
    students: dict[str, Outcome]
    accuracies: dict[str, Difference]
    gains: dict[str, Difference]


@dataclass(frozen=True)
class Headline:
    """What the page shows.

    teachers: {task: row}. repeats: {task: the share of test texts that nearly repeat a training text}. circuit:
    {(task, reader): with the circuit minus without it, tuned}; probe: the same minus the linear probe.
    ladders: of the tasks for which several teachers were asked for.
    """

    parameters: Parameters
    cells: list[Cell]
    teachers: dict[str, Row]
    repeats: dict[str, float]
    circuit: dict[tuple[str, str], Difference]
    probe: dict[tuple[str, str], Difference]
    ladders: list[Ladder]
    store: Store

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: task, reader, student, accuracy in percent with its interval, trained parameters, seeds."""
        return pd.DataFrame(
            {
                "task": cell.task,
                "reader": cell.reader,
                "student": cell.student,
                "accuracy": cell.accuracy.mean,
                "low": cell.accuracy.low,
                "high": cell.accuracy.high,
                "without_repeats": cell.apart.mean,
                "parameters": cell.outcome.rows[0].result["parameters"],
                "seeds": len(cell.outcome.rows),
                "pooling": cell.outcome.rows[0].identity["knobs"]["pooling"],
                "paper": paper.qdllm_percent(cell.task),
            }
            for cell in self.cells
        )

    @property
    def rows(self) -> list[Row]:
        """Every row of the page: students, teachers, and those of the ladders."""
        outcomes = [cell.outcome for cell in self.cells]
        outcomes += [outcome for ladder in self.ladders for outcome in ladder.students.values()]
        teachers = [*self.teachers.values(), *(row for ladder in self.ladders for row in ladder.teachers.values())]
        return [row for outcome in outcomes for row in outcome.rows] + teachers

    def cell(self, task: str, reader: str, student: str) -> Cell | None:
        """One cell, or None."""
        return next((c for c in self.cells if (c.task, c.reader, c.student) == (task, reader, student)), None)


def run(parameters: Parameters) -> Headline:
    """Every task and reader asked for; what the store lacks is trained."""
    to_compare(parameters)  # a fault is said before anything is trained
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    cells: list[Cell] = []
    teachers: dict[str, Row] = {}
    repeats: dict[str, float] = {}
    differences: dict[str, dict[tuple[str, str], Difference]] = {WITHOUT: {}, PROBE: {}}
    for task in tasks_of(parameters):
        for reader in parameters.readers_of(task):
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            experiment = Experiment(source, scale, parameters.teacher, knobs("tuned"), store)
            teachers[task] = experiment.teacher_row()
            found = outcomes(experiment, seeds)
            labels, near = experiment.test_labels(), near_repeats(experiment)
            repeats[task] = float(near.mean())
            for name, outcome in found.items():
                right = 100.0 * (outcome.predicted == labels)
                cells.append(Cell(task, reader, name, outcome, compared(right), compared(right[:, ~near])))
            for name, of in differences.items():
                of[task, reader] = compared(answers_against(found[TUNED], found[name], labels), FAMILY)
    ladders = ladders_of(parameters, store)
    return Headline(parameters, cells, teachers, repeats, differences[WITHOUT], differences[PROBE], ladders, store)


def near_repeats(experiment: Experiment) -> np.ndarray:
    """Which test texts nearly repeat a training text, (N,): a Jaccard similarity of character 5-grams of .5 or more."""
    from qdllm_utils.learning.metrics import packed, unpacked
    from qdllm_utils.texts.own_file_near import GRAM, JACCARD, near_rows

    identity = {"kind": "near repeats", "data": experiment.data_identity, "gram": GRAM, "jaccard": JACCARD}

    def compute() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        parts = experiment.parts()
        near = [each.row for each in near_rows(list(experiment.source.corpus.texts), parts["test"], parts["train"])]
        return {"test": packed(np.isin(parts["test"], near).astype(int))}, {}

    row = experiment.store.get(identity, compute, f"near repeats, {experiment.source.title}")
    return unpacked(row.result["test"]) == 1


def ladders_of(parameters: Parameters, store: Store) -> list[Ladder]:
    """The student under each teacher of `teachers`, on the last encoder asked for, where a task has more than one."""
    asked = to_compare(parameters)
    family = sum(len(names) - 1 for names in asked.values())
    return [ladder_of(parameters, store, task, names, family) for task, names in asked.items()]


def to_compare(parameters: Parameters) -> dict[str, tuple[str, ...]]:
    """The teachers of each task that has several. Raises InputError where `teachers` was given and no task has."""
    asked = {task: parameters.of_task("teachers", task) for task in tasks_of(parameters)}
    several = {task: names for task, names in asked.items() if len(names) > 1}
    if parameters.values["teachers"] and not several:
        raise InputError(
            f"teachers is {parameters.values['teachers']!r}: name two or more for a task, so that they can be compared."
        )
    return several


def ladder_of(parameters: Parameters, store: Store, task: str, names: tuple[str, ...], family: int) -> Ladder:
    """One task's; family: how many students are held against a first teacher's, over all tasks."""
    reader = [name for name in parameters.readers_of(task) if name != "qwen"] or ["qwen"]
    scale = replace(parameters.size, embedder=reader[-1])
    source = Source(task, scale, parameters.values.get("data_dir"))
    rows, students = {}, {}
    for name in names:
        experiment = Experiment(source, scale, name, knobs("tuned"), store)
        (students[name],) = train(experiment, [Arm("quantum")], number_of_seeds(parameters), "tuned").values()
        rows[name] = experiment.teacher_row()
    labels, first = experiment.test_labels(), students[names[0]]
    accuracies = {name: compared(100.0 * (of.predicted == labels)) for name, of in students.items()}
    gains = {name: compared(answers_against(students[name], first, labels), family) for name in names[1:]}
    return Ladder(task, reader[-1], rows, students, accuracies, gains)


def outcomes(experiment: Experiment, seeds: range) -> dict[str, Outcome]:
    """The outcome of each student."""
    published = readable(knobs("paper"), experiment.scale.embedder)
    made: dict[str, Outcome] = {}
    for preset, chosen in (("paper", published), ("tuned", experiment.asked)):
        names = {name: student for name, (of, student) in STUDENTS.items() if of == preset}
        trained = train(replace(experiment, asked=chosen), [Arm(student) for student in names.values()], seeds, preset)
        made |= {name: trained[Arm(student)] for name, student in names.items()}
    return made
