"""A notebook's process that is ended or killed leaves no worker, no shared memory and no temporary folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from qdllm_utils.runs import pool

ROOT = Path(pool.__file__).parents[2]
GONE = 30.0  # seconds that a process may still need to end on a busy machine; its work would take 120

# what a shell starts in the background ignores SIGINT, and so would this
PROGRAM = """
import pathlib, signal, time
from qdllm_utils.runs import pool
signal.signal(signal.SIGINT, signal.default_int_handler)
for piece, _ in pool.spread([{pieces}], 2, time.sleep):
    pathlib.Path({mark!r}).write_text("at work")
"""


def environment(tmp_path: Path) -> dict[str, str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"),
    }


def family(process: subprocess.Popen, mark: Path) -> list[psutil.Process]:
    """All processes below this one, as soon as the work has begun and there are at least two."""
    ending = time.monotonic() + 60
    while not mark.exists() or len(found := psutil.Process(process.pid).children(recursive=True)) < 2:
        assert time.monotonic() < ending and process.poll() is None, "the work did not begin"
        time.sleep(0.1)
    return found


def assert_nothing_is_left(members: list[psutil.Process], tmp_path: Path, shared: set[str]) -> None:
    _, alive = psutil.wait_procs(members, timeout=GONE)
    assert not [" ".join(process.cmdline()) for process in alive]
    ending = time.monotonic() + 5
    while left := [path for path in (tmp_path / "temporary").rglob("*") if path.is_dir() or "loky" in path.name]:
        assert time.monotonic() < ending, left
        time.sleep(0.1)
    pids = {str(process.pid) for process in members}  # sem.loky-<pid>-...; other tests beside this have theirs
    mine = {name for name in os.listdir("/dev/shm") if name not in shared and set(name.split("-")[1:2]) & pids}
    assert not mine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_ended_leaves_no_worker(tmp_path, number):
    shared, mark = set(os.listdir("/dev/shm")), tmp_path / "mark"
    program = PROGRAM.format(pieces="0.1, 120, 120", mark=str(mark))
    process = subprocess.Popen([sys.executable, "-c", program], env=environment(tmp_path), stderr=subprocess.DEVNULL)
    members = family(process, mark)
    assert len(members) >= 2
    process.send_signal(number)
    process.wait(timeout=GONE)
    assert_nothing_is_left(members, tmp_path, shared)


@pytest.mark.parametrize("whom", ["papermill", "kernel"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_papermill_or_its_kernel_ended_leaves_no_process(tmp_path, whom, number):
    """As Slurm does before it takes a machine away."""
    shared, mark = set(os.listdir("/dev/shm")), tmp_path / "mark"
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "p"}})
    notebook.cells = [nbformat.v4.new_code_cell(PROGRAM.format(pieces="0.1, 120, 120", mark=str(mark)))]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    program = (
        "from pathlib import Path; from qdllm_utils.show.execution import execute; "
        f"execute(Path({str(tmp_path / 'in.ipynb')!r}), Path({str(tmp_path / 'out.ipynb')!r}), {{}}, Path('.'))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env=environment(tmp_path), stderr=subprocess.DEVNULL)
    try:
        members = family(process, mark)
        (kernel,) = [member for member in members if "ipykernel_launcher" in " ".join(member.cmdline())]
        (process if whom == "papermill" else kernel).send_signal(number)
        process.wait(timeout=30)
        assert_nothing_is_left(members, tmp_path, shared)
    finally:
        process.kill()


def test_a_report_killed_with_two_notebooks_side_by_side_leaves_no_process(tmp_path):
    shared = set(os.listdir("/dev/shm"))
    runs, marks = [], [tmp_path / "mark-a", tmp_path / "mark-b"]
    for mark in marks:
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "p"}})
        work = f"import pathlib, time\npathlib.Path({str(mark)!r}).write_text('at work')\ntime.sleep(120)"
        notebook.cells = [nbformat.v4.new_code_cell(work)]
        nbformat.write(notebook, tmp_path / f"{mark.name}.ipynb")
        runs.append(f"Run(Path({str(tmp_path / mark.name)!r} + '.ipynb'), Path({str(mark)!r} + '-out.ipynb'), {{}})")
    program = (
        "from pathlib import Path; from qdllm_utils.show.execution import Run, execute_all\n"
        f"if __name__ == '__main__':\n    list(execute_all([{', '.join(runs)}], Path('.'), 2))\n"
    )
    script = tmp_path / "report.py"  # a spawned process imports its parent's script
    script.write_text(program)
    process = subprocess.Popen([sys.executable, str(script)], env=environment(tmp_path), stderr=subprocess.DEVNULL)
    try:
        family(process, marks[0])
        members = family(process, marks[1])
        assert sum("ipykernel_launcher" in " ".join(member.cmdline()) for member in members) == 2
        process.kill()
        process.wait(timeout=30)
        assert_nothing_is_left(members, tmp_path, shared)
    finally:
        process.kill()
