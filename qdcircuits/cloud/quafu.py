"""The two Quafu services: Quafu-SQC, which serves Baihua, and the clouds that pyquafu speaks to.

Their answers are read as JSON; pyquafu passes results through eval(). What was known of the interfaces when this was
written stands in the docstrings; nobody here could try them, so each answer that is not understood stops in a sentence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from qdcircuits.cloud.quafu_http import Http, NotTaken, Unknown
from qdcircuits.errors import InputError, choose


@dataclass(frozen=True)
class Outcome:
    """Where a task is. state: waiting, done or failed; counts as they came; message: why it failed."""

    state: str
    counts: dict[str, int] | None = None
    message: str = ""


class Service(Protocol):
    """What the ledger needs of a service."""

    name: str
    bit_order: str
    shots_multiple: int
    http: Http

    def check(self, chip: str) -> None:
        """The token is good and the chip is online, or an InputError."""

    def submit(self, name: str, qasm: str, n_qubits: int, shots: int, chip: str, server_compiles: bool) -> str:
        """Send a task; its id. Raises Unknown or NotTaken."""

    def outcome(self, task: str) -> Outcome:
        """Where a task is."""


def read_counts(value: Any) -> dict[str, int] | None:
    """Counts out of an answer: an object, or (pyquafu's clouds) its text with either kind of quote; None if neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value.replace("'", '"'))
        except ValueError:
            return None
    whole = isinstance(value, Mapping) and all(isinstance(v, int) and not isinstance(v, bool) for v in value.values())
    return {str(bits): count for bits, count in value.items()} if whole and value else None


class QuafuSQC:
    """Quafu-SQC, the site that the paper thanks: header `token`, shots in multiples of 1,024, qubit 0 rightmost."""

    name, bit_order, shots_multiple = "quafu-sqc", "right", 1024
    address = "https://quafu-sqc.baqis.ac.cn"

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """options: of Http."""
        self.http = Http(url or self.address, "token", token, **options)

    def check(self, chip: str) -> None:
        """Token by /task/verify, chips with their queues by /task/status/0."""
        self.http.read("get", "task/verify")
        chips = self.http.read("get", "task/status/0")
        if not isinstance(chips, dict):
            raise InputError(f"{self.http.host} gave no list of chips but {self.http.clean(chips)!r}; try again later.")
        check_chip(chip, {name: str(depth).lower() != "offline" for name, depth in chips.items()})

    def submit(self, name: str, qasm: str, n_qubits: int, shots: int, chip: str, server_compiles: bool) -> str:
        """POST /task/run/; the answer is the task's number."""
        query = {"name": name, "chip": chip, "shots": shots}
        body = {"circuit": qasm, "compile": server_compiles, "options": {}}
        answer = self.http.send("task/run/", params=query, json=body)
        if isinstance(answer, int) and not isinstance(answer, bool):
            return str(answer)
        raise unclear(self.http, answer)

    def outcome(self, task: str) -> Outcome:
        """GET /task/result/{tid}: empty until the task has ended."""
        answer = self.http.read("get", f"task/result/{task}")
        if not isinstance(answer, dict) or not answer:
            return Outcome("waiting")
        status, message = str(answer.get("status", "")).lower(), self.http.clean(answer.get("error") or "")
        if status in ("failed", "canceled", "cancelled"):
            return Outcome("failed", message=f"{status}{f': {message}' if message else ''}")
        counts = read_counts(answer.get("count"))
        if counts:
            return Outcome("done", counts)
        return Outcome("failed", message="finished without counts") if status == "finished" else Outcome("waiting")


class QuafuCloud:
    """The clouds of pyquafu 0.4.1: header `api_token`, forms, qubit 0 leftmost."""

    name, bit_order, shots_multiple = "quafu", "left", 1
    address = "https://quafu.baqis.ac.cn"
    states = {0: "waiting", 1: "waiting", 2: "done", 3: "canceled", 4: "failed"}  # noqa: RUF012

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """options: of Http."""
        self.http = Http(url or self.address, "api_token", token, **options)
        self.servers: dict[str, int] = {}

    def check(self, chip: str) -> None:
        """Chips, their numbers and status by qbackend/get_backends/; a refused token is status 201 or 205 there."""
        answer = self.http.read("post", "qbackend/get_backends/")
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise NotTaken(f"{self.http.host} gave no list of chips but {self.http.clean(answer)!r}; check the token.")
        chips = [row for row in answer["data"] if isinstance(row, dict) and "system_name" in row]
        self.servers = {row["system_name"]: row.get("system_id", 0) for row in chips}
        check_chip(chip, {row["system_name"]: str(row.get("status", "")).lower() == "online" for row in chips})

    def submit(self, name: str, qasm: str, n_qubits: int, shots: int, chip: str, server_compiles: bool) -> str:
        """POST scq_kit_asyc/; the answer holds task_id."""
        form = {
            "qtasm": qasm,
            "shots": shots,
            "qubits": n_qubits,
            "scan": 0,
            "tomo": 0,
            "selected_server": self.servers.get(chip, 0),
            "compile": int(server_compiles),
            "priority": 2,
            "task_name": name,
            "pyquafu_version": "0.4.1",
            "runtime_job_id": "",
        }
        answer = self.http.send("qbackend/scq_kit_asyc/", data=form)
        if isinstance(answer, dict) and answer.get("task_id"):
            return str(answer["task_id"])
        raise unclear(self.http, answer)

    def outcome(self, task: str) -> Outcome:
        """POST scq_task_recall/; `res` is the text of the counts."""
        answer = self.http.read("post", "qbackend/scq_task_recall/", data={"task_id": task})
        status = answer.get("status") if isinstance(answer, dict) else None
        state = self.states.get(status, "") if isinstance(status, int) else ""
        if state == "done":
            counts = read_counts(answer.get("res"))
            return Outcome("done", counts) if counts else Outcome("failed", message="finished without counts")
        if state in ("canceled", "failed"):
            return Outcome("failed", message=state)
        if state == "waiting":
            return Outcome("waiting")
        raise InputError(f"{self.http.host} says of task {task}: {self.http.clean(answer)}; look at it on the site.")


SERVICES = {service.name: service for service in (QuafuSQC, QuafuCloud)}


def check_chip(chip: str, online: dict[str, bool]) -> None:
    """The chip is known and online."""
    choose(chip, sorted(online), "chip")
    if not online[chip]:
        others = ", ".join(sorted(name for name, up in online.items() if up)) or "none"
        raise InputError(f"The chip {chip} is offline; online now: {others}.")


def unclear(http: Http, answer: Any) -> InputError:
    """An answer without a task id: a refusal where it says so, else unknown."""
    says = answer if isinstance(answer, str) else None
    if isinstance(answer, dict):
        says = next((str(answer[k]) for k in ("error", "detail", "message", "msg") if answer.get(k)), None)
    if says:
        return NotTaken(f"The task was not accepted: {http.host} answered {http.clean(says)}.")
    return Unknown(f"{http.host} answered the task with {http.clean(json.dumps(answer))} and no task id")
