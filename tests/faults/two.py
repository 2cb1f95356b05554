"""A process that trains three runs into a store: the other half of a test of two processes on one table.

python -m tests.faults.two <log>: each run takes a second, and one line of the log says who made it.
"""

import os
import sys
import time
from pathlib import Path

from qdllm_utils.runs import missing
from qdllm_utils.runs.jobs import Job
from qdllm_utils.runs.store import Row, Store

SCORES = {"acc": 0.5, "p": 0.5, "r": 0.5, "f1": 0.5, "parameters": 9, "validation": 0.5, "size": "small"}


def job(seed: int) -> Job:
    """A run that nothing is needed for."""
    return Job("pkd", [{"kind": "student", "student": "pkd", "seed": seed}], [seed], *[None] * 10)  # type: ignore[arg-type]


def main(log: Path) -> None:
    """Train."""

    def run(listed, total):
        for one in listed:
            with log.open("a") as file:
                file.write(f"{one.seeds[0]} {os.getpid()}\n")
            time.sleep(1)
            yield Row(one.identities[0], SCORES, {"who": os.getpid()})

    import qdllm_utils.runs.jobs as jobs

    jobs.run_jobs = run
    found, failures = missing.train_missing(Store(say=lambda text: print(text, flush=True)), [job(n) for n in range(4)])
    print(sorted(row.identity["seed"] for row in found.values()), len(failures), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
