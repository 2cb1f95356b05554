"""Work spread over processes of this machine, one of which may be killed without the others' work being lost.

A worker that the system kills takes loky's whole pool down: what was running then is tried again, one piece at a
time and alone, and the rest goes on with half as many processes. Workers end themselves when the process that started
them is gone, so that a killed kernel leaves none behind.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from qdcircuits.errors import InputError
from qdllm_utils import machine

Work = TypeVar("Work")
Result = TypeVar("Result")

IDLE = 300  # seconds after which an idle worker ends
LOOK = 1.0  # seconds between two looks at the parent
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Killed(Exception):
    """A process ended before its work did; the message says how and what can be done."""


def end_with_the_parent(parent: int) -> None:
    """Run once in each worker: end it within seconds after the process that started it (or at once, if that is over).

    parent: the number of that process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Pool:
    """The worker processes of this process, kept from one call to the next: starting one takes seconds."""

    def __init__(self) -> None:
        """No worker yet."""
        self.executor: Any = None
        self.shape = (0, 0)

    def submit(self, workers: int, share: int, work: Callable[..., Any], piece: Any) -> Future[Any]:
        """Hand a piece of work to one of `workers` processes with `share` threads each; InputError if none starts."""
        if self.executor is None or self.shape != (workers, share):
            self.close()
            environment = dict.fromkeys(THREADS, str(share))
            try:
                self.executor = ProcessPoolExecutor(
                    workers, timeout=IDLE, initializer=end_with_the_parent, initargs=(os.getpid(),), env=environment
                )
            except OSError as error:
                raise InputError(
                    f"No worker process could be started ({error.strerror}): make room in the temporary folder and in "
                    "/dev/shm, or set QDLLM_WORKERS to 1."
                ) from error
            self.shape = workers, share
        return self.executor.submit(work, piece)

    def close(self) -> None:
        """End the workers, whatever they do."""
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=True)
        self.executor = None


POOL = Pool()


def spread(
    pieces: Iterable[Work], workers: int, work: Callable[[Work], Result]
) -> Iterator[tuple[Work, Result | Killed]]:
    """(piece, its result) in the order in which they end; `pieces` are drawn only when a worker is free.

    A piece whose process is killed twice, the second time alone, comes with Killed in place of a result.
    """
    left, share = iter(pieces), machine.threads(workers)
    running: dict[Future[Result], Work] = {}
    again: list[Work] = []
    try:
        while True:
            if again and not running:
                piece = again.pop(0)
                yield piece, alone(piece, work, share)
                continue
            while not again and len(running) < workers:
                try:
                    piece = next(left)
                except StopIteration:
                    break
                running[POOL.submit(workers, share, work, piece)] = piece
            if not running and not again:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                piece = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    workers = workers if again else max(1, workers // 2)
                    again.append(piece)
                    POOL.close()
                    continue
                yield piece, result
    finally:
        if running:  # interrupted
            POOL.close()


def alone(piece: Work, work: Callable[[Work], Result], share: int) -> Result | Killed:
    """A piece whose process was killed, tried once more with nothing beside it."""
    try:
        return POOL.submit(1, share, work, piece).result()
    except BrokenProcessPool as error:
        POOL.close()
        if "SIGKILL" in str(error):
            how = "was killed by the system, which most likely had no memory left (SIGKILL), and once more when alone"
        else:
            how = "ended by itself, and once more when alone"
        return Killed(f"its process {how}: take a machine with more memory, or fewer texts")
