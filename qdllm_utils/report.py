"""Run every notebook with papermill and build the book: what `make report` does.

    python -m qdllm_utils.report --scale demo
    python -m qdllm_utils.report --scale cpu -p teacher minilm -p seeds 3 --only table6 --publish

The pages are put together in build/<scale>/, so that the published ones in book/executed stay as they are.
--publish copies the executed notebooks into book/, and with them the rows on the authors' texts. A demo page is
published only where no other page stands yet, and a demo row never.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import papermill

from qdcircuits.errors import InputError, choose
from qdllm_utils import machine
from qdllm_utils.config import CHOSEN, PRESETS, SCALES, TASKS, Knobs
from qdllm_utils.runs import published
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.identity import data_of
from qdllm_utils.runs.store import arrays_of, default_folder
from qdllm_utils.show import crate, record
from qdllm_utils.show.execution import Run, build_book, execute_all, paths_in, without_paths, write_failed
from qdllm_utils.texts.sources import authors_fingerprint
from qdllm_utils.texts.teacher_specs import without_model

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "qdllm_utils" / "pages" / "stand_in_ledger.jsonl"  # its student is named by no page, but by the ledger


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run, build, print where the pages are."""
    parser = argparse.ArgumentParser(prog="python -m qdllm_utils.report", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", default="demo", choices=list(SCALES))
    parser.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--only", nargs="+", default=[], metavar="NOTEBOOK", help="run these and no others")
    parser.add_argument("--build", type=Path, help="folder in which the pages are put together; default: build/<scale>")
    parser.add_argument("--at-once", type=int, metavar="N", help="notebooks side by side; default: 2 at demo, else 1")
    parser.add_argument("--publish", action="store_true", help="copy the pages and rows into book/")
    options = parser.parse_args(arguments)
    try:
        given = dict(options.parameter)
        run(options.scale, given, options.publish, tuple(options.only), options.build, options.at_once)
    except InputError as error:
        sys.exit(f"InputError: {error}")


def run(
    scale: str,
    given: dict[str, str],
    publishing: bool,
    only: tuple[str, ...] = (),
    build: Path | None = None,
    at_once: int | None = None,
) -> None:
    """Execute the notebooks (all, or those named), build the pages and, if asked, publish what was executed.

    at_once: how many notebooks run side by side; None: two at demo scale, where each needs little memory, else one.
    """
    if at_once is not None and at_once < 1:
        raise InputError(f"--at-once is {at_once}: it must be a whole number, 1 or more.")
    if publishing and uncommitted():
        raise InputError("The package or the notebooks have uncommitted changes: commit them, then publish.")
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    declared = {path: papermill.inspect_notebook(str(path)) for path in notebooks}
    for name in only:
        choose(name, [path.stem for path in notebooks], "notebook")
    for name in given:
        if not any(name in names for names in declared.values()):
            known = sorted(set().union(*declared.values()))
            raise InputError(f"Unknown parameter {name!r}: the notebooks take {', '.join(known)}.")
    build = build or ROOT / "build" / scale
    if build.exists() and any(build.iterdir()) and not (build / "_config.yml").exists():
        raise InputError(
            f"The folder {build.name} holds other files, and the report would clear it: name a new folder."
        )
    shutil.rmtree(build, ignore_errors=True)
    shutil.copytree(ROOT / "book", build / "book", ignore=shutil.ignore_patterns("_build", "results"))
    shutil.copy(ROOT / "_config.yml", build)
    times = {}
    failures: dict[str, str] = {}  # {page: why it, or a run of it, failed}
    runs = []
    for path in notebooks:
        if only and path.stem not in only:
            continue
        parameters = {name: value for name, value in ({"scale": scale} | given).items() if name in declared[path]}
        print(f"{path.name} {parameters}", flush=True)
        runs.append(Run(path, build / "book" / "executed" / path.name, parameters))
    at_once = at_once or (min(2, machine.cores()) if scale == "demo" else 1)
    for each, ended in execute_all(runs, ROOT, at_once):
        name = each.path.name
        if isinstance(ended, InputError):
            why = without_paths(str(ended), paths_in(each.parameters))
            failures[name] = why
            write_failed(each.path, each.output, why)
            print(ended, flush=True)
            continue
        times[name] = ended
        default = declared[each.path]["scale"]["default"].strip("\"'") if "scale" in declared[each.path] else "–"
        record.write_record(each.output, each.parameters.get("scale", default), ended)
        print(f"{name}: {ended:.0f} s", flush=True)
        if failed := [reason for fact in record.facts_of(each.output) for reason in fact.get("failed", [])]:
            failures[name] = f"{name}: {'; '.join(failed)}"
    write_status(build / "book")
    build_book(build / "book", strict=not failures)
    for name, seconds in sorted(times.items(), key=lambda item: -item[1])[:5]:
        print(f"  {seconds:6.0f} s  {name}")
    if publishing:
        publish([build / "book" / "executed" / name for name in sorted(times) if name not in failures])
    page = build / "_build" / "html" / "index.html"
    print(f"The book: {page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}")
    if failures:
        raise InputError(
            f"{len(failures)} of the pages failed, and the book was built with the others; the next run makes only "
            f"what is missing. {' '.join(failures.values())}"
        )


def write_status(book: Path) -> None:
    """Write the pages of status and findings from the records beside the executed notebooks."""
    (book / "status.md").write_text(record.page(book / "executed"), encoding="utf-8")
    (book / "findings.md").write_text(record.findings(book / "executed"), encoding="utf-8")
    (book / "answer.md").write_text(record.answer(book / "executed"), encoding="utf-8")
    if figure := record.answer_figure(book / "executed"):
        (book / "figures" / "answer.svg").write_text(figure, encoding="utf-8")


def uncommitted() -> bool:
    """Whether what decides a number differs from the last commit."""
    command = ["git", "diff", "--quiet", "HEAD", "--", "qdllm_utils", "qdcircuits", "notebooks", "requirements.lock"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode != 0


def record_of(page: Path) -> dict[str, Any]:
    """The record beside an executed notebook; {} where there is none."""
    path = page.with_suffix(".json")
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def publish(pages: list[Path], book: Path = ROOT / "book") -> None:
    """Copy executed notebooks with their records into the book, and the rows on the authors' texts that they used.

    A demo page never takes the place of another page, and a row of a changed tree is never published. A row that was
    published with one of these pages and that no page asks for any more is taken out.
    """
    for name in ("executed", "results"):
        (book / name).mkdir(parents=True, exist_ok=True)
    chosen = []
    for page in pages:
        target = book / "executed" / page.name
        if record_of(page).get("demo") and target.exists() and not record_of(target).get("demo"):
            print(f"{page.name}: the page that stands is not a demo; left as it is.")
        else:
            chosen.append(page)
    rows = [row for page in chosen for row in rows_used(page)]  # before anything is copied: a row may be refused
    for page in chosen:
        for file in (page, page.with_suffix(".json")):
            if file.exists():
                shutil.copy(file, book / "executed" / file.name)
    write_status(book)
    asked = {key for path in (book / "executed").glob("*.json") for key in record_of(path).get("keys", [])}
    asked |= set(re.findall(r"student-[0-9a-f]{20}", LEDGER.read_text(encoding="utf-8")))
    homes = {page.stem for page in chosen if "keys" in record_of(page)}
    there = published.Published(book / "results").lines
    gone = [key for key, (home, _) in there.items() if published.page_of(home) in homes and key not in asked]
    published.publish(book / "results", rows, gone)
    crate.write(book)


def rows_used(page: Path) -> list[published.NewRow]:
    """The rows on the authors' texts, or on none, that a page used and that lie in the working store.

    Raises InputError for a row that was made from a changed tree, whenever that was.
    """
    fingerprints = {authors_fingerprint(task) for task in TASKS.values()}
    folder, rows = default_folder(), []
    for key in record_of(page).get("keys", []):
        path = folder / f"{key}.json"
        if not path.exists():
            continue  # it stands in the book already
        record = json.loads(path.read_bytes())
        row, commit = record["identity"], record["provenance"]["commit"]
        data = data_of(row)  # {} of a row that read no text
        if row["kind"] == "embedding" or (data and data.get("fingerprint") not in fingerprints):
            continue
        if not commit or commit == "unknown" or commit.endswith("+"):
            raise InputError(
                f"{key}, used by {page.name}, was made from a tree with uncommitted changes ({commit}): run the page "
                "from a clean commit with -p refresh True, then publish."
            )
        # the features page has a student on every state of a reader; only the preset's own is run from its weights
        whole = wanted_whole(row) and page.stem != "features"
        rows.append(published.NewRow(page.stem, record, arrays_of(folder, key, record) if whole else None))
    return rows


def wanted_whole(identity: dict[str, Any]) -> bool:
    """Whether a row's arrays are published too: not of the thousands of arms that are no student of Tables 4 to 6.

    The quantum student's are where it stands at a preset, whatever its depth (Figure 5 runs both from their weights);
    nothing's are where true labels teach.
    """
    teacher = identity if identity["kind"] == "teacher" else identity.get("teacher", {})
    if without_model(str(teacher.get("model"))):
        return False
    if identity["kind"] != "student":
        return True
    if identity["student"] == "quantum":
        knobs = Knobs(**identity["knobs"])
        for preset in PRESETS.values():
            pooling = knobs.pooling if preset.pooling == CHOSEN else preset.pooling
            if knobs == replace(preset, layers=knobs.layers, pooling=pooling):
                return True
        return False
    return identity["student"] in STUDENTS


if __name__ == "__main__":
    main()
