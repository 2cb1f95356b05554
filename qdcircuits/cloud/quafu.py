"""The Quafu services: Quafu-SQC, which serves Baihua, in two dialects, and the clouds that pyquafu speaks to.

Where public sources disagree, each reading is a service of its own name, with its source, and the user chooses.
Nobody here could try them, so only what those sources document as a refusal counts as one: whatever else comes back
after a task was sent leaves it undecided. Answers are read as JSON; pyquafu passes results through eval().
The third interface, task_api.py, has Bearer keys and a client's reference for each task.
"""

import json
import time
from typing import Any, ClassVar

from qdcircuits.cloud.pyquafu import check_with_pyquafu, pyquafu_refusal, pyquafu_user, pyquafu_version
from qdcircuits.cloud.quafu_http import Answer, Http, NotTaken, Unknown, Unreadable, refused_token
from qdcircuits.cloud.service import Order, Outcome, Service, check_chip, named_tasks, refused, says, unclear
from qdcircuits.cloud.task_api import QuafuTaskApi
from qdcircuits.cloud.token import TOKENS
from qdcircuits.errors import InputError


class QuafuSQC:
    """Quafu-SQC, the site that the paper thanks: header `token`, qubit 0 rightmost; dialect of quafusqc's Task.run.

    The body has a top-level `compile`; a circuit that is not compiled there uses the chip's own numbers.
    """

    name: ClassVar[str] = "quafu-sqc"
    source: ClassVar[str] = "quafusqc 3.3.9 on PyPI (class Task)"
    bit_order: ClassVar[str] = "right"
    shots: ClassVar[tuple[int, int, int]] = (1024, 1024 * 1000, 1024)
    usual_shots: ClassVar[int] = 10_240
    numbering: ClassVar[str] = "physical"
    limits: ClassVar[str] = "up to 1,000 tasks a day, no price named (quafusqc 3.3.9)"
    tokens: ClassVar[tuple[str, ...]] = (*TOKENS, "QUAFU_API_TOKEN")
    address = "https://quafu-sqc.baqis.ac.cn"

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """options: of Http."""
        self.http = Http(url or self.address, "token", token, **options)

    def check(self, chip: str) -> int | None:
        """Token by /task/verify, where an object as the answer means refused; queues by /task/status/0."""
        answer = self.http.read("get", "task/verify")
        if not isinstance(answer, str):
            why = answer if isinstance(answer, dict) else f"an answer that is no text: {answer!r}"
            raise InputError(refused_token(self.http, says(why) or json.dumps(why)))
        chips = self.http.read("get", "task/status/0")
        if not isinstance(chips, dict) or (chip not in chips and says(chips)):
            raise InputError(f"{self.http.host} gave no list of chips but {self.http.clean(chips)!r}; try again later.")
        return check_chip(chip, chips)

    def token_refused(self) -> str:
        """Why the service refuses the token now, '' where it does not or cannot be asked."""
        try:
            answer = self.http.exchange("get", "task/verify")
        except Exception:
            return ""
        certain = answer.status in (401, 403) or (answer.status == 200 and isinstance(answer.body, dict))
        return refused_token(self.http, says(answer.body) or str(answer.status)) if certain else ""

    def body(self, order: Order) -> dict[str, Any]:
        """What a task's request says; the options are all said, so that no default of the service counts."""
        options = {"compiler": "quarkcircuit" if order.compiles else None, "correct": False, "open_dd": None}
        return {"circuit": order.qasm, "compile": order.compiles, "options": {**options, "target_qubits": []}}

    def prepare(self, order: Order) -> None:
        """Any circuit can be sent."""

    def submit(self, order: Order) -> str:
        """POST /task/run/; the answer is the task's number, a JSON number."""
        query = {"name": order.name, "chip": order.chip, "shots": order.shots}
        answer = self.http.send("task/run/", params=query, json=self.body(order))
        number = answer.body
        if 200 <= answer.status < 300 and isinstance(number, int) and not isinstance(number, bool) and number > 0:
            return str(number)
        raise refused(self.http, answer, self.token_refused) or unclear(self.http, answer)

    def find(self, order: Order) -> list[str]:
        """GET /task/query/, the last hundred finished or failed tasks; what its rows look like is not documented."""
        query = {
            "tid": 2,
            "chips": order.chip,
            "status": "Finished,Failed",
            "start": "2024-04-01-01-23-45",
            "end": time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(time.time() + 86400)),
            "offset": 0,
            "limit": 100,
            "sort": "submitTime",
            "order": "desc",
        }
        try:
            return named_tasks(self.http.read("get", "task/query/", retries=0, params=query), order.name)
        except InputError:
            return []

    def fetch(self, task: str) -> Any:
        """GET /task/result/{tid}."""
        return self.http.read("get", f"task/result/{task}")

    def judge(self, answer: Any, task: str) -> Outcome:
        """Empty until the task has ended; then its status, and `count` where it has finished."""
        if answer is None or answer in ({}, "", []):
            return Outcome("waiting")
        if not isinstance(answer, dict):
            return Outcome("malformed", message=f"the answer is no object: {self.http.clean(answer)}")
        if "tid" in answer and str(answer["tid"]) != task:
            return Outcome("malformed", message=f"the answer is about task {self.http.clean(answer['tid'])}")
        status, message = str(answer.get("status", "")).lower(), self.http.clean(answer.get("error") or "")
        if status in ("failed", "canceled", "cancelled"):
            return Outcome("failed", message=f"{status}{f': {message}' if message else ''}")
        if answer.get("count"):
            return Outcome("done", answer["count"])
        if status == "finished" or not status:
            return Outcome("malformed", message=f"the answer has no counts: {self.http.clean(answer)}")
        return Outcome("waiting")


class QuafuSQCOptions(QuafuSQC):
    """Quafu-SQC in the dialect without a top-level `compile`.

    `options.compiler` says who compiles; a circuit that is not compiled there counts its own qubits from 0, and
    `options.target_qubits` names the chip's number of each.
    """

    name: ClassVar[str] = "quafu-sqc-options"
    source: ClassVar[str] = "QUAFU_BACKEND.md of FlagQuantum, which calls the top-level flag obsolete"
    numbering: ClassVar[str] = "logical"

    def prepare(self, order: Order) -> None:
        """A circuit that is not compiled there needs the chip's number of each qubit."""
        if not order.compiles and len(order.target_qubits) != order.n_qubits:
            raise InputError(f"{self.name} needs the chip's number of each of the {order.n_qubits} qubits.")

    def body(self, order: Order) -> dict[str, Any]:
        """What a task's request says."""
        if order.compiles:
            return {"circuit": order.qasm, "options": {"compiler": "quarkcircuit", "target_qubits": []}}
        return {"circuit": order.qasm, "options": {"compiler": None, "target_qubits": list(order.target_qubits)}}


class QuafuCloud:
    """The clouds of pyquafu: header `api_token`, forms, qubit 0 leftmost; its paths and refusals are pyquafu's own."""

    name: ClassVar[str] = "quafu"
    source: ClassVar[str] = "pyquafu 0.4.1 on PyPI (tasks.py, users/userapi.py)"
    bit_order: ClassVar[str] = "left"
    shots: ClassVar[tuple[int, int, int]] = (1, 10**6, 1)
    usual_shots: ClassVar[int] = 10_240
    numbering: ClassVar[str] = "physical"
    limits: ClassVar[str] = "no limit and no price named (pyquafu 0.4.1)"
    tokens: ClassVar[tuple[str, ...]] = TOKENS
    address = "https://quafu.baqis.ac.cn"
    states: ClassVar[dict[int, str]] = {0: "waiting", 1: "waiting", 2: "done", 3: "canceled", 4: "failed"}

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """options: of Http."""
        self.http = Http(url or self.address, "api_token", token, **options)
        self.user = pyquafu_user()
        self.servers: dict[str, int] = {}

    def check(self, chip: str) -> int | None:
        """Chips, their numbers and status by get_backends; a refused token is status 201 or 205 there."""
        answer = self.http.read("post", self.user.backends_api)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            why = pyquafu_refusal(answer)
            if why:
                raise InputError(refused_token(self.http, why))
            raise InputError(
                f"{self.http.host} gave no list of chips but {self.http.clean(answer)!r}; try again later."
            )
        chips = [row for row in answer["data"] if isinstance(row, dict) and "system_name" in row]
        self.servers = {str(row["system_name"]): row.get("system_id", 0) for row in chips}
        words = {str(row["system_name"]): str(row.get("status", "")) for row in chips}
        check_chip(chip, {name: 0 if word.lower() == "online" else word for name, word in words.items()})
        return None

    def token_refused(self) -> str:
        """Why the service refuses the token now, '' where it does not or cannot be asked."""
        try:
            answer = self.http.exchange("post", self.user.backends_api)
        except Exception:
            return ""
        why = pyquafu_refusal(answer.body) if answer.status == 200 else ""
        return refused_token(self.http, why) if why or answer.status in (401, 403) else ""

    def prepare(self, order: Order) -> None:
        """pyquafu's own parser must be able to read the circuit."""
        check_with_pyquafu(order.qasm, order.n_qubits)

    def submit(self, order: Order) -> str:
        """POST scq_kit_asyc/ with the fields of pyquafu's Task.send; the answer holds task_id."""
        form = {
            "qtasm": order.qasm,
            "shots": order.shots,
            "qubits": order.n_qubits,
            "scan": 0,
            "tomo": 0,
            "selected_server": self.servers.get(order.chip, 0),
            "compile": int(order.compiles),
            "priority": 2,
            "task_name": order.name,
            "pyquafu_version": pyquafu_version(),
            "runtime_job_id": "",
        }
        answer = self.http.send(self.user.exec_async_api, data=form)
        body = answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}
        why = pyquafu_refusal(body) if body else ""
        task = body.get("task_id")
        if isinstance(task, str | int) and not isinstance(task, bool) and str(task).isalnum() and not why:
            return str(task)
        if why and not task:
            raise NotTaken(f"The task was not accepted: {self.http.host} answered {self.http.clean(why)}.")
        raise refused(self.http, answer, self.token_refused) or unclear(self.http, answer)

    def find(self, order: Order) -> list[str]:
        """Nothing: pyquafu knows no list of tasks at the service."""
        return []

    def fetch(self, task: str) -> Any:
        """POST scq_task_recall/."""
        return self.http.read("post", self.user.exec_recall_api, data={"task_id": task})

    def judge(self, answer: Any, task: str) -> Outcome:
        """`status` is a number; `res` is the text of the counts."""
        if not isinstance(answer, dict):
            return Outcome("malformed", message=f"the answer is no object: {self.http.clean(answer)}")
        if str(answer.get("task_id", task)) != task:
            return Outcome("malformed", message=f"the answer is about task {self.http.clean(answer['task_id'])}")
        status = answer.get("status")
        state = self.states.get(status, "") if isinstance(status, int) and not isinstance(status, bool) else ""
        if state in ("canceled", "failed"):
            return Outcome("failed", message=state)
        if state == "done":
            return Outcome("done", answer.get("res"))
        return Outcome(state) if state else Outcome("malformed", message=f"the answer is {self.http.clean(answer)}")


SERVICES: dict[str, type[Service]] = {
    service.name: service for service in (QuafuSQC, QuafuSQCOptions, QuafuTaskApi, QuafuCloud)
}

__all__ = [
    "SERVICES",
    "Answer",
    "Outcome",
    "QuafuCloud",
    "QuafuSQC",
    "QuafuTaskApi",
    "Service",
    "Unknown",
    "Unreadable",
]
