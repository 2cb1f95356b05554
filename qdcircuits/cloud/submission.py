"""Sending the jobs of a ledger to a service, the bit order's check first, and waiting for their counts."""

import time
from collections.abc import Callable, Sequence

from qdcircuits.chip.counts import frequencies_of
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.quafu import Service
from qdcircuits.cloud.quafu_http import NotTaken, Unknown
from qdcircuits.errors import InputError

CLEAR = 0.3  # how much more often qubit 0 must be read as 1 at one end of the bits than at the other


def check_shots(shots: int, service: Service | type[Service]) -> None:
    """The service's multiples."""
    if shots < 1 or shots % service.shots_multiple:
        raise InputError(f"shots is {shots}: {service.name} takes a multiple of {service.shots_multiple:,}.")


def bit_order_job(n_qubits: int) -> Job:
    """X on qubit 0 and nothing else: its counts show at which end of the strings qubit 0 stands."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{n_qubits}];", f"creg c[{n_qubits}];", "x q[0];"]
    lines += [f"measure q[{k}] -> c[{k}];" for k in range(n_qubits)]
    return Job({"check": "X on qubit 0", "n_qubits": n_qubits}, "\n".join(lines) + "\n", n_qubits, n_qubits)


def check_bit_order(ledger: Ledger, job: Job) -> None:
    """Raise InputError unless qubit 0 stands where the ledger's bit order says."""
    counts = ledger.entries[job.name].counts or {}
    shots = sum(counts.values())
    ones = [sum(count for bits, count in counts.items() if bits[end] == "1") / shots for end in (0, -1)]
    order = ledger.settings["bit_order"]
    here, there = ones if order == "left" else ones[::-1]
    if there - here > CLEAR:
        other = "right" if order == "left" else "left"
        raise InputError(
            f"X on qubit 0 came back at the other end of the bits: set bit_order to {other!r} and use a new ledger; "
            "no other job was sent."
        )
    if here - there <= CLEAR:
        raise InputError(
            f"X on qubit 0 was read as 1 in {here:.0%} of the shots at one end of the bits and {there:.0%} at the "
            "other: the bit order is not clear; no other job was sent."
        )


def is_new(ledger: Ledger | None, job: Job, retry_failed: bool) -> bool:
    """Whether a job is to be sent: never one that was, or might have been, accepted and has not failed."""
    known = ledger.entries.get(job.name) if ledger else None
    return known is None or known.state == "notaken" or (retry_failed and known.state == "failed")


def cost(
    jobs: Sequence[Job],
    ledger: Ledger | None,
    service: type[Service],
    shots: int,
    chip: str,
    retry_failed: bool = False,
) -> str:
    """What a submission would take, in a sentence; the service's own tariff turns tasks and shots into money."""
    all_jobs = [bit_order_job(jobs[0].n_bits), *jobs]
    new = [job for job in all_jobs if is_new(ledger, job, retry_failed)]
    multiple = service.shots_multiple
    units = f" ({len(new) * shots // multiple:,} x {multiple:,})" if multiple > 1 else ""
    return (
        f"{len(all_jobs)} tasks for {chip} at {service.name}, {len(all_jobs) - len(new)} of them in the ledger; "
        f"to send: {len(new)} tasks, {len(new) * shots:,} shots{units}."
    )


def run(
    ledger: Ledger,
    service: Service,
    jobs: Sequence[Job],
    server_compiles: bool = True,
    retry_failed: bool = False,
    patience: float = 600,
    interval: float = 2,
    say: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send what was never sent, the bit order's check first, and wait for the counts.

    Everything known is in the ledger before the next request; what is interrupted goes on from there. patience: at
    most so many seconds of waiting, polling every `interval`. retry_failed: send again what the service gave up.
    Raises InputError with what to do next.
    """
    shots, chip = ledger.settings["shots"], ledger.settings["chip"]
    check_shots(shots, service)
    first = bit_order_job(jobs[0].n_bits)
    with ledger.locked():
        service.check(chip)
        for group in ([first], jobs):
            for job in group:
                if is_new(ledger, job, retry_failed):
                    send(ledger, service, job, server_compiles)
            wait(ledger, service, [job.name for job in group], patience, interval, sleep)
            if group[0] is first:
                require_done(ledger, [first.name])
                check_bit_order(ledger, first)
        done = sum(ledger.entries[job.name].state == "done" for job in jobs)
        say(f"{service.http.source}: {done} of {len(jobs)} tasks done.")
        require_done(ledger, [job.name for job in jobs])


def send(ledger: Ledger, service: Service, job: Job, server_compiles: bool) -> None:
    """Send one job; the ledger knows of it before the service does."""
    what = {"about": job.about, "data": job.data, "n_bits": job.n_bits, "qasm": job.qasm}
    ledger.write({"event": "sending", "name": job.name, **what})
    shots, chip = ledger.settings["shots"], ledger.settings["chip"]
    try:
        task = service.submit(job.name, job.qasm, job.n_qubits, shots, chip, server_compiles)
    except NotTaken as error:
        ledger.write({"event": "notaken", "name": job.name, "message": str(error)})
        raise
    except Unknown as error:
        raise InputError(
            f"It is not known whether task {job.name} was accepted ({error}): look for this name on the service's site "
            "and settle it in the ledger; nothing is sent twice."
        ) from None
    ledger.write({"event": "sent", "name": job.name, "task": task})


def wait(
    ledger: Ledger, service: Service, names: list[str], patience: float, interval: float, sleep: Callable[[float], None]
) -> None:
    """Ask for the counts of sent jobs until all have ended or patience has."""
    waited = 0.0
    while True:
        open_ = [name for name in names if ledger.entries[name].state == "sent"]
        for name in open_:
            entry = ledger.entries[name]
            outcome = service.outcome(str(entry.task))
            if outcome.state == "done":
                frequencies_of(outcome.counts or {}, entry.n_bits, ledger.settings["bit_order"])
                ledger.write({"event": "counts", "name": name, "counts": outcome.counts})
            elif outcome.state == "failed":
                ledger.write({"event": "failed", "name": name, "message": outcome.message})
        if waited >= patience or all(ledger.entries[name].state != "sent" for name in names):
            return
        sleep(interval)
        waited += interval


def require_done(ledger: Ledger, names: list[str]) -> None:
    """Raise InputError that says what is missing and what to do."""
    entries = [ledger.entries[name] for name in names]
    failed = [entry for entry in entries if entry.state == "failed"]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(names)} tasks ended without counts (task {failed[0].task}: {failed[0].message}): "
            "what is done is kept; with retry_failed these are sent again."
        )
    undecided = [name for name in names if ledger.entries[name].state == "unknown"]
    if undecided:
        raise InputError(
            f"It is not known whether task {undecided[0]} was accepted: look for this name on the service's site and "
            "settle it in the ledger; nothing is sent twice."
        )
    waiting = sum(entry.state == "sent" for entry in entries)
    if waiting:
        raise InputError(f"{waiting} of {len(names)} tasks are still waiting at the service: run again later to go on.")
