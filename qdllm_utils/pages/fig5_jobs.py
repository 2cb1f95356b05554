"""Figure 5's circuits as jobs for a chip, and what the counts of a ledger say, with or without the data at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.chip.counts import expectations
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.quafu import SERVICES
from qdcircuits.cloud.quafu_http import read_token
from qdcircuits.cloud.submission import check_shots, cost, run
from qdcircuits.errors import InputError, choose
from qdcircuits.export.openqasm import openqasm2
from qdcircuits.export.reduction import without_dead_gates, without_final_cnots
from qdllm_utils.pages.fig5 import Student, Study
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.store import Row, Store

RECORDED = Path(__file__).with_name("stand_in_ledger.jsonl")  # 'recorded' in the notebook


def jobs(study: Study, row: Row) -> list[Job]:
    """One job a text of the study's subset, out of its row.

    With a calibration table of the user's, the circuit is compiled here, for the chip's own qubit numbers; without one
    it is sent as described, less its dead gates and final CNOTs, and the service compiles it.
    """
    student = study.student
    reduced, parities = without_final_cnots(without_dead_gates(student.circuit))
    compiled = study.compiled if study.settings.table else None
    found = []
    for number, inputs, label in zip(
        *(row.arrays[name].tolist() for name in ("numbers", "inputs", "labels")), strict=True
    ):
        if compiled:
            qasm, register = compiled.openqasm2(inputs), max(compiled.line) + 1
        else:
            qasm, register = openqasm2(reduced, student.angles[: reduced.n_weights], inputs), reduced.n_qubits
        about = {"student": student.row.key, "text": number}
        data = {"inputs": inputs, "label": label, "parities": parities}
        found.append(Job(about, qasm, register, reduced.n_qubits, data))
    return found


def submit_or_explain(studies: Sequence[Study], rows: Sequence[Row], parameters: Parameters) -> str:
    """What a submission would take; with `submit` it is made (raises InputError where it cannot be, or is not over)."""
    kind = SERVICES[choose(parameters.service, SERVICES, "service")]
    check_shots(parameters.shots, kind)
    path = Path(parameters.ledger or "recorded").expanduser()
    all_jobs = [job for study, row in zip(studies, rows, strict=True) for job in jobs(study, row)]
    ledger = Ledger.open(path) if path.is_file() else None
    what = cost(all_jobs, ledger, kind, parameters.shots, parameters.chip)
    if not parameters.submit:
        return f"Dry run: {what} Nothing is sent without -p submit True."
    if path == Path("recorded"):
        raise InputError("submit needs a ledger of its own: give a file, for example -p ledger ledger.jsonl.")
    service = kind(read_token(parameters.token_file), parameters.url)
    settings = {
        "source": service.http.source,
        "service": service.name,
        "chip": parameters.chip,
        "shots": parameters.shots,
        "bit_order": parameters.bit_order or service.bit_order,
    }
    if service.http.source == "stand-in":
        settings["note"] = "The counts are simulated by the stand-in of the tests; no quantum computer made them."
    ledger = Ledger.open(path, settings)
    run(ledger, service, all_jobs, server_compiles=not parameters.calibration, retry_failed=parameters.retry_failed)
    return what


@dataclass(frozen=True)
class Replay:
    """The counts of one student in a ledger. z, ideal: (texts, n); right: of `texts`."""

    key: str
    task: str
    classes: int
    source: str
    chip: str
    shots: int
    z: np.ndarray
    ideal: np.ndarray
    right: int
    ideal_right: int

    @property
    def texts(self) -> int:
        """How many texts have counts."""
        return len(self.z)


def replay(path: str | None, store: Store) -> list[Replay]:
    """What a ledger's counts say of each student that is in the store; path: a file, or 'recorded'; none, or one that
    is not there yet, says nothing.

    Needs neither token nor network nor texts: angles and labels stand in the ledger, the student in the store.
    """
    import torch

    from qdcircuits.simulator import simulator

    if path is None or (path != "recorded" and not Path(path).expanduser().is_file()):
        return []
    ledger = Ledger.open(RECORDED if path == "recorded" else path)
    found: dict[str, list[str]] = {}
    for name, entry in ledger.entries.items():
        if "student" in entry.about and entry.counts:
            found.setdefault(entry.about["student"], []).append(name)
    replays = []
    for key, names in sorted(found.items()):
        student = stored_student(key, store)
        if student is None:
            store.say(f"The ledger has counts for {key}, which is not in the store: left out.")
            continue
        data = [ledger.entries[name].data for name in names]
        frequencies = [ledger.frequencies(name) for name in names]
        z = np.array([
            expectations(f, entry["parities"]) for f, entry in zip(frequencies, data, strict=True) if f is not None
        ])  # fmt: skip
        angles = torch.tensor([entry["inputs"] for entry in data], dtype=torch.float64)
        ideal = simulator(student.circuit, "torch")(angles, torch.tensor(student.angles)).numpy()
        labels = np.array([entry["label"] for entry in data])
        settings = ledger.settings
        replays.append(
            Replay(
                key=key,
                task=task_of(student),
                classes=student.head.shape[1],
                source=settings["source"],
                chip=settings["chip"],
                shots=settings["shots"],
                z=z,
                ideal=ideal,
                right=int((student.predict(z) == labels).sum()),
                ideal_right=int((student.predict(ideal) == labels).sum()),
            )
        )
    return replays


def stored_student(key: str, store: Store) -> Student | None:
    """A quantum student by its row's key."""
    row = store.find(key, arrays=True)
    if row is None:
        return None
    knobs = row.identity["knobs"]
    values = (row.arrays[name].astype(float) for name in ("angles", "head_weight", "head_bias"))
    return Student(row, qdllm_circuit(knobs["qubits"], knobs["layers"]), *values)


def task_of(student: Student) -> str:
    """The task on whose texts a student was trained, by their fingerprint; 'other texts' for any other."""
    from qdllm_utils.config import TASKS
    from qdllm_utils.texts.sources import authors_fingerprint

    fingerprint = student.row.identity["teacher"]["data"]["fingerprint"]
    known = {authors_fingerprint(task): task.title for task in TASKS.values()}
    return known.get(fingerprint, "other texts")
