"""The ledger of hardware jobs: what was sent, under which number, and the raw answers, on disk before anything else.

A ledger is a text file of one JSON event a line, only ever added to:

    ledger     the first line: service, who answers (a host, or 'stand-in'), chip, shots, bit order, calibration
    sending    a job is about to be sent: its name, what it is, its circuit, calibration, route and flags
    sent       the service's number for it      notaken    it was certainly not accepted
    unknown    what came instead of a number    answer     the service's last word about it, as it came
    counts     the counts, held to the order    malformed  what was wrong with an answer
    failed     the service gave it up           lost       a line that could not be read, after a repair
    about      what a job is, said again after its line was lost

After `sending` without a number a job is `unknown`: it may run or not. It is never sent again by itself; `settle`
takes the number that the service's site shows for its name, or None where it is not there. A ledger is replayed
without a token. No token is ever written to it.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.chip.counts import frequencies_of
from qdcircuits.errors import InputError, choose

STATES = {"sent": "sent", "notaken": "notaken", "unknown": "unknown", "counts": "done"}
STATES |= {"failed": "failed", "malformed": "malformed", "answer": ""}


@dataclass(frozen=True)
class Job:
    """One circuit to run.

    about: what it is for (JSON); it alone identifies the job within a ledger. data: what a replay needs besides the
    counts (JSON). n_qubits: of the register in `qasm`; n_bits: that are measured. calibration: the SHA-256 of the
    chip's table that it was compiled for, None where the service compiles. route: the chip's number of each qubit
    that is used, in the order of the register's first qubits. duration_ns: of one shot, without reset and reading.
    """

    about: dict[str, Any]
    qasm: str
    n_qubits: int
    n_bits: int
    data: dict[str, Any] = field(default_factory=dict)
    calibration: str | None = None
    route: tuple[int, ...] = ()
    duration_ns: float | None = None

    @property
    def name(self) -> str:
        """The name under which the service and the ledger know it."""
        canonical = json.dumps(self.about, sort_keys=True)
        return f"qdllm-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


@dataclass
class Entry:
    """A job as the ledger knows it. state: notaken, unknown, sent, failed, malformed or done; tries: times sent."""

    about: dict[str, Any]
    data: dict[str, Any]
    n_bits: int
    state: str = "unknown"
    task: str | None = None
    counts: dict[str, int] | None = None
    message: str = ""
    qasm: str = ""
    how: dict[str, Any] = field(default_factory=dict)
    answer: Any = None
    tries: int = 1


@dataclass
class Ledger:
    """A ledger's file, read; `settings` is its first line."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | str, settings: dict[str, Any] | None = None) -> "Ledger":
        """Read a ledger, or begin one with `settings`; raises InputError where it was begun with other settings."""
        ledger = cls(Path(path).expanduser())
        if ledger.path.is_file():
            ledger.load()
        elif settings is None:
            raise InputError(f"There is no ledger {str(path)!r}: give the file of an earlier run, or submit one.")
        else:
            check_place(ledger.path)
        if settings is not None and not ledger.settings:
            ledger.write({"event": "ledger", "id": uuid.uuid4().hex, **settings})
        differing = [k for k, value in (settings or {}).items() if ledger.settings.get(k) != value]
        if differing:
            kept = ", ".join(f"{k} {ledger.settings.get(k)!r}" for k in differing)
            raise InputError(f"The ledger {ledger.path.name} was begun with {kept}: use those, or another file.")
        return ledger

    def lines(self) -> list[bytes]:
        """Every whole line; a last line that a crash cut off counts as not written."""
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"The ledger {self.path.name} cannot be read ({error.strerror}).") from None
        return raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]

    def load(self) -> None:
        """Take in every whole line; raises InputError that names the first line that cannot be read."""
        self.entries = {}
        for number, line in enumerate(self.lines(), start=1):
            try:
                self.take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise InputError(
                    f"Line {number} of {self.path.name} cannot be read: it is not a ledger, or it is damaged. A new "
                    "file would pay twice for what was sent; Ledger.repair(path) keeps the lines that can be read."
                ) from None

    @classmethod
    def repair(cls, path: Path | str) -> "Ledger":
        """Keep the lines that can be read; the damaged file stays beside it, under its name and .damaged.

        A line that is lost may have been a task. Where its name can be read the job is unknown, to be settled; else
        the line is an entry of its own, `line-7`, and nothing new is sent until it is settled too.
        """
        ledger = cls(Path(path).expanduser())
        kept, names = [], re.compile(rb'"name": ?"(qdllm-[0-9a-f]{16})"')
        for number, line in enumerate(ledger.lines(), start=1):
            try:
                event = json.loads(line)
                ledger.take(event)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                found = names.search(line)
                name = found[1].decode() if found else f"line-{number}"
                event = {"event": "lost", "name": name, "line": number, "task": task_in(line)}
                ledger.take(event)
            kept.append(json.dumps(event))
        damaged = ledger.path.with_name(f"{ledger.path.name}.damaged-{uuid.uuid4().hex[:8]}")
        shutil.copy2(ledger.path, damaged)
        new = ledger.path.with_name(f"{ledger.path.name}.new")
        new.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        os.replace(new, ledger.path)
        return ledger

    def take(self, event: dict[str, Any]) -> None:
        """What an event says."""
        kind = event["event"]
        if kind == "ledger":
            self.settings = {name: value for name, value in event.items() if name != "event"}
        elif kind == "sending":
            known = self.entries.get(event["name"])
            entry = Entry(event["about"], event["data"], event["n_bits"], qasm=event.get("qasm", ""))
            entry.how, entry.tries = event.get("how", {}), known.tries + 1 if known else 1
            self.entries[event["name"]] = entry
        elif kind == "about":
            entry = self.entries[event["name"]]
            entry.about, entry.data, entry.n_bits = event["about"], event["data"], event["n_bits"]
        elif kind == "lost":
            lost = self.entries.setdefault(event["name"], Entry({}, {}, 0))
            if lost.state == "unknown" and event.get("task"):
                lost.state, lost.task = "sent", event["task"]
            elif lost.state in ("notaken", "failed"):
                lost.state = "unknown"
            lost.message = f"line {event['line']} of the ledger was damaged"
        else:
            entry = self.entries[event["name"]]
            entry.state = STATES[kind] or entry.state
            entry.task = event.get("task", entry.task)
            entry.counts, entry.message = event.get("counts"), event.get("message", "")
            entry.answer = event.get("answer", entry.answer)

    def write(self, event: dict[str, Any]) -> None:
        """Add an event, on the disk before this returns."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(f"The ledger {self.path.name} cannot be written ({error.strerror}).") from None
        self.take(event)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file, read again: two runs at once would send everything twice."""
        with self.path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"Another run is using the ledger {self.path.name}: wait for it to end.") from None
            raw = self.path.read_bytes()
            os.truncate(self.path, raw.rfind(b"\n") + 1)
            self.load()
            yield

    def settle(self, name: str, task: str | int | None) -> None:
        """Decide about an unknown job: its number on the service's site, or None where the site does not have it.

        A job that failed or whose answers are malformed may be settled with None as well: it is then sent again, and
        paid again. Raises InputError for anything else, and for an empty number, which decides nothing.
        """
        open_ = ("unknown", "malformed", "failed") if task is None else ("unknown",)
        choose(name, [known for known, entry in self.entries.items() if entry.state in open_], "undecided job")
        if task is None:
            self.write({"event": "notaken", "name": name, "message": "not on the site"})
            return
        number = str(task).strip()
        if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,99}", number, re.ASCII) or isinstance(task, bool):
            raise InputError(
                f"{str(task)[:40]!r} is no task's number, so nothing is settled: give the number that the site shows "
                "for this name, or None if the site does not have it, and it is sent again."
            )
        self.refuse_shared(number)
        self.write({"event": "sent", "name": name, "task": number})

    def refuse_shared(self, number: str) -> None:
        """Raise InputError where another job has this number."""
        owner = next((name for name, entry in self.entries.items() if entry.task == number), None)
        if owner:
            raise InputError(f"Task {number} is the number of {owner} in this ledger: two jobs cannot share it.")

    def frequencies(self, name: str) -> np.ndarray | None:
        """The relative frequencies (2^n,) of a finished job, bit 0 leftmost, else None."""
        entry = self.entries.get(name)
        if entry is None or entry.counts is None:
            return None
        if "bit_order" not in self.settings:
            raise InputError(f"The first line of {self.path.name} is lost: open it with its settings once again.")
        return frequencies_of(entry.counts, entry.n_bits, self.settings["bit_order"])


def task_in(line: bytes) -> str | None:
    """The task's number in a damaged line, if it can be read."""
    found = re.search(rb'"task": ?"([\w-]{1,100})"', line)
    return found[1].decode() if found else None


def check_place(path: Path) -> None:
    """Raise InputError where a ledger cannot be begun at this place; nothing is written."""
    if path.is_dir():
        raise InputError(f"The ledger {str(path)!r} is a folder: give a file in it, for example ledger.jsonl.")
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(f"The ledger {str(path)!r} cannot be written: choose a file in a folder of your own.")
