"""Tables 7 and 8: the quantum student alone, over loss terms and over teachers; all seeds at once.

The rows of the full loss are those of Tables 4 to 6: same keys, found in the store.
"""

from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np

from qdllm_utils.config import Knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared, side_by_side
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import predictions
from qdllm_utils.texts.sources import Source


@dataclass(frozen=True)
class Loss:
    """A line of Table 7: its title, the paper's name of it (None where it has none), and the knobs that make it.

    Cross-entropy alone is alpha = 0, a divergence alone alpha = 1.
    """

    title: str
    printed: str | None
    changes: dict[str, Any]


LOSSES = {
    "ce": Loss("CE", "ce", {"alpha": 0.0}),
    "kl": Loss("KL", "kl", {"alpha": 1.0, "soft": "kl"}),
    "js": Loss("JS", "js", {"alpha": 1.0, "soft": "js", "divergence": "jensen_shannon"}),
    "js_released": Loss("JS, released form", None, {"alpha": 1.0, "soft": "js", "divergence": "released"}),
    "all": Loss("KL+JS+CE", "all", {"divergence": "jensen_shannon"}),
    "all_released": Loss("KL+JS+CE, JS in the released form", None, {"divergence": "released"}),
}


@dataclass(frozen=True)
class Ablation:
    """rows: those of each variant, task and teacher, in the order of the seeds. teachers: by task and name.

    labels: (N,) of each task's test texts.
    """

    parameters: Parameters
    rows: dict[tuple[str, str, str], list[Row]]
    teachers: dict[tuple[str, str], Row]
    labels: dict[str, np.ndarray]
    store: Store

    @property
    def variants(self) -> list[str]:
        """The variants that ran, in order."""
        return list(dict.fromkeys(variant for variant, _, _ in self.rows))

    @property
    def names(self) -> list[str]:
        """The teachers that ran, in order."""
        return list(dict.fromkeys(teacher for _, _, teacher in self.rows))

    def names_of(self, task: str) -> list[str]:
        """The teachers that ran on a task, in order."""
        return list(dict.fromkeys(teacher for _, of, teacher in self.rows if of == task))

    @property
    def tasks(self) -> list[str]:
        """The tasks that ran, in order."""
        return list(dict.fromkeys(task for _, task, _ in self.rows))

    @property
    def all_rows(self) -> list[Row]:
        """Every row, for the provenance strip."""
        return [row for rows in self.rows.values() for row in rows] + list(self.teachers.values())

    def values(self, variant: str, metric: str, tasks: Any = None, teachers: Any = None) -> list[float]:
        """A metric, one value a seed: the mean over the tasks and teachers asked for (default: all that ran)."""
        chosen = [
            self.rows[variant, task, teacher]
            for task in (tasks or self.tasks)
            for teacher in (teachers or self.names_of(task))
        ]
        return [mean(row.result[metric] for row in seed) for seed in zip(*chosen, strict=True)]

    def difference(
        self, one: tuple[str, str | None], other: tuple[str, str | None], tasks: Any = None, family: int = 1
    ) -> Difference:
        """Accuracy of one (variant, teacher; None: the mean over all) less another's, over seeds and texts.

        tasks: those whose mean is taken (default: all).
        """

        def right(variant: str, teacher: str | None, task: str) -> np.ndarray:
            names = self.names_of(task) if teacher is None else [teacher]
            answers = [predictions(self.rows[variant, task, name]) == self.labels[task] for name in names]
            return np.mean(answers, axis=0)

        chosen = [100 * (right(*one, task) - right(*other, task)) for task in tasks or self.tasks]
        return compared(side_by_side(chosen), family)


def run(parameters: Parameters, variants: dict[str, Knobs], beside: tuple[str, ...] = ()) -> Ablation:
    """The quantum student of every variant on every task with every teacher; what is missing is trained.

    beside: teachers that stand before those asked for.
    """
    store = Store(refresh=parameters.refresh)
    scale = parameters.size
    found: dict[tuple[str, str, str], list[Row]] = {}
    own: dict[tuple[str, str], Row] = {}
    labels: dict[str, np.ndarray] = {}
    for task in parameters.task_list:
        source = Source(task, scale, parameters.values.get("data_dir"))
        for teacher in dict.fromkeys((*beside, *parameters.teachers_of(task))):
            for variant, knobs in variants.items():
                store.about(f"{task}, {variant}")
                experiment = Experiment(source, scale, teacher, knobs, store)
                rows = experiment.student_rows(("quantum",), parameters.seed_list)["quantum"]
                found[variant, task, teacher] = rows
            own[task, teacher] = experiment.teacher_row()
            labels[task] = experiment.test_labels()
    return Ablation(parameters, found, own, labels, store)


def losses(parameters: Parameters) -> Ablation:
    """Table 7: every loss, on top of the preset."""
    variants = {name: replace(parameters.knobs, **loss.changes) for name, loss in LOSSES.items()}
    return run(parameters, variants)


def teachers(parameters: Parameters) -> Ablation:
    """Table 8: the teachers asked for, beside MiniLM, the real pre-trained one that every scale has."""
    return run(parameters, {"all": parameters.knobs}, ("minilm",))
