"""Mitigation on a chip's own counts: two circuits that show the readout, and circuits with each CZ done 3 and 5 times.

readout         |0...0> and |1...1>, prepared and read on the circuits' own qubits, once a route: 2 tasks more
extrapolation   every text's circuit with each CZ done 3 and 5 times: 2 tasks more a text
both            both

A service that compiles would take out the repeated CZ, so extrapolation needs circuits that were compiled here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from qdcircuits.chip.counts import FOLDS, expectations, frequencies_of, mitigated, zero_noise
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.submission import MEASURE, prepared
from qdcircuits.errors import InputError, choose

MITIGATIONS = ("none", "readout", "extrapolation", "both")


def readout_jobs(job: Job) -> list[Job]:
    """All qubits of a job's route prepared as 0, and all as 1, and read as the job reads them."""
    measured = [int(qubit) for qubit, _ in MEASURE.findall(job.qasm)]
    jobs = []
    for value, flipped in ((0, []), (1, measured)):
        about = {"readout of": value, "measured": measured, "route": list(job.route)}
        jobs.append(replace(job, about=about, qasm=prepared(job, flipped), data={}, duration_ns=0.0))
    return jobs


def with_mitigation(jobs: Sequence[Job], mitigation: str, folded: Mapping[str, Sequence[Job]]) -> list[Job]:
    """The jobs and what a mitigation needs besides; folded: for each job's name its circuits with more CZ.

    Raises InputError where extrapolation is asked for and there are none.
    """
    choose(mitigation, MITIGATIONS, "mitigation")
    extra: dict[str, Job] = {}
    for job in jobs:
        if mitigation in ("readout", "both"):
            extra |= {more.name: more for more in readout_jobs(job)}
        if mitigation in ("extrapolation", "both"):
            if not folded.get(job.name):
                raise InputError(
                    "Extrapolation needs circuits that are compiled here, since a service would take the repeated CZ "
                    "out: give the chip's calibration table, or choose the mitigation readout."
                )
            extra |= {more.name: more for more in folded[job.name]}
    return [*extra.values(), *jobs]


def confusion_of(ledger: Ledger, name: str) -> list[np.ndarray] | None:
    """For each bit the matrix [read, true] of a job's reading, from the ledger's readout circuits; None without."""
    entry = ledger.entries[name]
    measured = [int(qubit) for qubit, _ in MEASURE.findall(entry.qasm)]
    found = {}
    for other in ledger.entries.values():
        same = other.about.get("measured") == measured and other.about.get("route") == entry.how.get("route")
        if "readout of" in other.about and same and other.counts:
            table = frequencies_of(other.counts, entry.n_bits, ledger.settings["bit_order"])
            ones = (1 - expectations(table, [(bit,) for bit in range(entry.n_bits)])) / 2
            found[other.about["readout of"]] = ones
    if set(found) != {0, 1}:
        return None
    return [np.array([[1 - a, 1 - b], [a, b]]) for a, b in zip(found[0], found[1], strict=True)]


def mitigated_z(ledger: Ledger, name: str, parities: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """<Z_j> (n,) of a finished job by each mitigation that the ledger has the circuits for."""
    confusion = confusion_of(ledger, name)
    values = {fold: folded_name(ledger, name, fold) for fold in FOLDS}
    tables = {fold: ledger.frequencies(other) for fold, other in values.items() if other}
    have = {fold: table for fold, table in tables.items() if table is not None}
    found = {}
    if confusion and 1 in have:
        found["readout"] = mitigated(have[1], confusion, parities)
    if set(have) == set(FOLDS):
        found["extrapolation"] = zero_noise(np.stack([expectations(have[fold], parities) for fold in FOLDS]))
        if confusion:
            corrected = np.stack([mitigated(have[fold], confusion, parities) for fold in FOLDS])
            found["both"] = zero_noise(corrected)
    return found


def folded_name(ledger: Ledger, name: str, fold: int) -> str | None:
    """The name of a job's circuit with each CZ done `fold` times."""
    if fold == 1:
        return name
    about = {**ledger.entries[name].about, "fold": fold}
    return next((other for other, entry in ledger.entries.items() if entry.about == about), None)
