"""Two processes on one table: nothing is computed twice, and one that is killed leaves no lock behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

from qdllm_utils.runs import store as module
from qdllm_utils.runs.files import Claim
from qdllm_utils.runs.store import Row, Store

ROOT = Path(module.__file__).parents[2]
COMPUTING = (
    "import sys, time, pathlib; from qdllm_utils.runs.store import Store\n"
    "def compute():\n"
    "    pathlib.Path(sys.argv[1]).write_text('at work'); time.sleep(float(sys.argv[2])); return {'by': 'other'}, {}\n"
    "Store().get({'kind': 'any'}, compute, 'the teacher')\n"
)


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until(condition) -> None:
    ending = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ending
        time.sleep(0.05)


def test_two_processes_share_the_runs_and_make_none_twice(tmp_path):
    log = tmp_path / "log"
    both = [start("-m", "tests.faults.two", str(log)) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    made = [line.split() for line in log.read_text().splitlines()]
    assert sorted(seed for seed, _ in made) == ["0", "1", "2", "3"]
    assert all(text.endswith("[0, 1, 2, 3] 0\n") for text in said), said
    assert not list((Store().folder / ".claims").iterdir())


def test_a_process_that_is_killed_leaves_its_runs_to_the_next(tmp_path):
    log = tmp_path / "log"
    first = start("-m", "tests.faults.two", str(log))
    until(lambda: log.exists() and len(log.read_text().splitlines()) == 2)
    first.kill()
    first.wait()
    second = start("-m", "tests.faults.two", str(log))
    assert second.communicate(timeout=60)[0].endswith("[0, 1, 2, 3] 0\n")
    made = [line.split()[0] for line in log.read_text().splitlines()]
    assert made == ["0", "1", "1", "2", "3"]  # what was stored is not made again, what was killed is


def test_a_teacher_that_another_process_computes_is_waited_for(tmp_path):
    mark, said = tmp_path / "mark", []
    other = start("-c", COMPUTING, str(mark), "2")
    until(mark.exists)

    def never():
        raise AssertionError("computed twice")

    row = Store(say=said.append).get({"kind": "any"}, never, "the teacher")
    other.wait()
    assert row.result == {"by": "other"} and said == ["the teacher: another process is computing it: waiting."]


def test_a_teacher_of_a_killed_process_is_computed_here(tmp_path):
    mark = tmp_path / "mark"
    other = start("-c", COMPUTING, str(mark), "60")
    until(mark.exists)
    other.kill()
    other.wait()
    assert Store(say=lambda text: None).get({"kind": "any"}, lambda: ({"by": "us"}, {}), "it").result == {"by": "us"}


def test_a_claim_is_exclusive_and_leaves_no_file(tmp_path):
    first, second = Claim(tmp_path, "key"), Claim(tmp_path, "key")
    assert first.take() and not second.take()
    first.release()
    assert second.take()
    second.release()
    assert not list((tmp_path / ".claims").iterdir())


def test_a_disk_without_locks_grants_every_claim(tmp_path, monkeypatch):
    def refuse(self, timeout=None):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("qdllm_utils.runs.files.FileLock.acquire", refuse)
    first, second = Claim(tmp_path, "key"), Claim(tmp_path, "key")
    assert first.take() and second.take()
    first.release()


def test_a_row_that_came_while_waiting_is_not_overwritten():
    """Between the look into the store and the claim another process may have ended."""
    store = Store(say=lambda text: None)
    other = Row({"kind": "any"}, {"by": "other"}, {})
    find = store.load
    asked = []

    def load(identity, arrays=False):
        asked.append(identity)
        if len(asked) == 1:
            assert find(identity, arrays) is None
            Store().save(other)
            return None
        return find(identity, arrays)

    store.load = load
    assert store.get({"kind": "any"}, lambda: ({"by": "us"}, {}), "it").result == {"by": "other"}
