"""Sending the jobs of a ledger to a service, the bit order's check first, and waiting for their counts."""

import json
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.quafu_http import NotTaken, Unknown
from qdcircuits.cloud.service import Order, Service
from qdcircuits.cloud.waiting import Unfinished, require_done, summary, undecided, wait
from qdcircuits.errors import InputError

CLEAR = 0.3  # how much more often qubit 0 must be read as 1 at one end of the bits than at the other
NAMESPACE = uuid.UUID("6f0f4c1e-5c0b-5c62-9c5d-2f6f1a0e7a11")  # of the references; any fixed one does
MEASURE = re.compile(r"^measure q\[(\d+)\] -> c\[(\d+)\];$", re.MULTILINE)


def check_shots(shots: int, service: Service | type[Service]) -> None:
    """Within what the service takes."""
    least, most, step = service.shots
    if not least <= shots <= most or shots % step:
        kind = f"a multiple of {step:,}" if step > 1 else "a whole number"
        raise InputError(f"shots is {shots}: {service.name} takes {kind} from {least:,} to {most:,}.")


def bit_order_job(job: Job) -> Job:
    """X on the qubit that is read into bit 0 and nothing else, on the qubits, route and flags of `job`.

    Its counts show at which end of the strings bit 0 stands.
    """
    measures = {int(bit): int(qubit) for qubit, bit in MEASURE.findall(job.qasm)}
    about: dict[str, object] = {"check": "X on qubit 0", "n_qubits": job.n_bits}
    if [measures[bit] for bit in sorted(measures)] != list(range(job.n_bits)) or job.route:
        about["measured"] = [measures[bit] for bit in sorted(measures)]
        about["route"] = list(job.route)
    return replace(job, about=about, qasm=prepared(job, [measures[0]]), data={}, duration_ns=0.0)


def prepared(job: Job, flipped: Sequence[int]) -> str:
    """X on some qubits, measured as `job` measures; OpenQASM 2."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{job.n_qubits}];", f"creg c[{job.n_bits}];"]
    lines += [f"x q[{qubit}];" for qubit in flipped]
    lines += [f"measure q[{qubit}] -> c[{bit}];" for qubit, bit in MEASURE.findall(job.qasm)]
    return "\n".join(lines) + "\n"


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
    """What a submission would take, in a sentence: tasks, shots, the chip's time as a lower bound, limits and price."""
    all_jobs = [bit_order_job(jobs[0]), *jobs]
    new = [job for job in all_jobs if is_new(ledger, job, retry_failed)]
    again = sum(1 for job in new if ledger and job.name in ledger.entries)
    step = service.shots[2]
    units = f" ({len(new) * shots // step:,} x {step:,})" if step > 1 else ""
    retries = f", {again} of them once more" if again else ""
    known = [job.duration_ns for job in new if job.duration_ns is not None]
    seconds = f" At least {sum(known) * shots * 1e-9:,.2g} seconds of the chip in gates alone." if any(known) else ""
    return (
        f"{len(all_jobs)} tasks for {chip} at {service.name}, {len(all_jobs) - len(new)} of them in the ledger; "
        f"to send: {len(new)} tasks{retries}, {len(new) * shots:,} shots{units}.{seconds} Limits and price: "
        f"{service.limits}."
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
    Raises InputError with what to do next; Unfinished where something that was sent is not done.
    """
    shots, chip = ledger.settings["shots"], ledger.settings["chip"]
    check_shots(shots, service)
    first = bit_order_job(jobs[0])
    with ledger.locked():
        check_same(ledger, [first, *jobs], flags_of(service, server_compiles))
        queue = service.check(chip)
        say(f"{chip} at {service.http.source}: {'queue not known' if queue is None else f'{queue:,} tasks wait'}.")
        look_up(ledger, service, {job.name: job for job in (first, *jobs)}, server_compiles)
        for group in ([first], jobs):
            new = [job for job in group if is_new(ledger, job, retry_failed)]
            for job in new:
                service.prepare(order_of(ledger, job, server_compiles))
            if new:
                refuse_lost(ledger)
            for job in new:
                send(ledger, service, job, server_compiles)
            wait(ledger, service, group, patience, interval, sleep)
            if group[0] is first:
                require_done(ledger, [first.name])
                check_bit_order(ledger, first)
        say(f"{service.http.source}: {summary(ledger, [job.name for job in jobs])}.")
        require_done(ledger, [job.name for job in jobs])


def flags_of(service: Service, server_compiles: bool) -> dict[str, object]:
    """How a circuit is sent."""
    return {"compile": server_compiles, "numbering": service.numbering, "service": service.name}


def check_same(ledger: Ledger, jobs: Sequence[Job], flags: dict[str, object]) -> None:
    """Raise InputError where the ledger was begun with another table or flags, or has another circuit for a job."""
    for entry in ledger.entries.values():
        if entry.how and entry.how.get("flags") != flags:
            raise InputError(
                f"The ledger {ledger.path.name} was begun with the flags {json.dumps(entry.how.get('flags'))}: use "
                "those, or another ledger."
            )
    tables = {entry.how.get("calibration") for entry in ledger.entries.values() if entry.how}
    if any(job.calibration != table for table in tables for job in jobs):
        raise InputError(
            f"The ledger {ledger.path.name} was begun with another calibration table: use that one, or another ledger."
        )
    for job in jobs:
        known = ledger.entries.get(job.name)
        if known and known.state != "notaken" and known.qasm and known.qasm != job.qasm:
            raise InputError(
                f"The ledger {ledger.path.name} has another circuit for {job.name}: the student or its compilation has "
                "changed; use another ledger."
            )
        if known and known.state != "notaken" and not known.about:
            what = {"about": job.about, "data": job.data, "n_bits": job.n_bits}
            ledger.write({"event": "about", "name": job.name, **what})


def refuse_lost(ledger: Ledger) -> None:
    """Raise InputError while a line of the ledger that may have been any task is not settled."""
    lost = [name for name, entry in ledger.entries.items() if name.startswith("line-") and entry.state == "unknown"]
    if lost:
        raise InputError(
            f"{lost[0]} of the ledger {ledger.path.name} was damaged and may have been a task: look on the service's "
            f"site which task the ledger lacks, and settle it; settle({lost[0]!r}, None) says that there is none."
        )


def order_of(ledger: Ledger, job: Job, server_compiles: bool, tries: int = 0) -> Order:
    """A job as it is sent; its reference differs for each try that the user asked for."""
    known = ledger.entries.get(job.name)
    number = tries or (known.tries + 1 if known else 1)
    reference = uuid.uuid5(NAMESPACE, f"{ledger.settings.get('id', '')} {job.name} {job.qasm} {number}")
    shots, chip = ledger.settings["shots"], ledger.settings["chip"]
    return Order(job.name, job.qasm, job.n_qubits, shots, chip, server_compiles, job.route, str(reference))


def look_up(ledger: Ledger, service: Service, jobs: dict[str, Job], server_compiles: bool) -> None:
    """Ask the service for the numbers of undecided jobs, where it can list its tasks by name or reference."""
    for name, entry in ledger.entries.items():
        if entry.state == "unknown" and name in jobs:
            found = service.find(order_of(ledger, jobs[name], server_compiles, entry.tries))
            taken = {other.task for other in ledger.entries.values()}
            if len(found) == 1 and found[0] not in taken:
                ledger.write({"event": "sent", "name": name, "task": found[0]})


def send(ledger: Ledger, service: Service, job: Job, server_compiles: bool) -> None:
    """Send one job; the ledger knows of it before the service does."""
    order = order_of(ledger, job, server_compiles)
    flags = flags_of(service, server_compiles)
    how = {"calibration": job.calibration, "route": list(job.route), "flags": flags}
    what = {"about": job.about, "data": job.data, "n_bits": job.n_bits, "qasm": job.qasm, "how": how}
    ledger.write({"event": "sending", "name": job.name, **what})
    try:
        task = service.submit(order)
        if any(entry.task == task for entry in ledger.entries.values()):
            raise Unknown(f"{service.http.host} answered with number {task}, which another task of the ledger has")
    except NotTaken as error:
        ledger.write({"event": "notaken", "name": job.name, "message": str(error)})
        raise
    except Unknown as error:
        ledger.write({"event": "unknown", "name": job.name, "message": str(error)})
        look_up(ledger, service, {job.name: job}, server_compiles)
        if ledger.entries[job.name].state == "unknown":
            raise Unfinished(undecided(ledger, [job.name])) from None
        return
    ledger.write({"event": "sent", "name": job.name, "task": task})
