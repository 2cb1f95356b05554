"""Our simulator beside its peers: `python benchmarks/simulator.py --json FILE`. See README.md here.

Each simulator lives in a process of its own, on one core and one thread; the processes take turns, so
that a busy machine disturbs all alike. Before anything is timed, <Z> and all gradients are compared
with our plain path in float64, which the tests hold to PennyLane.
"""

import argparse
import datetime
import json
import os
import select
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from contestants import CONTESTANTS  # noqa: E402
from shells import Case, numbers  # noqa: E402

from qdcircuits.ansatz import fused, qdllm_circuit  # noqa: E402
from qdcircuits.simulation import simulator  # noqa: E402

OURS = [name for name, contestant in CONTESTANTS.items() if contestant.environment is None]
FAST = OURS[0]
ENDED = "the process ended, out of memory perhaps"
TOLERANCE = 1e-3  # float32, gradients summed over a batch
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1") | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}


class Worker:
    """A contestant's process. ask() answers None after the time limit, and the process is then gone."""

    def __init__(self, name: str, python: str, limit: float) -> None:
        """Nothing starts before the first question."""
        self.name, self.python, self.limit = name, python, limit
        self.process: subprocess.Popen[str] | None = None

    def ask(self, **command: Any) -> dict[str, Any] | None:
        """Send a command and wait for its answer."""
        if self.process is None:
            environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(HERE.parent)}
            self.process = subprocess.Popen(
                [self.python, str(HERE / "worker.py"), self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
        assert self.process.stdin
        assert self.process.stdout
        try:
            print(json.dumps(command), file=self.process.stdin, flush=True)
        except BrokenPipeError:  # it ended after its last answer, killed for the memory of the others perhaps
            self.close()
            return {"failed": ENDED}
        ready, _, _ = select.select([self.process.stdout], [], [], self.limit)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        self.close()
        return None if not ready else {"failed": ENDED}

    def close(self) -> None:
        """End the process."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def make_case(n: int, layers: int, batch: int, students: int = 1) -> tuple[Case, int]:
    """The case, and how many weights its circuit has."""
    circuit = qdllm_circuit(n, layers)
    smaller, groups = fused(circuit)
    one_layer = fused(qdllm_circuit(n, 1))[0].gates[n:]
    sums = np.zeros((smaller.n_weights, circuit.n_weights))
    for row, group in enumerate(groups):
        sums[row, group] = 1
    gates = [(gate.name, list(gate.wires), gate.index) for gate in one_layer]
    return Case(n, layers, batch, students, gates, sums.astype(int).tolist()), circuit.n_weights


def reference(case: Case, n_weights: int) -> list[np.ndarray]:
    """<Z> and gradients in float64 by the plain path, itself held to PennyLane by the tests."""
    data = numbers(case, n_weights)
    angles = torch.from_numpy(data["angles"]).double().requires_grad_()
    weights = torch.from_numpy(data["weights"][0]).double().requires_grad_()
    z = simulator(qdllm_circuit(case.n, case.layers), "torch")(angles, weights)
    return [part.detach().numpy() for part in (z, *torch.autograd.grad(z.sum(), (angles, weights)))]


def run_case(workers: list[Worker], case: Case, n_weights: int, task: str, rounds: int) -> list[dict[str, Any]]:
    """Rows of one case: set up and compare all, then time them in turns."""
    rows, ready = [], []
    truth = reference(case, n_weights) if case.students == 1 else None
    for worker in workers:
        row: dict[str, Any] = {
            "simulator": worker.name,
            "version": None,
            "n": case.n,
            "layers": case.layers,
            "batch": case.batch,
            "students": case.students,
            "task": task,
            "cpu_ms": None,
            "wall_ms": None,
            "peak_mb": None,
            "first_s": None,
            "agrees": None,
            "date": datetime.date.today().isoformat(),
            "note": "",
        }
        rows.append(row)
        answer = worker.ask(setup=asdict(case), n_weights=n_weights, task=task)
        if answer and "check" in answer:
            row["version"] = answer["version"]
            if truth:
                pairs = list(zip(answer["check"], truth, strict=task != "infer"))
                row["agrees"] = max(float(np.abs(np.array(x) - y).max()) for x, y in pairs) < TOLERANCE
            row["first_s"] = answer["first_s"]
            if row["agrees"] is False:
                row["note"] = "does not agree: not timed"
                continue
            answer = worker.ask(time=task, **{"for": 0})  # the first call may compile
        if answer and "cpu_ms" in answer:
            row["first_s"] = round(row["first_s"] + answer["cpu_ms"][0] / 1e3, 2)
            ready.append((worker, row, {"cpu_ms": [], "wall_ms": []}, answer["wall_ms"][0] > 2e3))
        else:
            row["note"] = explain(answer, worker.limit)
    for turn in range(rounds):
        for worker, row, samples, slow in ready:
            answer = worker.ask(time=task, **{"for": 0.3}) if not (slow and turn) and not row["note"] else {}
            for key in samples:
                samples[key] += (answer or {}).get(key, [])
            if answer is None or "failed" in answer:
                row["note"] = explain(answer, worker.limit)
    for worker, row, samples, _ in ready:
        if samples["cpu_ms"]:
            row |= {key: round(median(values), 4) for key, values in samples.items()}
            row["peak_mb"] = round((worker.ask(peak=None) or {}).get("peak_mb", 0)) or None
    return rows


def explain(answer: dict[str, Any] | None, limit: float) -> str:
    """Why a row has no number."""
    if answer is None:
        return f"over {limit:.0f} s"
    return f"not installed ({answer['missing']})" if "missing" in answer else answer.get("failed", "")[:80]


def show(rows: list[dict[str, Any]]) -> None:
    """One case as a table, with each simulator's time over ours."""
    head = rows[0]
    print(f"\n{head['task']}: n = {head['n']}, L = {head['layers']}, B = {head['batch']}")
    ours = next(row["cpu_ms"] for row in rows if row["simulator"] == FAST)
    for row in rows:
        if row["cpu_ms"] is None:
            print(f"  {row['simulator']:<18} {row['note']}")
            continue
        ratio = f"{row['cpu_ms'] / ours:7.1f} x" if ours else ""
        agrees = {True: "agrees", False: "DOES NOT AGREE", None: ""}[row["agrees"]]
        print(
            f"  {row['simulator']:<18} cpu {row['cpu_ms']:10.3f} ms   wall {row['wall_ms']:10.3f} ms"
            f"   {row['peak_mb'] or 0:6.0f} MB {ratio}   {agrees} {row['note']}"
        )


def operations(n: int, layers: int, batch: int) -> float:
    """Floating-point operations of the kernel, forwards and backwards, at n - 1 rotated qubits a layer."""
    forward, backward = 6 * (n - 1) + 6, (6 + 4) * (n - 1) + 10
    return batch * 2**n * layers * (forward + backward)


def traffic(n: int, layers: int, batch: int) -> float:
    """Bytes, if every layer read and wrote its complex64 states in memory once forwards and twice backwards."""
    return batch * 2**n * 8 * 2 * 3 * layers


def python_of(name: str, folder: Path) -> str:
    """The Python of a contestant's environment; this one where it is ours or its environment is not made."""
    environment = CONTESTANTS[name].environment
    python = folder / str(environment) / "bin" / "python"
    return str(python) if environment and python.exists() else sys.executable


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--peers", type=Path, default=HERE.parent / "build", help="where the peers' environments are")
    parser.add_argument("--only", nargs="+", choices=list(CONTESTANTS), help="ours and these")
    parser.add_argument("--sizes", nargs="+", metavar="n,L,B,task", help="these cases only, such as 16,2,8,train")
    parser.add_argument("--limit", type=float, default=120, help="seconds a peer may take for one answer")
    parser.add_argument("--rounds", type=int, default=5, help="turns of about 0.3 s each")
    parser.add_argument("--quick", action="store_true", help="n = 11 only")
    parser.add_argument("--ours", action="store_true", help="without the peers")
    options = parser.parse_args()
    workers = [
        Worker(name, python_of(name, options.peers), options.limit)
        for name in CONTESTANTS
        if name in OURS or (not options.ours and (not options.only or name in options.only))
    ]
    machine = workers[0].ask(machine=None) or {}
    rate, stream = machine["gflops"], machine["gbytes"]
    print(f"One thread, float32. Measured here: {rate:.0f} GFLOP/s on matrix products, {stream:.1f} GB/s on a triad.")

    sizes = [(11, layers, batch, "train") for batch in (8, 64) for layers in (2, 11)]
    sizes += [(11, layers, 512, "infer") for layers in (2, 11)]
    sizes += [] if options.quick else [(n, layers, 8, "train") for n in (8, 14, 16) for layers in (2, 11)]
    if options.sizes:
        parts = [text.split(",") for text in options.sizes]
        sizes = [(int(n), int(layers), int(batch), task) for n, layers, batch, task in parts]
    rows: list[dict[str, Any]] = []
    for n, layers, batch, task in sizes:
        rows += run_case(workers, *make_case(n, layers, batch), task, options.rounds)
        show(rows[-len(workers) :])
        save(rows, options.json)
    for worker in workers[1:]:
        worker.close()

    if options.sizes:
        workers[0].close()
        return
    print("\nOur circuit alone, forwards and backwards, and what it makes of the machine:")
    for n, layers, batch in [(11, 2, 8), (11, 11, 8), (11, 2, 64), (11, 11, 64)] + [(16, 11, 8)] * (not options.quick):
        case, n_weights = make_case(n, layers, batch)
        row = run_case(workers[:1], case, n_weights, "check", options.rounds)[0]
        row["gemm_share"] = round(operations(n, layers, batch) / (row["cpu_ms"] * 1e6) / rate, 3)
        row["stream_share"] = round(traffic(n, layers, batch) / (row["cpu_ms"] * 1e6) / stream, 3)
        row |= {"gflops": round(rate), "gbytes": round(stream, 1)}
        rows.append(row)
        print(
            f"  n = {n}, L = {layers}, B = {batch}: {row['cpu_ms']:.3f} ms, {row['gemm_share']:.0%} of the GEMM rate, "
            f"{row['stream_share']:.0%} of the memory's"
        )

    print("\nStudents in one call, a step, against as many separate calls, B = 8:")
    for layers in (2, 11):
        alone = None
        for students in (1, 5, 10):
            found = run_case(workers[:1], *make_case(11, layers, 8, students), "train", options.rounds)
            rows += found
            alone = alone or found[0]["cpu_ms"]
            step = found[0]["cpu_ms"]
            ratio = students * alone / step
            print(f"  L = {layers}, S = {students:2}: {step:7.3f} ms, {ratio:.2f} times cheaper")
    workers[0].close()
    save(rows, options.json)


def save(rows: list[dict[str, Any]], path: Path | None) -> None:
    """Write the rows so far, where a file was asked for."""
    if path:
        path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
