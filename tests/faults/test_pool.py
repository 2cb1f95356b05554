"""Work over processes, of which one is really killed; nothing heavy is imported, so that a process starts at once."""

import os
import signal
import time

import psutil
import pytest

from qdllm_utils.runs import pool


@pytest.fixture(autouse=True)
def no_worker_left():
    yield
    pool.POOL.close()


def square(number: int) -> int:
    """Of 13 the process is killed, as the system does where memory runs out."""
    time.sleep(0.2)
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


class Once:
    """Kills its process at the first try of 13."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, number):
        if number == 13 and not self.mark.exists():
            self.mark.write_text("tried")
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2


def test_a_process_that_is_killed_takes_no_other_work_with_it():
    found = dict(pool.spread([1, 13, 2, 3, 4], 2, square))
    assert {number: found[number] for number in (1, 2, 3, 4)} == {1: 1, 2: 4, 3: 9, 4: 16}
    assert isinstance(found[13], pool.Killed) and "SIGKILL" in str(found[13]) and "memory" in str(found[13])


def test_work_whose_process_was_killed_once_is_done_alone(tmp_path):
    found = dict(pool.spread([1, 13, 2], 2, Once(tmp_path / "mark")))
    assert found == {1: 1, 13: 169, 2: 4}


def test_work_is_drawn_only_when_a_process_is_free():
    drawn = []

    def numbers():
        for number in range(6):
            drawn.append(number)
            yield number

    results = pool.spread(numbers(), 2, square)
    next(results)
    assert len(drawn) <= 3
    results.close()


def test_interrupted_work_leaves_no_process():
    results = pool.spread(range(20), 2, square)
    next(results)
    workers = [child for child in psutil.Process().children() if "loky" in " ".join(child.cmdline())]
    results.close()
    ending = time.monotonic() + 60

    def at_work(worker: psutil.Process) -> bool:
        try:
            return worker.is_running() and "popen_loky" in " ".join(worker.cmdline())
        except psutil.Error:  # it ended between the two looks
            return False

    while any(map(at_work, workers)):
        assert time.monotonic() < ending
        time.sleep(0.1)
