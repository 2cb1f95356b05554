"""Quafu's newer interface, quafu.com.cn/api/v1: Bearer keys, jobs, and a client's reference for each task."""

from typing import Any, ClassVar

from qdcircuits.cloud.quafu_http import Answer, Http, NotTaken, refused_token
from qdcircuits.cloud.service import Order, Outcome, check_chip, is_queue, refused, says, unclear
from qdcircuits.errors import InputError

REFUSALS = (400, 401, 403, 404, 413, 422, 426)  # with a machine-readable `code`: documented as 'not accepted'
# 408, 409, 425 and 429 are not among them: they may come from a gateway that had already passed the task on


class QuafuTaskApi:
    """quafu.com.cn/api/v1: `Authorization: Bearer qf_...`, 1,024 to 8,192 shots in steps of 1,024, c[0] rightmost.

    Every task carries a client_ref, and the service answers a repeated one with the job that it has: so a task whose
    answer was lost is looked up by sending the same request with the same reference again.
    """

    name: ClassVar[str] = "quafu-v1"
    source: ClassVar[str] = "quafu-sdk 0.2.7 on PyPI (client.py, jobs.py, errors.py)"
    bit_order: ClassVar[str] = "right"
    shots: ClassVar[tuple[int, int, int]] = (1024, 8192, 1024)
    usual_shots: ClassVar[int] = 8192
    numbering: ClassVar[str] = "physical"
    limits: ClassVar[str] = "a daily quota of tasks, shown by the service, and no price named (quafu-sdk 0.2.7)"
    tokens: ClassVar[tuple[str, ...]] = ("QUAFU_API_KEY",)
    address = "https://quafu.com.cn/api/v1"

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """options: of Http."""
        self.http = Http(url or self.address, "Authorization", token, scheme="Bearer ", **options)
        self.found: dict[str, Any] = {}

    def check(self, chip: str) -> int | None:
        """The key by /auth/me, chips, queues and limits by /devices; quota by /stats/me."""
        self.http.read("get", "auth/me")
        answer = self.http.read("get", "devices")
        rows = answer.get("devices") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise InputError(
                f"{self.http.host} gave no list of chips but {self.http.clean(answer)!r}; try again later."
            )
        self.found = {str(row["name"]): row for row in rows if isinstance(row, dict) and row.get("name")}
        words = {name: row.get("status") for name, row in self.found.items()}
        check_chip(chip, {name: 0 if word == "online" else word for name, word in words.items()})
        queue = self.found[chip].get("queue")
        return int(queue) if is_queue(queue) else None

    def prepare(self, order: Order) -> None:
        """The limits that the service publishes for the chip."""
        limits = self.found.get(order.chip, {}).get("limits") or {}
        names = ("min_shots", "max_shots", "shots_step")
        least, most, step = (
            limits[k] if is_queue(limits.get(k)) else usual for k, usual in zip(names, self.shots, strict=True)
        )
        if not least <= order.shots <= most or (step and order.shots % step):
            raise InputError(
                f"shots is {order.shots}: {order.chip} takes {least:,} to {most:,} in steps of {step:,}, as "
                f"{self.http.host} says."
            )

    def body(self, order: Order) -> dict[str, Any]:
        """What a task's request says."""
        return {
            "mode": "single",
            "target": order.chip,
            "shots": order.shots,
            "circuit_level": "logical" if order.compiles else "physical",
            "circuits": [{"qasm": order.qasm}],
            "name": order.name,
            "client_ref": order.reference,
        }

    def submit(self, order: Order) -> str:
        """POST /jobs; the answer holds job_id."""
        answer = self.http.send("jobs", json=self.body(order))
        task = job_id(answer)
        if task:
            return task
        body = answer.body if isinstance(answer.body, dict) else {}
        if answer.status in REFUSALS and isinstance(body.get("code"), str) and isinstance(body.get("error"), str):
            raise NotTaken(f"The task was not accepted: {self.http.host} answered {self.http.clean(body)}.")
        raise refused(self.http, answer, self.token_refused) or unclear(self.http, answer)

    def token_refused(self) -> str:
        """Why the service refuses the key now, '' where it does not or cannot be asked."""
        try:
            answer = self.http.exchange("get", "auth/me")
        except Exception:
            return ""
        return refused_token(self.http, says(answer.body) or "401") if answer.status == 401 else ""

    def find(self, order: Order) -> list[str]:
        """The job of the same client_ref: the request is repeated, which the service documents as safe."""
        try:
            task = job_id(self.http.exchange("post", "jobs", json=self.body(order)))
        except Exception:
            return []
        return [task] if task else []

    def fetch(self, task: str) -> Any:
        """GET /jobs/{id}/tasks/0."""
        return self.http.read("get", f"jobs/{task}/tasks/0", params={"include": "counts"})

    def judge(self, answer: Any, task: str) -> Outcome:
        """`status`, and result.counts where it is Finished."""
        if not isinstance(answer, dict):
            return Outcome("malformed", message=f"the answer is no object: {self.http.clean(answer)}")
        if str(answer.get("task_id", task)).removesuffix("-0") != task:
            return Outcome("malformed", message=f"the answer is about task {self.http.clean(answer['task_id'])}")
        status = str(answer.get("status", "")).lower()
        if status in ("queued", "running"):
            return Outcome("waiting")
        if status in ("failed", "cancelled"):
            return Outcome("failed", message=f"{status} {self.http.clean(answer.get('error') or '')}".strip())
        result = answer.get("result")
        if status != "finished" or not isinstance(result, dict):
            return Outcome("malformed", message=f"the answer is {self.http.clean(answer)}")
        if result.get("bit_order", "c0_rightmost") != "c0_rightmost":
            return Outcome("malformed", message=f"its bit_order is {self.http.clean(result['bit_order'])}")
        return Outcome("done", result.get("counts"))


def job_id(answer: Answer) -> str:
    """The id of an accepted job, '' where the answer holds none."""
    found = answer.body.get("job_id") if 200 <= answer.status < 300 and isinstance(answer.body, dict) else None
    plain = isinstance(found, str) and found.isascii() and found.replace("-", "").replace("_", "").isalnum()
    return str(found) if plain and len(str(found)) <= 100 else ""
