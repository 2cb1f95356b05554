"""The ledger of hardware jobs: what was sent, under which number, and the raw counts, on disk before anything else.

A ledger is a text file of one JSON event a line, only ever added to:

    ledger    the first line: service, who answers (a host, or 'stand-in'), chip, shots, bit order
    sending   a job is about to be sent: its name, what it is, its circuit
    sent      the service's number for it        notaken   it was certainly not accepted
    counts    the raw counts                     failed    the service gave it up

After `sending` without an answer a job is `unknown`: it may run or not. It is never sent again by itself; `settle`
takes the number that the service's site shows for its name, or the word that it is not there. A ledger is replayed
without a token. No token is ever written to it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.chip.counts import frequencies_of
from qdcircuits.errors import InputError, choose


@dataclass(frozen=True)
class Job:
    """One circuit to run.

    about: what it is for (JSON); it alone identifies the job within a ledger. data: what a replay needs besides the
    counts (JSON). n_qubits: of the register in `qasm`; n_bits: that are measured.
    """

    about: dict[str, Any]
    qasm: str
    n_qubits: int
    n_bits: int
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name under which the service and the ledger know it."""
        canonical = json.dumps(self.about, sort_keys=True)
        return f"qdllm-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


@dataclass
class Entry:
    """A job as the ledger knows it. state: notaken, unknown, sent, failed or done."""

    about: dict[str, Any]
    data: dict[str, Any]
    n_bits: int
    state: str = "unknown"
    task: str | None = None
    counts: dict[str, int] | None = None
    message: str = ""


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
        if settings is not None and not ledger.settings:
            ledger.write({"event": "ledger", **settings})
        differing = [k for k, value in (settings or {}).items() if ledger.settings.get(k) != value]
        if differing:
            kept = ", ".join(f"{k} {ledger.settings.get(k)!r}" for k in differing)
            raise InputError(f"The ledger {ledger.path.name} was begun with {kept}: use those, or another file.")
        return ledger

    def load(self) -> None:
        """Take in every whole line; a last line that a crash cut off counts as not written."""
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        self.entries = {}
        try:
            for line in whole.splitlines():
                self.take(json.loads(line))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{self.path.name} is not a ledger, or it is damaged: use another file.") from None

    def take(self, event: dict[str, Any]) -> None:
        """What an event says."""
        kind = event["event"]
        if kind == "ledger":
            self.settings = {name: value for name, value in event.items() if name != "event"}
        elif kind == "sending":
            self.entries[event["name"]] = Entry(event["about"], event["data"], event["n_bits"])
        else:
            entry = self.entries[event["name"]]
            entry.state = {"sent": "sent", "notaken": "notaken", "counts": "done", "failed": "failed"}[kind]
            entry.task = event.get("task", entry.task)
            entry.counts, entry.message = event.get("counts"), event.get("message", "")

    def write(self, event: dict[str, Any]) -> None:
        """Add an event, on the disk before this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
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

    def settle(self, name: str, task: str | None) -> None:
        """Decide about an unknown job: its number on the service's site, or None where the site does not have it."""
        unknown = [known for known, entry in self.entries.items() if entry.state == "unknown"]
        choose(name, unknown, "undecided job")
        if task:
            self.write({"event": "sent", "name": name, "task": task})
        else:
            self.write({"event": "notaken", "name": name, "message": "not on the site"})

    def frequencies(self, name: str) -> np.ndarray | None:
        """The relative frequencies (2^n,) of a finished job, bit 0 leftmost, else None."""
        entry = self.entries.get(name)
        if entry is None or entry.counts is None:
            return None
        return frequencies_of(entry.counts, entry.n_bits, self.settings["bit_order"])
