"""Accuracy for each stored byte: probes of few bits, students rounded after training, the compression baselines.

What stands in the plot is chosen by nothing; what is called the front, or the smallest that reaches the student, is
chosen on validation and then told with its test accuracy. The sentences hold like against like: the same states of the
same reader, the same number format on both sides.
"""

from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np
import torch

from qdllm_utils.config import TASKS, Knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.runs.tuning import RATES, Arm, Outcome, experiments_of, number_of_seeds, tfidf_outcome, train
from qdllm_utils.show.tables import READERS, model_name
from qdllm_utils.texts.pretrained import shown_name

ROUNDED = ("quantum", "mlp", "surrogate")  # the students that are also stored as fp16 and int8
FORMS = ("fp16", "int8")
ON_PAPER_STATES = ("linear", "mlp", "probe_8bit")  # what the student of preset paper is held against
FAMILIES = (
    "QD-LLM, preset paper",
    "QD-LLM, preset tuned",
    "classical, states of preset paper",
    "classical student",
    "probe",
    "baseline",
    "TF-IDF",
)


@dataclass(frozen=True)
class Entry:
    """One stored model: family, name, bytes, and its rows, one a seed.

    form: its number format (a probe of 8 bits is int8); states: which of the reader it reads, '' for none.
    """

    family: str
    title: str
    stored_bytes: int
    rows: list[Row]
    form: str = "float32"
    states: str = ""

    def mean(self, name: str) -> float:
        """The mean over seeds of `acc` or `validation`."""
        return mean(row.result[name] for row in self.rows)


@dataclass(frozen=True)
class Panel:
    """One task and teacher: its entries, the baselines whose rows are not in the store, the reader of the students."""

    title: str
    entries: list[Entry]
    absent: list[str]
    reader: str = ""

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
        teacher = model_name(fair.teacher)
        whose = f", teacher {teacher}" if len(parameters.teachers) > 1 else ""
        title = TASKS[fair.source.task].title + whose
        reader = READERS.get(parameters.size.embedder, shown_name(parameters.size.embedder))
        panels.append(Panel(title, entries, absent, reader))
        rows = {f"{entry.family}: {entry.title}": entry.rows for entry in entries}
        runs.append(TeacherRun(fair.teacher, fair.teacher_row(), rows))
    source = tuned[0][1].source
    return Stored(parameters, panels, Comparison("Stored bytes", source.kind, None, parameters, runs, store))


def student_entries(paper: Experiment, fair: Experiment, seeds: range) -> list[Entry]:
    """The quantum student at both presets, classical students and probes of either's states, TF-IDF.

    The classical ones on the states of preset paper have its training at a learning rate of their own: its rate, .06,
    breaks them, which is no finding about bytes.
    """
    from qdllm_utils.students.probes import PROBES

    entries = []
    (published,) = train(paper, [Arm("quantum")], seeds, "paper").values()
    entries += forms(paper, "quantum", published, FAMILIES[0])
    for arm, outcome in train(paper, [Arm(name) for name in ON_PAPER_STATES], seeds, "paper", RATES).items():
        entries.append(as_it_is(paper, outcome, FAMILIES[2], f"{outcome.title}, own rate", form_of(arm.student)))
    arms = [Arm(student) for student in (*ROUNDED, "linear", *PROBES)]
    for arm, outcome in train(fair, arms, seeds, "tuned").items():
        if arm.student == "quantum":
            entries += forms(fair, arm.student, outcome, FAMILIES[1])
        elif arm.student in ROUNDED:
            entries += forms(fair, arm.student, outcome, "classical student")
        else:
            entries.append(as_it_is(fair, outcome, "probe", outcome.title, form_of(arm.student)))
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
    outcome = replace(outcome, rows=to_be_rounded(experiment, outcome.rows))
    entries = [as_it_is(experiment, outcome, family, f"{outcome.title}, float32")]
    states = experiment.knobs.pooling
    for form in FORMS:
        rows = rounded(experiment, student, outcome.rows, form)
        entries.append(Entry(family, f"{outcome.title}, {form}", rows[0].result["stored_bytes"], rows, form, states))
    return entries


def form_of(student: str) -> str:
    """The number format that a student is trained at: float32, int8, or '3 bits'."""
    bits = student.removeprefix("probe_").removesuffix("bit")
    return {"8": "int8"}.get(bits, f"{bits} bits") if bits.isdigit() else "float32"


def as_it_is(experiment: Experiment, outcome: Outcome, family: str, title: str, form: str = "float32") -> Entry:
    """A trained student that nobody rounded."""
    return Entry(family, title, outcome.stored_bytes, outcome.rows, form, experiment.knobs.pooling)


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
    """Round the students that the rows hold (with arrays) and classify validation and test texts with them."""
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
        arrays = [row.arrays for row in rows]
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


def to_be_rounded(experiment: Experiment, rows: list[Row]) -> list[Row]:
    """The rows, each with its weights where its rounded forms are not all in the store."""
    from qdllm_utils.runs.recompute import with_weights

    def whole(row: Row) -> bool:
        return all(experiment.store.load(row.identity | {"stored_as": form}) for form in FORMS)

    return [row if whole(row) else with_weights(experiment, row) for row in rows]


def answer(stored: Stored) -> str:
    """In how many cases (a preset's student at a number format) a classical one is level, and what QD-LLM takes."""
    cases = [(panel, student) for panel, family in pairs(stored) for student in students_of(panel, family)]
    ratios = [student.stored_bytes / other.stored_bytes for panel, student in cases if (other := level(panel, student))]
    found = f"In {len(ratios)} of {len(cases)} cases a classical student of the same states and number format is "
    found += "level with QD-LLM on validation"
    if ratios:
        found += f"; QD-LLM stores {min(ratios):.1f} to {max(ratios):.1f} times the bytes of the smallest"
    return f"{found}."


def conclusions(stored: Stored) -> list[str]:
    """For each panel and student the smallest classical model, like with like."""
    return [smallest(panel, family) for panel, family in pairs(stored)]


def pairs(stored: Stored) -> list[tuple[Panel, str]]:
    """Every panel with the student of either preset."""
    return [(panel, family) for panel in stored.panels for family in FAMILIES[:2]]


def students_of(panel: Panel, family: str) -> list[Entry]:
    """The student at float32 and at int8."""
    return [entry for entry in panel.entries if entry.family == family and entry.form in ("float32", "int8")]


def like(panel: Panel, student: Entry) -> list[Entry]:
    """The classical entries on a student's states and at its number format."""
    return [
        entry
        for entry in panel.entries
        if not entry.family.startswith("QD-LLM") and (entry.form, entry.states) == (student.form, student.states)
    ]


def level(panel: Panel, student: Entry) -> Entry | None:
    """The smallest of those that validation puts level with the student; None where there is none."""
    found = [entry for entry in like(panel, student) if entry.mean("validation") >= student.mean("validation")]
    return min(found, key=lambda entry: entry.stored_bytes, default=None)


def smallest(panel: Panel, family: str) -> str:
    """One student at float32 and at int8, each against what is not quantum on the same states at the same format."""
    students = students_of(panel, family)
    told = "; ".join(
        f"at {student.form} it stores {student.stored_bytes:,} bytes for {100 * student.mean('acc'):.1f}%, "
        f"{level_with(panel, student)}"
        for student in students
    )
    return f"{panel.title}, {family} reading {panel.reader} (states: {students[0].states}): {told}."


def level_with(panel: Panel, student: Entry) -> str:
    """The smallest of those, in words."""
    if not like(panel, student):
        return "and nothing classical was stored like that"
    other = level(panel, student)
    if other is None:
        return f"and none of {len(like(panel, student))} classical entries like that is level with it on validation"
    return f"{other.title} is level on validation with {other.stored_bytes:,} bytes for {100 * other.mean('acc'):.1f}%"
