"""Would another split of the same texts say the same? The first page's comparisons on many random splits.

Every other page has one split. Here each split has its own training, validation and test texts, drawn as that one was,
and a student's seed of its own. The true labels teach: a model that was fine-tuned on one split has seen another one's
test texts, and to fine-tune one for each split would take hours a task. What a model's teaching would change is known
for the one split of the other pages (the ceiling page) and stands in the sentence.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qdllm_utils.config import knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, over_splits
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, tasks_of, train
from qdllm_utils.show import paper
from qdllm_utils.show.tables import READERS
from qdllm_utils.texts.sources import Source

TEACHER = "labels-100"
STUDENTS = {"quantum": "QD-LLM", "cosine": "the same without its circuit (cos)", "linear": "linear probe"}
SPLITS, DEMO_SPLITS = 20, 3
FIRST = 1  # split seed 0 is that of the other pages
TEST_SHARE = 2 / 6  # test texts for each training text of 6:2:2
FAMILY = 4  # comparisons of one task: with the paper, with cos, with the probe, with the other reader


@dataclass(frozen=True)
class Splits:
    """What the page shows.

    frame: one line a run: task, reader, student, split, accuracy in percent. differences: {(task, reader, name):
    over the splits}, name one of `paper`, `cosine`, `linear` (QD-LLM minus that) and `reader` (the reader minus the
    first one, QD-LLM).
    """

    parameters: Parameters
    frame: pd.DataFrame
    differences: dict[tuple[str, str, str], Difference]
    rows: list[Row]
    store: Store

    @property
    def splits(self) -> int:
        """How many splits there are."""
        return int(self.frame["split"].nunique())

    def accuracy(self, task: str, reader: str, student: str) -> Difference:
        """The accuracy of one student in percent, with its interval over the splits."""
        return over_splits(self.values(task, reader, student), TEST_SHARE)

    def values(self, task: str, reader: str, student: str) -> np.ndarray:
        """Its accuracy on each split in percent, (J,), in the order of the splits."""
        found = self.frame.query("task == @task and reader == @reader and student == @student")
        return found.sort_values("split")["accuracy"].to_numpy()


def number_of_splits(parameters: Parameters) -> range:
    """The split seeds asked for: as many as `splits` says, from FIRST on."""
    return range(FIRST, FIRST + parameters.number("splits", DEMO_SPLITS if parameters.demo else SPLITS))


def run(parameters: Parameters) -> Splits:
    """Every task, reader and split asked for; what the store lacks is trained."""
    store, lines, rows = Store(refresh=parameters.refresh), [], []
    tasks = tasks_of(parameters)
    readers = parameters.readers_of(tasks[0])
    for task in tasks:
        for reader in readers:
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            for split in number_of_splits(parameters):
                experiment = Experiment(source, scale, TEACHER, knobs("tuned"), store, split_seed=split)
                found = train(experiment, [Arm(name) for name in STUDENTS], range(split, split + 1), "tuned", [{}])
                for arm, outcome in found.items():
                    (row,) = outcome.rows
                    rows.append(row)
                    lines.append((task, reader, arm.student, split, 100 * row.result["acc"]))
    frame = pd.DataFrame(lines, columns=["task", "reader", "student", "split", "accuracy"])
    made = Splits(parameters, frame, {}, rows, store)
    for task in tasks:
        for reader in readers:
            quantum = made.values(task, reader, "quantum")
            against = {name: quantum - made.values(task, reader, name) for name in STUDENTS if name != "quantum"}
            if not parameters.demo:  # generated texts have no value of the paper
                against["paper"] = quantum - paper.qdllm_percent(task)
            if reader != readers[0]:
                against["reader"] = quantum - made.values(task, readers[0], "quantum")
            for name, values in against.items():
                made.differences[task, reader, name] = over_splits(values, TEST_SHARE, FAMILY)
    return made


def reference(name: str, first: str) -> str:
    """What a difference is held against, in words; first: the first reader."""
    names = {"paper": "the paper's QD-LLM", "reader": f"QD-LLM reading {READERS.get(first, first)}"}
    return names.get(name) or STUDENTS[name]
