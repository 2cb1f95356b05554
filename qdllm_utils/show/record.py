"""Status and findings: what each page was made of and what it found, from the record that the report writes of it."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat

from qdllm_utils.runs import provenance
from qdllm_utils.show import main_figure
from qdllm_utils.show.html_table import FACTS

HEAD = """# Status

How each page was made: at which scale, from how many rows of the store and how many computed in that run, how long the
notebook took, and where. A page that needs no rows (it counts, draws or recomputes) says 0 and 0. This page is
written by `python -m qdllm_utils.report` from the records beside the executed notebooks.

"""
FINDINGS = """# What was found

The first sentence of each page, computed there from its rows and ordered by what a reader would ask; the page has the
numbers, their spread and where they come from. What a verdict means: *reproduced*, a printed value is met to its
last digit; *within interval*, the 95% interval of our mean holds it; *not reproduced*, neither; *not attempted*, what
ran is not what the paper ran, so nothing can be held against its digits; *inconclusive*, the interval of a difference
holds 0 ({doc}`protocol`).

"""
SVG = "image/svg+xml"
FIGURE = (
    "```{figure} figures/answer.svg\n:name: fig-answer\n:alt: Test accuracy of QD-LLM, of the same student without its "
    "circuit and of a linear probe on three tasks, with intervals, beside the teacher's and the paper's; the numbers "
    "stand in the table of the headline page.\n\nEach student's accuracy with its 95% interval over seeds and texts, a "
    "colour a reader of the text. Dotted: the teacher; the ring: the paper's QD-LLM. {doc}`The numbers "
    "<executed/headline>`.\n```"
)
QUESTIONS = {
    "What is it?": ("fig1", "fig2"),
    "Does it work?": ("headline", "splits", "table4", "table5", "table6", "fig4", "table7"),
    "Does the circuit help?": ("controls", "few_labels", "alternatives", "designs", "surrogate", "anatomy"),
    "Is it small and fast?": ("table3", "bytes", "fig3", "timing"),
    "Does a better teacher, or a better reader of the text, help?": ("ceiling", "table8", "features"),
    "Does it run on hardware?": ("fig5", "table2"),
    "Do the paper's numbers agree with each other, and with its code?": ("audit", "table1", "deviations"),
    "What would the paper's scale take?": ("plan",),
}


def facts_of(notebook: Path) -> list[dict[str, Any]]:
    """The facts that the outputs of an executed notebook carry as data, in order."""
    outputs = [output for cell in nbformat.read(notebook, as_version=4).cells for output in cell.get("outputs", [])]
    return [dict(output["metadata"][FACTS]) for output in outputs if FACTS in output.get("metadata", {})]


def record(page: Path, scale: str, seconds: float) -> dict[str, Any]:
    """The record of one executed notebook; scale '–' where the notebook has none.

    keys: of every row that the page asked for; loaded, computed: how many were found and how many were made then.
    """
    facts = facts_of(page)
    keys = {name: {key for fact in facts for key in fact.get(name, [])} for name in ("loaded", "computed")}
    return {
        "notebook": page.stem,
        "scale": scale,
        "demo": scale == "demo",
        "loaded": len(keys["loaded"] - keys["computed"]),
        "computed": len(keys["computed"]),
        "keys": sorted(keys["loaded"] | keys["computed"]),
        "findings": [sentence for fact in facts for sentence in fact.get("verdicts", [])],
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


def findings(executed: Path) -> str:
    """The page of findings, in Markdown: of each page its first sentence, from the records of executed notebooks.

    A demo finds nothing.
    """
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(executed.glob("*.json"))}
    links = {name: f"{{doc}}`{title(executed / f'{name}.ipynb')} <executed/{name}>`" for name in records}
    told = [name for name, row in records.items() if row["findings"] and not row["demo"]]
    others = [name for name in told if not any(name in names for names in QUESTIONS.values())]
    lines = []
    for question, names in {**QUESTIONS, "What else?": tuple(others)}.items():
        shown = [name for name in names if name in told]
        if shown:
            lines += [f"## {question}", ""]
        for name in shown:
            lines.append(f"* **{links[name]}**\\\n  {records[name]['findings'][0]}")
        if shown:
            lines.append("")
    silent = [links[name] for name, row in records.items() if not row["findings"]]
    demos = [links[name] for name, row in records.items() if row["findings"] and row["demo"]]
    ending = f"Shown at demo scale so far, which finds nothing: {', '.join(demos)}.\n" if demos else ""
    ending += f"\nPages that show and find nothing: {', '.join(silent)}.\n" if silent else ""
    return FINDINGS + "\n".join(lines) + ("\n" if lines else "") + ending


def answer_figure(executed: Path) -> str | None:
    """The headline page's figure as SVG for the first screen; None where that page is missing or a demo."""
    path = executed / "headline.json"
    if not path.exists() or json.loads(path.read_text(encoding="utf-8"))["demo"]:
        return None
    cells = nbformat.read(path.with_suffix(".ipynb"), as_version=4).cells
    drawn = [output.get("data", {}).get(SVG) for cell in cells for output in cell.get("outputs", [])]
    return next((str(image) for image in drawn if image), None)


def answer(executed: Path) -> str:
    """The box of the first screen, in Markdown: the sentences and figure of the headline page, unless it is a demo."""
    path = executed / "headline.json"
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"demo": True}
    sentences = ["The headline page has not been run on the authors' texts here: the demo scale finds nothing."]
    if not row["demo"] and row["findings"]:
        sentences = row["findings"]
    told = [re.sub(r"^([^?.]+\?)", r"**\1**", text) for text in sentences]  # the question that a sentence answers
    lines = [":::{admonition} What we found", ":class: important", "", *(f"- {text}" for text in told)]
    lines += [
        "",
        "Teachers here are models of up to 1.54 billion parameters, not the paper's five; no chip was touched.",
    ]
    lines += ["", "{doc}`All findings, by question <findings>`", ":::", ""]
    if answer_figure(executed):
        lines += [FIGURE, "", main_figure.place()]
    return "\n".join(lines)
