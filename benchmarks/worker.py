"""One contestant in its own process: reads JSON commands line by line, answers each with a line of JSON.

python worker.py NAME      NAME is a key of contestants.CONTESTANTS

{"setup": case, "n_weights": k}          build; {"check": [z, d angles, d weights], "first_s": CPU seconds of those}
{"time": "train" or "infer", "for": s}   run it for about s seconds; {"cpu_ms": [...], "wall_ms": [...]}
{"peak": null}                           {"peak_mb": m}: most resident memory since setup
{"machine": null}                        {"gflops": g, "gbytes": b}: this core on 1024 x 1024 float32, and on a triad
"""

import contextlib
import importlib.metadata
import json
import os
import sys
import time
from typing import Any

import numpy as np
from contestants import CONTESTANTS
from shells import Case, numbers


def main(name: str) -> None:
    """Answer until the input ends. Anything the libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    contestant: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "setup" in command:
                contestant = None
                reset_peak()
                case = Case(**command["setup"])
                contestant = CONTESTANTS[name].kind()(case, numbers(case, command["n_weights"]))
                version = importlib.metadata.version(CONTESTANTS[name].package)
                start = cpu_seconds()
                found = [contestant.infer()] if command["task"] == "infer" else contestant.check()
                first = round(cpu_seconds() - start, 3)
                answer = {"check": [np.asarray(part).tolist() for part in found], "version": version, "first_s": first}
            elif "time" in command:
                answer = timed(getattr(contestant, command["time"]), command["for"])
            elif "peak" in command:
                answer = {"peak_mb": peak()}
            else:
                answer = {"gflops": gemm_rate(), "gbytes": stream_rate()}
        except (ImportError, importlib.metadata.PackageNotFoundError) as error:
            answer = {"missing": str(error)}
        except Exception as error:  # a peer's failure is a row of the table, not the end of the run
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has started and that have ended: a compiler may be one."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(function: Any, seconds: float) -> dict[str, list[float]]:
    """Call until the time is over, at least once; CPU time of all threads and wall time, each call."""
    cpu_ms, wall_ms = [], []
    end = time.perf_counter() + seconds
    while not cpu_ms or time.perf_counter() < end:
        cpu, wall = time.process_time(), time.perf_counter()
        function()
        cpu_ms.append(1e3 * (time.process_time() - cpu))
        wall_ms.append(1e3 * (time.perf_counter() - wall))
    return {"cpu_ms": cpu_ms, "wall_ms": wall_ms}


def reset_peak() -> None:
    """Let the kernel forget the most memory so far (Linux; elsewhere the peak is the process's)."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak() -> float:
    """Most resident memory in MB, libraries included."""
    import resource

    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def gemm_rate() -> float:
    """GFLOP/s of a matrix product, the best of ten."""
    import torch

    torch.set_num_threads(1)
    left, right = torch.rand(2, 1024, 1024)
    best = min(timed(lambda: left @ right, 0)["cpu_ms"][0] for _ in range(10))
    return 2 * 1024**3 / best / 1e6


def stream_rate() -> float:
    """GB/s of a = b + 3 c on 64 MB each, the best of ten; three arrays are counted, as STREAM counts them."""
    import torch

    torch.set_num_threads(1)
    left, right, into = torch.rand(3, 1 << 24)
    best = min(timed(lambda: torch.add(left, right, alpha=3, out=into), 0)["cpu_ms"][0] for _ in range(10))
    return 3 * left.nbytes / best / 1e6


if __name__ == "__main__":
    main(sys.argv[1])
