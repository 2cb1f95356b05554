"""Accuracy for each stored byte: probes of few bits, students rounded after training, the compression baselines.

What stands in the plot is chosen by nothing; what is called the front, or the smallest that reaches the student, is
chosen on validation and then told with its test accuracy.
"""

from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch

from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.runs.tuning import Arm, Outcome, experiments_of, number_of_seeds, tfidf_outcome, train
from qdllm_utils.texts.pretrained import shown_name

ROUNDED = ("quantum", "mlp", "surrogate")  # the students that are also stored as fp16 and int8
FAMILIES = ("QD-LLM, preset paper", "QD-LLM, preset tuned", "classical student", "probe", "baseline", "TF-IDF")


@dataclass(frozen=True)
class Entry:
    """One stored model: family, name, bytes, and its rows, one a seed."""

    family: str
    title: str
    stored_bytes: int
    rows: list[Row]

    def mean(self, name: str) -> float:
        """The mean over seeds of `acc` or `validation`."""
        return mean(row.result[name] for row in self.rows)


@dataclass(frozen=True)
class Panel:
    """One task and teacher: its entries, and the baselines whose rows are not in the store."""

    title: str
    entries: list[Entry]
    absent: list[str]

    @property
    def front(self) -> list[Entry]:
        """The entries that none of fewer or equal bytes reaches on validation, from few bytes to many."""
        front: list[Entry] = []
        for entry in sorted(self.entries, key=lambda entry: (entry.stored_bytes, -entry.mean("validation"))):
            if not front or entry.mean("validation") > front[-1].mean("validation"):
                front.append(entry)
        return front


@dataclass(frozen=True)
class Stored:
    """What the page shows, and how it was got."""

    parameters: Parameters
    panels: list[Panel]
    comparison: Comparison


def run(parameters: Parameters) -> Stored:
    """Every task and teacher asked for; what the store lacks is trained, but for the baselines of Tables 4 to 6."""
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    panels, runs = [], []
    tuned = experiments_of(parameters, ("tuned",), store)
    published = experiments_of(parameters, ("paper",), store)
    for (_, fair), (_, paper) in zip(tuned, published, strict=True):
        entries = student_entries(paper, fair, seeds)
        baselines, absent = baseline_entries(fair, seeds)
        entries += baselines
        whose = f", teacher {shown_name(fair.teacher)}" if len(parameters.teachers) > 1 else ""
        title = TASKS[fair.source.task].title + whose
        panels.append(Panel(title, entries, absent))
        runs.append(TeacherRun(fair.teacher, fair.teacher_row(), {entry.title: entry.rows for entry in entries}))
    source = tuned[0][1].source
    return Stored(parameters, panels, Comparison("Stored bytes", source.kind, None, parameters, runs, store))


def student_entries(paper: Experiment, fair: Experiment, seeds: range) -> list[Entry]:
    """The quantum student at both presets, classical students and probes at `tuned`, TF-IDF."""
    from qdllm_utils.students.probes import PROBES

    entries = []
    (published,) = train(paper, [Arm("quantum")], seeds, "paper").values()
    entries += forms(paper, "quantum", published, FAMILIES[0])
    arms = [Arm(student) for student in (*ROUNDED, "linear", *PROBES)]
    for arm, outcome in train(fair, arms, seeds, "tuned").items():
        if arm.student == "quantum":
            entries += forms(fair, arm.student, outcome, FAMILIES[1])
        elif arm.student in ROUNDED:
            entries += forms(fair, arm.student, outcome, "classical student")
        else:
            entries.append(Entry("probe", outcome.title, outcome.stored_bytes, outcome.rows))
    words = tfidf_outcome(fair)
    return [*entries, Entry("TF-IDF", words.title, words.stored_bytes, words.rows)]


def baseline_entries(experiment: Experiment, seeds: range) -> tuple[list[Entry], list[str]]:
    """The compression baselines whose rows are there, as float32, and the names of the others."""
    from qdllm_utils.runs.jobs import BASELINES
    from qdllm_utils.show.tables import STUDENT_NAMES

    entries, absent = [], []
    for name in BASELINES:
        loaded = [experiment.store.load(experiment.student_identity(name, seed)) for seed in seeds]
        rows = [row for row in loaded if row is not None]
        if rows:
            entries.append(Entry("baseline", STUDENT_NAMES[name], 4 * rows[0].result["parameters"], rows))
        else:
            absent.append(STUDENT_NAMES[name])
    return entries, absent


def forms(experiment: Experiment, student: str, outcome: Outcome, family: str) -> list[Entry]:
    """A trained student as it is and rounded to fp16 and int8: each an entry with rows of its own."""
    entries = [Entry(family, f"{outcome.title}, float32", outcome.stored_bytes, outcome.rows)]
    for form in ("fp16", "int8"):
        rows = rounded(experiment, student, outcome.rows, form)
        entries.append(Entry(family, f"{outcome.title}, {form}", rows[0].result["stored_bytes"], rows))
    return entries


def rounded(experiment: Experiment, student: str, rows: list[Row], form: str) -> list[Row]:
    """The rows of trained students stored in `form`: looked up, or all seeds rounded and tested again."""
    identities = [row.identity | {"stored_as": form} for row in rows]
    found = {row.key: row for identity in identities if (row := experiment.store.load(identity)) is not None}
    missing = [row for row, identity in zip(rows, identities, strict=True) if key_of(identity) not in found]
    if missing:
        for row in tested_again(experiment, student, missing, form):
            experiment.store.save(row)
            found[row.key] = row
    return [found[key_of(identity)] for identity in identities]


def tested_again(experiment: Experiment, student: str, rows: list[Row], form: str) -> list[Row]:
    """Round the students that the rows hold and classify validation and test texts with them."""
    from qdllm_utils.config import Knobs
    from qdllm_utils.learning.metrics import classification, packed
    from qdllm_utils.learning.training import predict
    from qdllm_utils.runs import provenance
    from qdllm_utils.runs.jobs import ON_EMBEDDINGS
    from qdllm_utils.students.probes import store_as

    (job,) = experiment.jobs({"quantum": [0]})
    assert job.features is not None
    with provenance.recorded() as record:
        seeds = [row.identity["seed"] for row in rows]
        knobs = Knobs(**rows[0].identity["knobs"])
        model = ON_EMBEDDINGS[student](job.features.shape[1], job.classes, knobs, seeds)
        arrays = [held(experiment, row) for row in rows]
        state = {name: torch.tensor(np.stack([part[name] for part in arrays])) for name in model.state_dict()}
        model.load_state_dict(state)
        stored = store_as(model, form)
        predicted = {
            part: predict(model, {"features": torch.tensor(job.features[job.split[part]])}).argmax(-1).numpy()
            for part in ("validation", "test")
        }
    made = []
    for copy, row in enumerate(rows):
        labels = {part: job.labels[job.split[part]] for part in predicted}
        result: dict[str, Any] = {
            **classification(labels["test"], predicted["test"][copy]),
            "predicted": packed(predicted["test"][copy]),
            "validation": float((predicted["validation"][copy] == labels["validation"]).mean()),
            "parameters": row.result["parameters"],
            "stored_bytes": stored,
            "size": f"{row.result['size']}, {form}",
        }
        made.append(Row(row.identity | {"stored_as": form}, result, record))
    return made


def held(experiment: Experiment, row: Row) -> dict[str, np.ndarray]:
    """The arrays of a row: its own where it was made just now, else those beside it in the store."""
    if row.arrays:
        return row.arrays
    loaded = experiment.store.load(row.identity, arrays=True)
    if loaded is None:
        raise InputError(
            f"The weights of {row.key} are not in the store (published rows of most arms have none): run this page "
            "with -p refresh True, which trains them again."
        )
    return loaded.arrays


def conclusions(stored: Stored) -> list[str]:
    """One sentence in all, then for each task and student the smallest other model that is level on validation."""
    pairs = [(panel, family) for panel in stored.panels for family in FAMILIES[:2]]
    ratios = [student.stored_bytes / other.stored_bytes for student, other in (level(*pair) for pair in pairs) if other]
    summary = f"In {len(ratios)} of {len(pairs)} cases a classical entry is level with QD-LLM on validation"
    if ratios:
        summary += f"; the smallest stores {min(ratios):.0f} to {max(ratios):.0f} times fewer bytes"
    return [f"{summary}.", *(smallest(*pair) for pair in pairs)]


def level(panel: Panel, family: str) -> tuple[Entry, Entry | None]:
    """A student, and the smallest entry without a circuit that is as good on validation; None where there is none."""
    student = next(entry for entry in panel.entries if entry.family == family)
    found = [
        entry
        for entry in panel.entries
        if not entry.family.startswith("QD-LLM") and entry.mean("validation") >= student.mean("validation")
    ]
    return student, min(found, key=lambda entry: entry.stored_bytes, default=None)


def smallest(panel: Panel, family: str) -> str:
    """One student, float32, against everything that is not quantum."""
    student, other = level(panel, family)
    right = f"{100 * student.mean('acc'):.1f}% of the test texts"
    start = f"{panel.title}: {family} stores {student.stored_bytes:,} bytes for {right}"
    if other is None:
        return f"{start}; no classical entry is level with it on validation."
    return (
        f"{start}; the smallest classical entry that is level with it on validation, {other.title}, stores "
        f"{other.stored_bytes:,} bytes for {100 * other.mean('acc'):.1f}%."
    )
