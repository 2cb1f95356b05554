"""The status page: what each page of the book was made of, from the small record that the report writes of each run."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat

from qdllm_utils.evidence import provenance

COUNTS = re.compile(r'data-loaded=\\?"(\d+)\\?" data-computed=\\?"(\d+)\\?"')
HEAD = """# Status

How each page was made: at which scale, from how many rows of the store and how many computed in that run, how long the
notebook took, and where. A page that needs no rows (it counts, draws or recomputes) says 0 and 0. This page is
written by `python -m qdllm_utils.report` from the records beside the executed notebooks.

"""


def record(page: Path, scale: str, seconds: float) -> dict[str, Any]:
    """The record of one executed notebook; scale '–' where the notebook has none."""
    found = COUNTS.findall(page.read_text(encoding="utf-8"))
    return {
        "notebook": page.stem,
        "scale": scale,
        "loaded": sum(int(loaded) for loaded, _ in found),
        "computed": sum(int(computed) for _, computed in found),
        "seconds": round(seconds, 1),
        "date": provenance.today(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
    }


def write_record(page: Path, scale: str, seconds: float) -> None:
    """Write the record beside the executed notebook, as <name>.json."""
    page.with_suffix(".json").write_text(json.dumps(record(page, scale, seconds), indent=1) + "\n", encoding="utf-8")


def title(page: Path) -> str:
    """The first heading of a notebook."""
    for cell in nbformat.read(page, as_version=4).cells:
        if found := re.match(r"(?:\(.*\)=\n)?# (.+)", cell.source):
            return found[1]
    return page.stem


def page(executed: Path) -> str:
    """The status page, in Markdown, of a folder of executed notebooks and their records."""
    records = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(executed.glob("*.json"))]
    if not records:
        return HEAD + "No page has a record yet: `make report` writes them.\n"
    lines = [
        "| page | scale | rows loaded | rows computed | seconds | date | commit | machine |",
        "|---|---|---:|---:|---:|---|---|---|",
    ]
    for path, row in records:
        name = f"{{doc}}`{title(path.with_suffix('.ipynb'))} <executed/{path.stem}>`"
        cells = [
            name,
            row["scale"],
            row["loaded"],
            row["computed"],
            f"{row['seconds']:.0f}",
            row["date"],
            f"`{row['commit']}`",
            row["machine"],
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    slowest = sorted((row for _, row in records), key=lambda row: -row["seconds"])[:5]
    slow = ", ".join(f"{row['notebook']} {row['seconds']:.0f} s" for row in slowest)
    total = sum(row["seconds"] for _, row in records)
    sets = {", ".join(f"{name} {number}" for name, number in row["versions"].items()) for _, row in records}
    ending = f"\n\n{total:.0f} s in all; the slowest: {slow}.\n\nPackages: {'; or '.join(sorted(sets))}.\n"
    return HEAD + "\n".join(lines) + ending
