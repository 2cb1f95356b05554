"""Runs that are not in the store yet: trained, each stored as it ends, and none by two processes at once.

Every process that trains into a store holds a lock of the system on each run that it has begun; the locks are gone
with the process, however it ended. A second process on the same table takes the runs that nobody holds and waits for
the rest.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.runs.files import LOOK, Claim
from qdllm_utils.runs.store import Row, Store, key_of


class FailedRuns(InputError):
    """Runs that made no row; all the others are in the store.

    failures: of `jobs.Failed`. whole: the rows of the students all of whose seeds are there.
    """

    def __init__(self, failures: list[Any], whole: dict[str, list[Row]] | None = None) -> None:
        """The failures, and what is whole."""
        self.failures, self.whole = failures, whole or {}
        named = "; ".join(dict.fromkeys(str(failure).removesuffix(".") for failure in failures))
        self.reasons: dict[str, str] = {}  # {student: what went wrong}
        for failure in failures:
            student = failure.identity["student"]
            before = f"{self.reasons[student]}; " if student in self.reasons else ""
            self.reasons[student] = f"{before}seed {failure.identity['seed']}: {failure.reason}"
        super().__init__(
            f"{len(failures)} of the runs failed, and the rest are stored: {named}. The next run tries only these."
        )


def train_missing(store: Store, jobs: list[Any]) -> tuple[dict[str, Row], list[Any]]:
    """The rows of all these jobs by key, each saved at once, and the runs that failed (`jobs.Failed`).

    What another process trains meanwhile is waited for and read from the store.
    """
    from qdllm_utils.runs.jobs import Failed, run_jobs

    store.check_writable()
    found: dict[str, Row] = {}
    failures: list[Failed] = []
    waiting, told = jobs, False
    while waiting:
        busy: list[Any] = []
        held: dict[str, Claim] = {}
        try:
            for row in run_jobs(begun(store, waiting, busy, held, found), len(waiting)):
                if isinstance(row, Failed):
                    failures.append(row)
                else:
                    store.save(row)
                    found[row.key] = row
                if claim := held.pop(key_of(row.identity), None):
                    claim.release()
        finally:
            for claim in held.values():
                claim.release()
        if len(busy) == len(waiting):
            if not told:
                store.say(f"{len(busy)} runs are being made by another process: waiting for their rows.")
            told = True
            time.sleep(LOOK)
        waiting = busy
    return found, failures


def begun(
    store: Store, waiting: list[Any], busy: list[Any], held: dict[str, Claim], found: dict[str, Row]
) -> Iterator[Any]:
    """The jobs of `waiting` that nobody else has begun, less what has come into the store by then.

    Fills `busy` with the others, `held` with the claims on what is yielded, `found` with the rows that came.
    """
    for job in waiting:
        mine = claimed(store, [key_of(identity) for identity in job.identities])
        if mine is None:
            busy.append(job)
            continue
        left = without_stored(store, job, found)
        keys = {key_of(identity) for identity in left.identities} if left else set()
        for key, claim in mine.items():
            if key in keys:
                held[key] = claim
            else:
                claim.release()
        if left:
            yield left


def claimed(store: Store, keys: list[str]) -> dict[str, Claim] | None:
    """The claims on all of these runs, or None where another process has one of them."""
    mine: dict[str, Claim] = {}
    for key in keys:
        claim = store.claim(key)
        if not claim.take():
            for other in mine.values():
                other.release()
            return None
        mine[key] = claim
    return mine


def without_stored(store: Store, job: Any, found: dict[str, Row]) -> Any | None:
    """The job less the runs that another process has stored since, whose rows go into `found`; None if none is left."""
    left = []
    for identity in job.identities:
        row = store.load(identity)
        if row is None:
            left.append(identity)
        else:
            found[row.key] = row
    if not left:
        return None
    if len(left) == len(job.identities):
        return job
    return replace(job, identities=left, seeds=[identity["seed"] for identity in left])
