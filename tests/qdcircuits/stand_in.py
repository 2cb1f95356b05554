"""A stand-in for the Quafu services on this machine: real HTTP, counts of the circuit it is sent, faults on demand.

What is known of the interfaces is said in qdcircuits/cloud/quafu.py and task_api.py.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

TOKEN = "secret-token-of-the-tests-4711"


def probabilities(qasm: str, flip: float = 0.0) -> np.ndarray:
    """The exact distribution (2^bits,) of the measured bits, bit 0 leftmost; flip: readout error of each bit.

    Reads the statements `gate(angle) q[i],q[j];` of OpenQASM 2 with numpy alone: Qiskit's parser cannot be used on a
    server's thread (it crashes there).
    """
    pauli = {"rx": [[0, 1], [1, 0]], "ry": [[0, -1j], [1j, 0]], "rz": [[1, 0], [0, -1]], "rzz": np.diag([1, -1, -1, 1])}
    fixed = {"x": [[0, 1], [1, 0]], "cx": np.eye(4)[[0, 1, 3, 2]], "cz": np.diag([1, 1, 1, -1])}
    gates = re.findall(r"^(?!qreg)(\w+)(?:\(([-\d.]+)\))? (q\[\d+\](?:,q\[\d+\])?);$", qasm, re.MULTILINE)
    gates = [(name, float(angle or 0), [int(k) for k in re.findall(r"\d+", wires)]) for name, angle, wires in gates]
    measured = {int(bit): int(qubit) for qubit, bit in re.findall(r"measure q\[(\d+)\] -> c\[(\d+)\];", qasm)}
    assert len(gates) + len(measured) + 4 == len(qasm.splitlines())
    used = sorted({wire for *_, wires in gates for wire in wires} | set(measured.values()))
    state = np.zeros((2,) * len(used), complex)
    state.flat[0] = 1
    for name, angle, wires in gates:
        matrix = np.array(fixed.get(name, pauli.get(name)), complex)
        if name in pauli:
            matrix = np.cos(angle / 2) * np.eye(len(matrix)) - 1j * np.sin(angle / 2) * matrix
        axes = [used.index(wire) for wire in wires]
        k = len(axes)
        state = np.tensordot(matrix.reshape((2,) * (2 * k)), state, axes=(range(k, 2 * k), axes))
        state = np.moveaxis(state, range(k), axes)
    order = [used.index(measured[bit]) for bit in sorted(measured)]
    rest = tuple(axis for axis in range(len(used)) if axis not in order)
    table = (np.abs(state) ** 2).transpose([*order, *rest]).reshape((2,) * len(order) + (-1,)).sum(axis=-1)
    for axis in range(table.ndim):
        table = np.moveaxis(np.tensordot([[1 - flip, flip], [flip, 1 - flip]], table, axes=(1, axis)), 0, axis)
    return table.ravel() / table.sum()


@dataclass(frozen=True)
class Fault:
    """Any answer to a request. takes: the service acts on the request first; body: None for what it would answer.

    cut: so many bytes of the whole answer are sent, then the connection is closed; drip: seconds between two bytes;
    sized: with a Content-Length.
    """

    takes: bool
    status: int = 200
    body: bytes | None = None
    cut: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    sized: bool = True


class StandIn:
    """The service's side. accepted: every task that was taken, with its name; requests: (method, path) in order.

    faults: {'submit' or 'result': [fault of the first such request, of the second ...]}, each None or a status number,
    'drop' (close the connection after acting), 'refuse' (before acting), 'half' (half of the JSON), or a Fault.
    bits_at: 'left' or 'right' end for qubit 0, by default as the real services do. ends: how a task ends: done, failed
    or canceled.
    """

    def __init__(self, ends: str = "done", bits_at: str | None = None, waiting: int = 1, flip: float = 0.0) -> None:
        self.faults: dict[str, list[Any]] = {}
        self.accepted: dict[int, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.token, self.online, self.ends = TOKEN, True, ends
        self.lists = False  # whether /task/query/ finds tasks by name
        self.references: dict[str, str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.bits_at, self.waiting, self.flip = bits_at, waiting, flip
        self.asked: Counter[int] = Counter()
        self.lock = threading.Lock()

    def accept(self, name: str, qasm: str, shots: int) -> int:
        with self.lock:
            number = 2511220000000 + len(self.accepted)
            self.accepted[number] = {"name": name, "qasm": qasm, "shots": shots}
        return number

    def counts(self, number: int, usual_end: str) -> dict[str, int]:
        task = self.accepted[number]
        found = probabilities(task["qasm"], self.flip)
        drawn = np.random.default_rng(number).multinomial(task["shots"], found)
        width = len(found).bit_length() - 1
        order = 1 if (self.bits_at or usual_end) == "left" else -1
        return {f"{x:0{width}b}"[::order]: int(count) for x, count in enumerate(drawn) if count}

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """What the two services answer: status and JSON."""
        path, query = urlsplit(url).path.strip("/"), parse_qs(urlsplit(url).query)
        if path.startswith("task/"):
            if headers.get("token") != self.token:
                return 200, {"error": f"token {headers.get('token')} expired"}
            return 200, self.sqc(path, query, body)
        if path.split("/")[0] in ("auth", "devices", "jobs"):
            if headers.get("Authorization") != f"Bearer {self.token}":
                return 401, {"error": "this key is not valid", "code": "invalid_key"}
            return self.v1(path, body)
        if headers.get("api_token") != self.token:
            return 200, {"status": 201, "message": f"the token {headers.get('api_token')} has expired"}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if path.endswith("get_backends"):
            status = "Online" if self.online else "Offline"
            row = {"system_name": "ScQ-P136", "system_id": 7, "status": status, "qubits": 136}
            return 200, {"status": 200, "data": [row]}
        if path.endswith("scq_kit_asyc"):
            number = self.accept(form["task_name"], form["qtasm"], int(form["shots"]))
            return 200, {"status": 0, "task_id": str(number), "task_name": form["task_name"], "res": "{}"}
        return 200, self.cloud_result(int(form["task_id"]))

    def sqc(self, path: str, query: dict[str, list[str]], body: bytes) -> Any:
        if path == "task/verify":
            return "token is valid"
        if path == "task/status/0":
            return {"Baihua": 3 if self.online else "Offline", "Dongling": 0, "Miaofeng": "Maintenance"}
        if path == "task/query":
            rows = [{"taskId": number, "taskName": task["name"]} for number, task in self.accepted.items()]
            return {"items": rows if self.lists else []}
        if path == "task/run":
            task = json.loads(body)
            self.bodies.append(task)
            return self.accept(query["name"][0], task["circuit"], int(query["shots"][0]))
        return self.sqc_result(int(path.split("/")[-1]))

    def v1(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "auth/me":
            return 200, {"user": {"name": "tester"}}
        if path == "devices":
            limits = {"min_shots": 1024, "max_shots": 8192, "shots_step": 1024}
            row = {"name": "Baihua", "status": "online" if self.online else "calibrating", "queue": 3}
            return 200, {"devices": [row | {"limits": limits}]}
        if path == "jobs":
            task = json.loads(body)
            self.bodies.append(task)
            if task["client_ref"] not in self.references:
                number = self.accept(task["name"], task["circuits"][0]["qasm"], task["shots"])
                self.references[task["client_ref"]] = f"u7f3a9c2b-{number}"
            return 201, {"job_id": self.references[task["client_ref"]], "status": "Queued"}
        number = int(path.split("/")[1].split("-")[1])
        state = self.state(number)
        answer = {"task_id": f"u7f3a9c2b-{number}-0", "status": {"done": "Finished"}.get(state, state.capitalize())}
        if state == "waiting":
            return 200, answer | {"status": "Queued"}
        if state == "done":
            answer["result"] = {"counts": self.counts(number, "right"), "bit_order": "c0_rightmost"}
        return 200, answer | ({"status": "Cancelled"} if state == "canceled" else {})

    def state(self, number: int) -> str:
        self.asked[number] += 1
        check = "\nx q[" in self.accepted[number]["qasm"]
        return "waiting" if self.asked[number] <= self.waiting else "done" if check else self.ends

    def sqc_result(self, number: int) -> dict[str, Any]:
        state = self.state(number)
        if state == "waiting":
            return {}
        base = {"tid": number, "transpiled": "", "corrected": {}, "finished": "now", "error": ""}
        if state == "done":
            return base | {"status": "Finished", "count": self.counts(number, "right")}
        return base | {"status": state.capitalize(), "count": {}, "error": "calibration lost"}

    def cloud_result(self, number: int) -> dict[str, Any]:
        state = self.state(number)
        res = str(self.counts(number, "left")) if state == "done" else "{}"
        return {
            "status": {"waiting": 0, "done": 2, "canceled": 3, "failed": 4}[state],
            "task_id": str(number),
            "res": res,
        }


@contextmanager
def serving(service: StandIn) -> Iterator[str]:
    """The stand-in on a free port of this machine; its address."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.requests.append((self.command, self.path))
            submits = "/run" in self.path or "asyc" in self.path or self.path == "/jobs"
            reads = any(word in self.path for word in ("result", "recall", "/tasks/0"))
            kind = "submit" if submits else "result" if reads else "other"
            faults = service.faults.get(kind, [])
            fault = faults.pop(0) if faults else None
            if isinstance(fault, int):
                self.reply(fault, b'{"detail": "not now"}')
                return
            if fault == "refuse":
                self.connection.close()
                return
            if isinstance(fault, Fault):
                self.faulty(fault, body)
                return
            status, answer = service.answer(self.command, self.path, self.headers, body)
            if fault == "drop":
                self.connection.close()
                return
            content = json.dumps(answer).encode()
            self.reply(status, content[: len(content) // 2] + b"{" if fault == "half" else content)

        do_GET = do_POST = respond

        def faulty(self, fault: Fault, body: bytes) -> None:
            status, content = fault.status, fault.body
            if fault.takes:
                _, answer = service.answer(self.command, self.path, self.headers, body)
                content = json.dumps(answer).encode() if content is None else content
            content = content or b""
            lines = [f"HTTP/1.1 {status} Fault"] + [f"Content-Length: {len(content)}"] * fault.sized
            lines += [f"{name}: {value}" for name, value in fault.headers.items()]
            raw = ("\r\n".join(lines) + "\r\n\r\n").encode() + content
            self.close_connection = True
            try:
                for piece in [raw[k : k + 1] for k in range(len(raw))] if fault.drip else [raw[: fault.cut]]:
                    self.wfile.write(piece)
                    time.sleep(fault.drip)
            except OSError:  # the client has given up
                return

        def reply(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
