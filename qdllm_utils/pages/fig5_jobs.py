"""Figure 5's circuits as jobs for a chip, and what the counts of a ledger say, with or without the data at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qdcircuits.chip.counts import FOLDS, expectations
from qdcircuits.chip.noise import shot_time
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.mitigation import mitigated_z, with_mitigation
from qdcircuits.cloud.submission import bit_order_job, cost, run
from qdcircuits.cloud.token import read_token
from qdcircuits.cloud.waiting import Unfinished, summary
from qdcircuits.errors import InputError
from qdcircuits.export.openqasm import openqasm2
from qdcircuits.export.reduction import without_dead_gates, without_final_cnots
from qdllm_utils.pages.fig5 import Study
from qdllm_utils.pages.fig5_checks import check_submission, kind_of, ledger_path, mitigation_of, shots_of
from qdllm_utils.pages.fig5_students import Student
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.store import Row, Store

RECORDED = Path(__file__).with_name("stand_in_ledger.jsonl")  # 'recorded' in the notebook


def jobs(study: Study, row: Row, mitigation: str = "none", numbering: str = "physical") -> list[Job]:
    """One job a text of the study's subset, out of its row, and what a mitigation needs besides.

    With a calibration table of the user's, the circuit is compiled here, for the chip's own qubits; without one it is
    sent as described, less its dead gates and final CNOTs, and the service compiles it. numbering: 'physical' for
    circuits in the chip's own numbers, 'logical' for a service that is told them beside the circuit.
    """
    student = study.student
    reduced, parities = without_final_cnots(without_dead_gates(student.circuit))
    compiled = study.compiled if study.settings.table else None
    found, folded = [], {}
    for number, inputs, label in zip(
        *(row.arrays[name].tolist() for name in ("numbers", "inputs", "labels")), strict=True
    ):
        about = {"student": student.row.key, "text": number}
        data = {"inputs": inputs, "label": label, "parities": parities}
        if compiled is None:
            qasm = openqasm2(reduced, student.angles[: reduced.n_weights], inputs)
            found.append(Job(about, qasm, reduced.n_qubits, reduced.n_qubits, data))
            continue
        logical = numbering == "logical"
        register = len(compiled.line) if logical else max(compiled.line) + 1
        by_fold = [
            Job(
                about if fold == 1 else {**about, "fold": fold},
                compiled.openqasm2(inputs, fold, logical),
                register,
                len(compiled.bits),
                data | {"parities": compiled.parities},
                study.chip.digest,
                compiled.line,
                shot_time(compiled, study.chip, fold),
            )
            for fold in FOLDS
        ]
        found.append(by_fold[0])
        folded[by_fold[0].name] = by_fold[1:]
    return with_mitigation(found, mitigation, folded)


def submit_or_explain(studies: Sequence[Study], rows: Sequence[Row], parameters: Parameters) -> str:
    """What a submission would take; with `submit` it is made, and what became of it is said.

    Raises InputError where nothing can be sent. What is open or undecided afterwards is no error of the page.
    """
    check_submission(parameters)
    kind, shots, mitigation = kind_of(parameters), shots_of(parameters), mitigation_of(parameters)
    path = ledger_path(parameters)
    found = [
        job
        for study, row in zip(studies, rows, strict=True)
        for job in jobs(study, row, mitigation, kind.numbering if parameters.calibration else "physical")
    ]
    all_jobs = list({job.name: job for job in found}.values())
    ledger = Ledger.open(path) if path and path.is_file() else None
    what = cost(all_jobs, ledger, kind, shots, parameters.chip, parameters.retry_failed)
    raw = "Counts stay raw." if mitigation == "none" else f"Mitigation of the counts: {mitigation}, its tasks counted."
    if not parameters.submit:
        where = write_circuits(all_jobs, parameters)
        return f"Dry run: {what} {raw} Nothing is sent without -p submit True.{where}"
    service = kind(read_token(parameters.token_file, kind.tokens), parameters.url)
    settings = {
        "source": service.http.source,
        "service": service.name,
        "chip": parameters.chip,
        "shots": shots,
        "bit_order": parameters.bit_order or service.bit_order,
        "calibration": studies[0].chip.digest if parameters.calibration else None,
    }
    if service.http.source == "stand-in":
        settings["note"] = "The counts are simulated by the stand-in of the tests; no quantum computer made them."
    ledger = Ledger.open(path or RECORDED, settings)
    said = [what, raw]
    try:
        run(
            ledger, service, all_jobs,
            server_compiles=not parameters.calibration, retry_failed=parameters.retry_failed, say=said.append,
        )  # fmt: skip
    except Unfinished as error:
        said += [f"Now: {summary(ledger, [job.name for job in all_jobs])}.", str(error)]
    return " ".join(said)


def write_circuits(all_jobs: Sequence[Job], parameters: Parameters) -> str:
    """The circuits that would be sent, a file each, in the folder `circuits` or beside the ledger; where they are."""
    path, given = ledger_path(parameters), parameters.values.get("circuits")
    if not given and path is None:
        return " With -p circuits FOLDER the circuits are written there."
    folder = Path(given).expanduser() if given else Path(f"{path}.circuits")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for job in [bit_order_job(all_jobs[0]), *all_jobs]:
            (folder / f"{job.name}.qasm").write_text(job.qasm, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The circuits cannot be written to {folder.name} ({error.strerror}).") from None
    return f" The circuits are in {folder.name}, a file a task."


@dataclass(frozen=True)
class Replay:
    """The counts of one student in a ledger. z, ideal: (texts, n); right: of `texts`, as they came.

    mitigated: the right texts by each mitigation for which the ledger has the circuits of every text.
    """

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
    mitigated: dict[str, int]

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

    from qdcircuits.simulation import simulator

    if path is None or (path != "recorded" and not Path(path).expanduser().is_file()):
        return []
    ledger = Ledger.open(RECORDED if path == "recorded" else path)
    found: dict[str, list[str]] = {}
    for name, entry in ledger.entries.items():
        if "student" in entry.about and "fold" not in entry.about and entry.counts:
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
        better = [mitigated_z(ledger, name, entry["parities"]) for name, entry in zip(names, data, strict=True)]
        methods = [method for method in ("readout", "extrapolation", "both") if all(method in one for one in better)]
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
                mitigated={
                    method: int((student.predict(np.array([one[method] for one in better])) == labels).sum())
                    for method in methods
                },
            )
        )
    return replays


def stored_student(key: str, store: Store) -> Student | None:
    """A quantum student by its row's key."""
    row = store.find(key, arrays=True)
    return None if row is None else Student.of(row)


def task_of(student: Student) -> str:
    """The task on whose texts a student was trained, by their fingerprint; 'other texts' for any other."""
    from qdllm_utils.config import TASKS
    from qdllm_utils.texts.sources import authors_fingerprint

    fingerprint = student.row.identity.get("teacher", {}).get("data", {}).get("fingerprint")
    known = {authors_fingerprint(task): task.title for task in TASKS.values()}
    return known.get(fingerprint, "other texts")
