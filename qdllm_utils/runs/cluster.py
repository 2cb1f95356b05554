"""Runs on a Dask cluster: its workers are checked first, the texts and embeddings are sent once, nothing hangs.

    dask scheduler
    dask worker tcp://host:8786 --nthreads 1        (on each machine, with this package at the same commit)
    QDLLM_DASK=tcp://host:8786 make report

QDLLM_DASK_WAIT: seconds to wait for the first worker (default 6), for a queue that starts workers later. A worker with
other code or other versions gives other numbers, which would be stored under our key: it is refused.
"""

import asyncio
import hashlib
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.runs import provenance
from qdllm_utils.runs.pool import Killed

ANSWER = 6.0  # seconds, at most, for a scheduler or a worker to answer
LOST = 12.0  # seconds without any worker, while its nanny may start one again, after which there is none
LOOK = 1.0  # seconds between two looks at the cluster
SHARED = ("labels", "split", "teacher_logits", "features", "texts", "adapter")  # of a job: large, and of many the same
PROBE = "__import__('qdllm_utils.runs.cluster', fromlist=['own_code']).own_code()"


@cache
def own_code() -> dict[str, str]:
    """What decides the numbers of this process: a digest of both packages' source, and the versions they use."""
    root = Path(__file__).parents[2]
    texts = hashlib.sha256()
    for path in sorted(path for package in ("qdcircuits", "qdllm_utils") for path in (root / package).rglob("*.py")):
        texts.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    # torch for a GPU calls itself 2.13.0+cu130
    versions = {name: number.split("+")[0] for name, number in provenance.versions().items()}
    return {"code": texts.hexdigest()[:16], **versions, "python": platform.python_version()}


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler, all of whose workers are fit; raises InputError, within 15 seconds, if not so."""
    from distributed import Client

    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook's own thread has a running event loop already
            kind = thread.submit(asyncio.run, who_answers(address)).result()
        if kind != "Scheduler":
            raise ValueError(f"a {kind} answers")
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except Exception as error:  # what a foreign server says can be anything
        secure = " with the certificates that dask's configuration names (distributed.comm.tls)"
        raise InputError(
            f"QDLLM_DASK is {address!r}, and no Dask scheduler answers there ({type(error).__name__}): give the "
            f"address of a running one (tcp://host:8786, not its dashboard's){secure if 'tls' in address else ''} or "
            "unset it."
        ) from error
    try:
        wait_for_a_worker(client, address)
        check_workers(client)
        with client.as_current():
            yield client
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.close(timeout=2)


async def who_answers(address: str) -> str:
    """The kind of Dask server at an address; raises anything where it is none. A Client would wait for ever there."""
    from distributed.core import rpc
    from distributed.security import Security

    server = rpc(address, timeout=ANSWER - 1, connection_args=Security().get_connection_args("client"))
    try:
        found = await asyncio.wait_for(server.identity(), ANSWER)
        return str(found["type"])
    finally:
        await server.close_rpc()


def wait_for_a_worker(client: Any, address: str) -> None:
    """Raise InputError where no worker comes within QDLLM_DASK_WAIT seconds."""
    text = os.environ.get("QDLLM_DASK_WAIT", str(ANSWER))
    try:
        seconds = float(text)
    except ValueError:
        raise InputError(f"QDLLM_DASK_WAIT is {text!r}: it must be a number of seconds.") from None
    ending = time.monotonic() + seconds
    while not workers_of(client):
        if time.monotonic() >= ending:
            raise InputError(
                f"The Dask scheduler at {address} has no worker after {seconds:.0f} seconds: start one (dask worker "
                f"{address} --nthreads 1), or set QDLLM_DASK_WAIT to the seconds that a queue may take."
            )
        time.sleep(0.2)


def workers_of(client: Any) -> list[str]:
    """The addresses of the workers now."""
    return list(client.sync(client.scheduler.ncores, callback_timeout=ANSWER))


def check_workers(client: Any) -> None:
    """Raise InputError, naming it, for a worker that does not answer, or has not this package in this version.

    They are asked beside their tasks: a worker that is busy with another notebook's job answers all the same.
    """
    workers = workers_of(client)

    async def asked(worker: str) -> Any:
        answers = client.run(eval, PROBE, workers=[worker], on_error="return")
        return (await asyncio.wait_for(answers, ANSWER))[worker]

    async def all_asked() -> list[Any]:
        return await asyncio.gather(*map(asked, workers), return_exceptions=True)

    for worker, theirs in zip(workers, client.sync(all_asked), strict=True):
        if isinstance(theirs, OSError):  # a time-out is one, and a lost connection
            if worker not in workers_of(client):
                continue  # it has just ended, and its nanny may start another, which is asked with its first job
            raise InputError(f"The Dask worker {worker} does not answer: stop it, and start it again.")
        if isinstance(theirs, Exception):
            raise InputError(
                f"The Dask worker {worker} cannot use this package ({type(theirs).__name__}: {theirs}): install it "
                "there, at the same commit, with the versions of requirements.lock."
            )
        refuse_other(theirs, own_code(), worker)


def refuse_other(theirs: dict[str, str], ours: dict[str, str], worker: str) -> None:
    """Raise InputError where a worker has other code or other versions than this process."""
    names = [name for name in ours if theirs.get(name) != ours[name]]
    differing = [f"{name} {theirs.get(name, 'absent')}, here {ours[name]}" for name in names]
    if differing:
        raise InputError(
            f"The Dask worker {worker} has another version of what decides the numbers ({'; '.join(differing)}): start "
            "it from the same commit, with the versions of requirements.lock."
        )


def spread(jobs: Iterable[Any], address: str, work: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """(job, its result, or Killed) of all jobs (`jobs.Job`), in the order in which they end."""
    with connected(address) as client:
        sent: dict[tuple[int, ...], tuple[Any, Any]] = {}

        def submitted(job: Any) -> Any:
            parts = {name: getattr(job, name) for name in SHARED}
            same = tuple(map(id, parts.values()))
            if same not in sent:  # a task, not scattered data: it comes again where its worker dies
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message=".*[Ll]arge graph.*")
                    sent[same] = client.submit(dict, parts, pure=False), parts
            small = replace(job, **dict.fromkeys(SHARED))
            return client.submit(on_worker, small, sent[same][0], own_code(), work, pure=False)

        again = []  # Dask gives up what waited on a worker that died together with what killed it
        for job, result in ended(client, address, {submitted(job): job for job in jobs}):
            if isinstance(result, Killed):
                again.append(job)
            else:
                yield job, result
        for job in again:
            sent.clear()  # what it reads may have been given up as well
            yield from ended(client, address, {submitted(job): job})


def ended(client: Any, address: str, running: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """(job, what it gave) of futures in the order in which they end; InputError where the cluster is gone."""
    from distributed import wait

    seen = time.monotonic()
    while running:
        with suppress(TimeoutError, CancelledError):
            wait(list(running), timeout=LOOK, return_when="FIRST_COMPLETED")
        done = [future for future in running if future.done()]
        if not done:
            seen = check_alive(client, address, seen)
        for future in done:
            if future.cancelled():
                raise gone(address)
            yield running.pop(future), outcome(future)


def on_worker(job: Any, parts: dict[str, Any], expected: dict[str, str], work: Callable[[Any], Any]) -> Any:
    """What a worker does with a job: refuse where its code is another (it may have come late), else the work."""
    from distributed import get_worker

    refuse_other(own_code(), expected, get_worker().address)
    return work(replace(job, **parts))


def outcome(future: Any) -> Any:
    """What a job gave: its result, or what went wrong with its worker."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return Killed("the workers that tried it died, most likely for want of memory: give them more, or fewer texts")
    except Exception as error:
        return error


def check_alive(client: Any, address: str, seen: float) -> float:
    """When a worker was last seen; InputError where the scheduler is gone, or has had no worker for LOST seconds."""
    if client.status != "running":
        raise gone(address)
    try:
        alive = bool(workers_of(client))
    except TimeoutError:  # a busy machine: once is not yet the end
        if time.monotonic() - seen > LOST:
            raise gone(address) from None
        return seen
    except Exception:
        raise gone(address) from None
    now = time.monotonic()
    if not alive and now - seen > LOST:
        raise InputError(
            f"The Dask scheduler at {address} has lost its last worker: start one and run this again; what ended is "
            "stored."
        )
    return now if alive else seen


def gone(address: str) -> InputError:
    """The sentence for a scheduler that was there."""
    return InputError(
        f"The Dask scheduler at {address} is gone: start it and run this again; what ended is stored and is not "
        "computed again."
    )
