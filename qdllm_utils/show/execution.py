"""Notebooks run without a screen, the page of one that failed, and the book made of all."""

import html
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError

from qdcircuits.errors import InputError
from qdllm_utils import machine
from qdllm_utils.runs.pool import THREADS, end_with_the_parent
from qdllm_utils.texts.pretrained import looks_like_path, shown_name


@dataclass(frozen=True)
class Run:
    """A notebook to be run: its file, where the executed one goes, its parameters."""

    path: Path
    output: Path
    parameters: dict[str, Any]


def execute_all(runs: list[Run], root: Path, at_once: int) -> Iterator[tuple[Run, float | InputError]]:
    """Each run with the seconds that it took, or with why it failed, as they end; `at_once` of them side by side.

    Side by side each gets its part of the cores. A row that two of them need is made by one, and the other waits.
    """
    if at_once == 1:
        for run in runs:
            try:
                yield run, execute(run.path, run.output, run.parameters, root)
            except InputError as error:
                yield run, error
        return
    share = max(1, machine.cores() // at_once)
    with ProcessPoolExecutor(
        at_once, mp_context=get_context("spawn"), initializer=begin, initargs=(share, os.getpid())
    ) as processes:
        begun = {processes.submit(execute, run.path, run.output, run.parameters, root): run for run in runs}
        for future in as_completed(begun):
            run = begun[future]
            try:
                yield run, future.result()
            except InputError as error:
                yield run, error
            except BrokenProcessPool:
                yield run, InputError(f"{run.path.name} failed: the process that ran it was killed; run it again.")


def begin(share: int, parent: int) -> None:
    """Once in each process: so many workers and threads for its notebooks, unless the user has said how many.

    It ends with the process that started it, and its kernel with it.
    """
    for name in ("QDLLM_WORKERS", *THREADS):
        os.environ.setdefault(name, str(share))
    end_with_the_parent(parent)


def execute(path: Path, output: Path, parameters: dict[str, Any], root: Path) -> float:
    """Run one notebook from the project's root; returns the seconds it took. Raises InputError where it fails."""
    start = time.perf_counter()
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(path),
            str(output),
            parameters=parameters,
            cwd=str(root),
            kernel_name="python3",
            progress_bar=False,
            autosave_cell_every=0,  # while a cell runs; each is saved when it ends, and rows when they are made
            iopub_timeout=120,  # a loaded machine may deliver the last output late
        )
    except papermill.PapermillExecutionError as error:
        raise InputError(f"{path.name} failed: {error.ename}: {error.evalue}") from None
    except DeadKernelError:
        raise InputError(
            f"{path.name} failed: its kernel died, most likely killed by the system for want of memory; what ended is "
            "stored: run it again with fewer processes (QDLLM_WORKERS=1) or more memory."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path.name} failed: {error.strerror or error}; make room in the home and the temporary folder (TMPDIR)."
        ) from error
    tidy(output, paths_in(parameters))
    return time.perf_counter() - start


def write_failed(path: Path, output: Path, why: str) -> None:
    """The page of a notebook that failed: its prose, and in place of what it would show the reason."""
    notebook = nbformat.read(path, as_version=4)
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    box = nbformat.v4.new_markdown_cell(f"::::{{admonition}} This page could not be made\n:class: error\n\n{why}\n::::")
    notebook.cells = [*prose[:1], box, *prose[1:]]
    nbformat.write(notebook, output)
    output.with_suffix(".json").unlink(missing_ok=True)


def paths_in(parameters: dict[str, Any]) -> list[str]:
    """The paths among parameters (a teacher's folder, a file of texts), each by itself where commas stand between."""
    texts = [text.strip() for value in parameters.values() if isinstance(value, str) for text in value.split(",")]
    return sorted({text for text in texts if looks_like_path(text)}, key=len, reverse=True)


def without_paths(text: str, paths: list[str]) -> str:
    """A text in which only the last part of these paths is left, in whichever way they are written there."""
    for path in paths:
        name = shown_name(path)
        whole = str(Path(path).expanduser().resolve())
        for written in dict.fromkeys((whole, path, path.rstrip("/"))):
            for form in dict.fromkeys((written, html.escape(written), json.dumps(written)[1:-1])):
                text = text.replace(form, name)
    return text


def tidy(path: Path, paths: list[str]) -> None:
    """Take out of an executed notebook what belongs to one machine: progress bars, warnings, paths and timings.

    paths: of the folders and files that were given as parameters; the last part of each is left.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(named_only(notebook, paths), path)


def named_only(part: Any, paths: list[str]) -> Any:
    """A notebook, or a part of one, without these paths in any of its texts."""
    if isinstance(part, str):
        return without_paths(part, paths)
    if isinstance(part, dict):
        return type(part)({key: named_only(value, paths) for key, value in part.items()})
    return [named_only(value, paths) for value in part] if isinstance(part, list) else part


def build_book(book: Path, strict: bool = True, builder: str = "html") -> None:
    """jupyter-book build, where strict with warnings as errors: a page that failed lacks what others refer to.

    The pages are put beside the _config.yml, above the book, in _build/<builder>.
    """
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(book),
        *(["--builder", builder] if builder != "html" else []),
        *(["-W", "-n", "--keep-going"] if strict else []),
    ]
    done = subprocess.run(command, cwd=book.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n")
        raise InputError("jupyter-book found errors in the pages; they are printed above.")
