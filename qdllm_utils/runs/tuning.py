"""Arms of one comparison, trained alike: the quantum student and what it is held against.

The preset `tuned` gives every arm, the quantum student too, the same tuning: each learning rate of LEARNING_RATES is
tried with the first TUNING_SEEDS seeds, and the one with the best mean validation accuracy (the smallest of
equals) is taken for all seeds. The other presets use their own learning rate for every arm; on the controls page every
arm tries them with E as it is and standardised (SCALINGS). Test rows choose nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean
from typing import Any

import numpy as np

from qdllm_utils.config import CHOSEN, DECODER_POOLINGS, FINE_TUNED_POOLINGS, TASKS, Knobs, knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import RECIPE, Experiment
from qdllm_utils.runs.missing import FailedRuns, train_missing
from qdllm_utils.runs.statistics import Difference, by_text, family_of
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.students import tfidf
from qdllm_utils.texts.pretrained import is_decoder
from qdllm_utils.texts.sources import Source, split

LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
RATES = [{"learning_rate": rate} for rate in LEARNING_RATES]
SCALINGS = [{"standardise": False}, {"standardise": True}]  # of E before the first layer, where scaling is minmax
TUNING_SEEDS = 3
SEEDS = 10
DEMO_SEEDS = 2


@dataclass(frozen=True)
class Arm:
    """One arm: a student of jobs.ON_EMBEDDINGS, trained by distillation or (alpha = 0) by cross-entropy alone."""

    student: str
    distilled: bool = True

    @property
    def title(self) -> str:
        """Its name in tables and figures."""
        from qdllm_utils.runs.jobs import ON_EMBEDDINGS

        title = getattr(ON_EMBEDDINGS[self.student], "title", "QD-LLM")
        return title if self.distilled else f"{title}, CE alone"


def predictions(rows: list[Row]) -> np.ndarray:
    """The class of each row and test text, (rows, N)."""
    from qdllm_utils.learning.metrics import unpacked

    return np.stack([unpacked(row.result["predicted"]) for row in rows])


@dataclass(frozen=True)
class Outcome:
    """An arm's rows, one a seed; tried: the mean validation accuracy of each value (rate, scaling, C) tried."""

    title: str
    rows: list[Row]
    tried: dict[str, float]
    chosen: str

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy of each seed."""
        return [row.result["acc"] for row in self.rows]

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class of each seed and test text, (S, N)."""
        return predictions(self.rows)

    @property
    def validation(self) -> float:
        """The mean validation accuracy."""
        return mean(row.result["validation"] for row in self.rows)

    @property
    def stored_bytes(self) -> int:
        """Of one trained student; four a parameter for rows made before that was written down."""
        result = self.rows[0].result
        return int(result.get("stored_bytes", 4 * result["parameters"]))


def number_of_seeds(parameters: Parameters, default: int = SEEDS) -> range:
    """The seeds asked for; by default 2 at the demo scale and `default` at the others."""
    return range(parameters.values["seeds"] or (DEMO_SEEDS if parameters.demo else default))


def tasks_of(parameters: Parameters) -> list[str]:
    """The tasks asked for; by default hiding detection at the demo scale and all three at the others."""
    if parameters.values["tasks"] is None:
        return ["hiding"] if parameters.demo else list(TASKS)
    return parameters.task_list


def experiments_of(parameters: Parameters, presets: Iterable[str], store: Store) -> list[tuple[str, Experiment]]:
    """(preset, experiment) for every task, embedder, teacher and preset asked for.

    Where a page takes several `embedders`, those after a task's first are read under its last teacher alone: what they
    are asked is whether a finding hangs on the reader.
    """
    found = []
    changes = {name: parameters.values.get(name) for name in ("epochs", "layers")}
    for task in tasks_of(parameters):
        teachers, several = parameters.teachers_of(task), parameters.values.get("embedders")
        readers = parameters.readers_of(task) if several else (parameters.size.embedder,)
        for reader in readers:
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            for teacher in teachers if reader == readers[0] else teachers[-1:]:
                for preset in presets:
                    asked = readable(knobs(preset, **changes), reader)
                    found.append((preset, Experiment(source, scale, teacher, asked, store)))
    return found


def readable(asked: Knobs, embedder: str) -> Knobs:
    """The knobs with a pooling that the embedder has: a decoder knows no padded position, so there it is chosen."""
    if is_decoder(embedder) and asked.pooling not in (*DECODER_POOLINGS, *FINE_TUNED_POOLINGS, CHOSEN):
        return replace(asked, pooling=CHOSEN)
    return asked


def train(
    experiment: Experiment, arms: Iterable[Arm], seeds: range, preset: str, grid: Sequence[dict[str, Any]] = ()
) -> dict[Arm, Outcome]:
    """The outcome of every arm: rows found in the store or trained; what is tried is chosen for each arm on validation.

    grid: the changes of the knobs that every arm tries; where none is given, RATES at the preset `tuned`, else [{}],
    which changes nothing. Of equals the first is taken.
    """
    arms = list(arms)
    tries = list(grid) or (RATES if preset == "tuned" else [{}])
    of_arm = {arm: experiment.knobs if arm.distilled else replace(experiment.knobs, alpha=0.0) for arm in arms}
    tried: dict[Arm, dict[str, float]] = {arm: {} for arm in arms}
    if len(tries) > 1:
        asked = [(arm, replace(of_arm[arm], **change)) for arm in arms for change in tries]
        first = rows_of(experiment, [(arm.student, chosen, seeds[:TUNING_SEEDS]) for arm, chosen in asked])
        for (arm, chosen), rows in zip(asked, first, strict=True):
            tried[arm][called(chosen, tries)] = mean(row.result["validation"] for row in rows)
        for arm in arms:
            changed = [replace(of_arm[arm], **change) for change in tries]
            validated = dict(zip(changed, tried[arm].values(), strict=True))
            of_arm[arm] = max(changed, key=validated.__getitem__)
    found = rows_of(experiment, [(arm.student, of_arm[arm], seeds) for arm in arms])
    return {
        arm: Outcome(arm.title, rows, tried[arm], called(of_arm[arm], tries))
        for arm, rows in zip(arms, found, strict=True)
    }


def called(chosen: Knobs, tries: Sequence[dict[str, Any]]) -> str:
    """What an arm chose, in a word: its scaling of E where that was tried, else its learning rate."""
    if "standardise" in tries[0]:
        return "standardised E" if chosen.standardise else "raw E"
    return f"{chosen.learning_rate:g}"


def rows_of(experiment: Experiment, asked: list[tuple[str, Knobs, range]]) -> list[list[Row]]:
    """The rows of each (student, knobs, seeds), in the order of the seeds; all that are missing are trained at once.

    Knobs may differ in anything but the pooling, so that the embeddings are read once.
    Raises FailedRuns, when all others are stored, for runs that failed.
    """
    store = experiment.store
    identities = [
        [replace(experiment, asked=chosen).student_identity(student, seed) for seed in seeds]
        for student, chosen, seeds in asked
    ]
    found: dict[str, Row] = {}
    missing: list[tuple[str, Knobs, list[dict[str, Any]]]] = []
    for (student, chosen, _), wanted in zip(asked, identities, strict=True):
        absent = []
        for identity in wanted:
            row = store.load(identity)
            if row is None:
                absent.append(identity)
            else:
                found[row.key] = row
        if absent:
            missing.append((student, chosen, absent))
    if missing:
        store.say(
            f"{experiment.source.title}, teacher {experiment.teacher}, {len(missing)} settings, "
            f"{sum(len(absent) for *_, absent in missing)} seeds in all: computing ({store.why})."
        )
        (template,) = experiment.jobs({"quantum": [0]})
        jobs = [
            replace(
                template,
                student=student,
                knobs=chosen,
                identities=absent,
                seeds=[identity["seed"] for identity in absent],
            )
            for student, chosen, absent in missing
        ]
        made, failures = train_missing(store, jobs)
        found |= made
        if failures:
            raise FailedRuns(failures)
    return [[found[key_of(identity)] for identity in wanted] for wanted in identities]


def tfidf_outcome(experiment: Experiment) -> Outcome:
    """Control (h): one row, which no seed, embedding, teacher or preset changes."""
    identity = {
        "kind": "student",
        "recipe": RECIPE + 1,  # since 2 the row keeps the predicted classes
        "student": "tfidf",
        "seed": 0,
        "grid": list(tfidf.C_GRID),
        "data": experiment.data_identity,
    }

    def compute() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        from qdllm_utils.learning.metrics import classification, packed

        corpus = experiment.source.corpus
        rows = split(corpus.labels, experiment.data_identity["split_seed"])
        output = tfidf.train(list(corpus.texts), corpus.labels, rows)
        logits = output.logits[rows["test"]]
        result = {
            **classification(corpus.labels[rows["test"]], logits.argmax(axis=1)),
            "predicted": packed(logits.argmax(axis=1)),
            "validation": output.validation,
            "parameters": output.parameters,
            "stored_bytes": output.stored_bytes,
            "size": f"{output.parameters:,} weights",
            "tried": output.tried,
            "chosen": f"{output.c:g}",
        }
        return result, {"test_logits": logits}

    row = experiment.store.get(identity, compute, f"TF-IDF, {experiment.source.title}")
    return Outcome("TF-IDF + logistic regression", [row], row.result["tried"], row.result["chosen"])


def answers_against(outcome: Outcome, reference: Outcome, labels: np.ndarray) -> np.ndarray:
    """The paired difference of two outcomes for each seed and test text, (S, N) points; labels: (N,)."""
    return by_text(outcome.predicted, reference.predicted, labels)


def against(reference: Outcome, others: Iterable[Outcome], labels: np.ndarray) -> dict[str, Difference]:
    """Each outcome's paired difference to the reference in points of accuracy, as one family.

    A single row, which no seed changes, is held against every seed of the reference.
    """
    return family_of({other.title: answers_against(other, reference, labels) for other in others})
