"""The data of the main figure that a reader can change: every student at its size, from the published rows.

When the book is built, `rows.js` is written beside `book/_extra/figure/figure.js`, which draws it. It is a script that
holds JSON, because a page that is opened as a file may load a script, but no JSON file. Nothing is chosen by test rows:
of what an arm tried the value with the best mean validation accuracy is taken, as on the controls page.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy import stats

from qdllm_utils.config import TASKS
from qdllm_utils.learning.metrics import unpacked
from qdllm_utils.runs.identity import data_of
from qdllm_utils.runs.published import Published
from qdllm_utils.runs.statistics import LEVEL, accuracy_error, compared
from qdllm_utils.runs.tuning import TUNING_SEEDS
from qdllm_utils.show import paper
from qdllm_utils.show.tables import READERS, STUDENT_NAMES, TEACHER_NAMES

OPENING = "// Written when the book is built, from the published rows: do not edit.\nwindow.qdllmFigure = "
METRICS = {"acc": "test accuracy", "f1": "macro F1 on the test texts", "validation": "validation accuracy"}
CONTROLS = {  # the titles of the controls' classes, which a page that is only rendered need not import
    "linear": "linear probe",
    "bottleneck": "two linear layers",
    "cosine": "cos in place of the circuit",
    "mlp": "MLP of equal size",
    "unentangled": "circuit without entangling gates",
    "frozen": "circuit frozen at random angles",
    "surrogate": "classical surrogate",
}
BASELINES = tuple(name for name in STUDENT_NAMES if name != "quantum")
FAMILIES = {  # in the order in which they are drawn and listed
    "quantum": "QD-LLM",
    "cosine": "the same without its circuit (cos)",
    "linear": "linear probe",
    "control": "other controls",
    "baseline": "compression baselines, small sizes",
    "words": "TF-IDF, which reads words",
}
READER_PARAMETERS = {"minilm": 22_713_216, "mpnet": 109_486_464, "bert": 109_482_240, "qwen": 1_543_714_304}
BYTES = 4  # a parameter, as float32
# On a page: what the script fills, and what stands there where scripts are off. @: the way to the site's root.
PLACE = """<div id="qdllm-figure" class="qd-figure"></div>
<noscript><p>Scripts are off in this browser: the picture above stays as it is.</p></noscript>
<script src="@figure/rows.js"></script>
<script src="@figure/figure.js"></script>"""
TEXT = """**Choose what is shown.** Points are students, taught by the teacher chosen, each at its size. Bars are 95%
intervals: of the test accuracy over seeds and texts, of the others over seeds. Bytes count four for a parameter that
is not stored in fewer; what is deployed is the student and the frozen reader that it cannot do without. The compression
baselines read tokens and are their own readers; the paper's point is its mean over five other teachers, read through
BERT-base."""


@dataclass(frozen=True)
class Arm:
    """What one point shows: rows that differ in nothing but the seed and, where it was tuned, the learning rate.

    reader, preset: None of a student that reads words or tokens; teacher: None of one that nobody teaches.
    """

    task: str
    teacher: str | None
    reader: str | None
    preset: str | None
    student: str
    distilled: bool = True

    @property
    def family(self) -> str:
        """One of FAMILIES."""
        if self.student in BASELINES:
            return "baseline"
        if self.student == "tfidf":
            return "words"
        return self.student if self.distilled and self.student in FAMILIES else "control"

    @property
    def title(self) -> str:
        """Its name as the pages print it."""
        names = {**STUDENT_NAMES, **CONTROLS, "tfidf": "TF-IDF + logistic regression"}
        return names[self.student] + ("" if self.distilled else ", CE alone")


def everything(folder: Path) -> dict[str, Any]:
    """What the figure needs, as plain data, from a folder of published rows: `points`, `teachers`, `paper`, names.

    A point's value of a metric is [mean, low, high] in percent, with null for an interval that one seed does not give.
    """
    records = [json.loads(line) for _, line in Published(folder).lines.values()]
    labels = {same(row): unpacked(row["result"]["test"]) for row in records if row["kind"] == "labels"}
    choices = [row for row in records if row["kind"] == "pooling" and "split_seed" not in row["identity"]]
    pooled = {(row["task"], row["embedder"]): row["result"]["chosen"] for row in choices}
    found: dict[Arm, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in records:
        if (placed := arm_of(row, pooled)) and same(row) in labels:
            found[placed[0]][placed[1]].append(row)
    points = [point(arm, chosen(tries), labels) for arm, tries in found.items()]
    order = list(FAMILIES)
    points.sort(key=lambda one: (one["task"], one["teacher"] or "", one["reader"] or "", one["preset"] or "",
                                 order.index(one["family"]), one["title"]))  # fmt: skip
    teachers = [teacher_of(row) for row in records if row["kind"] == "teacher" and row["teacher"] in TEACHER_NAMES]
    used = {name: {one[name] for one in points} for name in ("teacher", "reader", "preset")}
    return {
        "tasks": {name: task.title for name, task in TASKS.items()},
        "teachers": {name: title for name, title in TEACHER_NAMES.items() if name in used["teacher"]},
        "readers": {name: title for name, title in READERS.items() if name in used["reader"]},
        "presets": [name for name in ("paper", "released", "tuned") if name in used["preset"]],
        "metrics": METRICS,
        "families": FAMILIES,
        "points": points,
        "own": sorted(teachers, key=lambda one: (one["task"], one["teacher"])),
        "paper": [printed(task) for task in TASKS],
    }


def same(row: dict[str, Any]) -> str:
    """The texts and the split of a row, as a word that is equal for equal ones."""
    return json.dumps(data_of(row["identity"]), sort_keys=True)


def arm_of(row: dict[str, Any], pooled: dict[tuple[str, str], str]) -> tuple[Arm, str] | None:
    """The arm of a published row and what it tried ('' for the preset's own value); None for another row.

    An arm is a preset as it stands. The preset tuned reads the states that validation prefers, and has its rate chosen;
    at preset paper an arm chooses whether E is standardised, as on the controls page. Of a decoder, which has no padded
    position, the preset paper reads those states too.
    """
    student, task, reader = row["student"], row["task"], row["embedder"]
    if row["kind"] != "student" or row["stored_as"] is not None or task not in TASKS:
        return None
    if student == "tfidf":
        return Arm(task, None, None, None, student), ""
    if row["teacher"] not in TEACHER_NAMES:
        return None
    if student in BASELINES:
        return Arm(task, row["teacher"], None, None, student), ""
    if student != "quantum" and student not in CONTROLS:
        return None
    changes = dict(change.split("=") for change in (row["changes"] or "").split(", ") if change)
    tried = changes.pop("learning_rate" if row["preset"] == "tuned" else "standardise", "")
    changes.pop("teacher_share_learnt", None)  # what a teacher learnt from is its own, not a change of the preset
    if not (distilled := changes.get("alpha") != "0.0"):
        del changes["alpha"]  # any other weight is a change of the preset
    wanted = pooled.get((task, reader)) if row["preset"] == "tuned" or reader == "qwen" else None
    if changes.pop("pooling", None) != wanted or changes:
        return None
    return Arm(task, row["teacher"], reader, row["preset"], student, distilled), tried


def chosen(tries: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of what is best on validation over the first TUNING_SEEDS seeds, by seed."""

    def validated(rows: list[dict[str, Any]]) -> float:
        return mean(row["result"]["validation"] for row in rows if row["seed"] < TUNING_SEEDS)

    rate = next(iter(tries)) if len(tries) == 1 else max(sorted(tries), key=lambda one: validated(tries[one]))
    return sorted(tries[rate], key=lambda row: row["seed"])


def point(arm: Arm, rows: list[dict[str, Any]], labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """A point of the figure: whose it is, its sizes, its metrics in percent."""
    result, key = rows[0]["result"], rows[0]["key"]
    stored = int(result.get("stored_bytes", BYTES * result["parameters"]))
    frozen = BYTES * READER_PARAMETERS[arm.reader] if arm.reader else 0
    metrics = {
        name: over_seeds([row["result"][name] for row in rows])
        for name in ("f1", "validation")
        if all(isinstance(row["result"].get(name), float) for row in rows)
    }
    whose = {name: getattr(arm, name) for name in ("task", "teacher", "reader", "preset", "family", "title")}
    sizes = {"trained": result["parameters"], "stored": stored, "deployed": stored + frozen}
    return {**whose, **sizes, "seeds": len(rows), "key": key, "acc": accuracy(rows, labels[same(rows[0])]), **metrics}


def accuracy(rows: list[dict[str, Any]], labels: np.ndarray) -> list[float | None]:
    """[mean, low, high] in percent over seeds and texts.

    Where a row did not keep its answers, the texts' part is that of independent ones, which is wider.
    """
    if all("predicted" in row["result"] for row in rows):
        right = np.stack([unpacked(row["result"]["predicted"]) == labels for row in rows])
        whole = compared(100.0 * right)
        return rounded(whole.mean, whole.low, whole.high)
    values = [row["result"]["acc"] for row in rows]
    of_texts = accuracy_error(mean(values), len(labels)) ** 2
    of_seeds = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    half = 100 * float(stats.norm.isf(LEVEL / 2)) * math.sqrt(of_texts + of_seeds)
    return rounded(100 * mean(values), 100 * mean(values) - half, 100 * mean(values) + half)


def over_seeds(values: list[float]) -> list[float | None]:
    """[mean, low, high] in percent: Student's interval over seeds, none of one seed."""
    centre = 100 * mean(values)
    if len(values) < 2:
        return rounded(centre, None, None)
    half = 100 * float(stats.t.isf(LEVEL / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return rounded(centre, centre - half, centre + half)


def rounded(*values: float | None) -> list[float | None]:
    """Values to a thousandth of a percent."""
    return [None if value is None else round(float(value), 3) for value in values]


def teacher_of(row: dict[str, Any]) -> dict[str, Any]:
    """A teacher's own metrics in percent, without intervals: it was fine-tuned once."""
    result = row["result"]
    values = {"acc": result["acc"], "f1": result["f1"], "validation": result["validation"]["acc"]}
    own = {name: round(100 * value, 3) for name, value in values.items()}
    return {"task": row["task"], "teacher": row["teacher"], "key": row["key"], "trained": result["parameters"], **own}


def printed(task: str) -> dict[str, Any]:
    """The paper's QD-LLM: its mean over five teachers in percent, its size, read through BERT-base in float32."""
    trained = int(paper.number(paper.table("parameters").set_index("name")["parameters"]["quantum"]))
    values = {name: paper.compression(task, "overall", "quantum", name) for name in ("acc", "f1")}
    shown = {name: round(100 * paper.number(value), 3) for name, value in values.items() if value}
    sizes = {"trained": trained, "stored": BYTES * trained, "deployed": BYTES * (trained + READER_PARAMETERS["bert"])}
    return {"task": task, **sizes, **shown}


def place(root: str = "") -> str:
    """The figure in a page's Markdown; root: the way from the page to the site's root, '' or '../'."""
    return f":::{{container}} qd-screen\n{TEXT}\n\n```{{raw}} html\n{PLACE.replace('@', root)}\n```\n:::\n"


def script(data: dict[str, Any]) -> str:
    """The data as a script of the page."""
    return OPENING + json.dumps(data, separators=(",", ":")).replace("<", "\\u003c") + ";\n"


def read(text: str) -> dict[str, Any]:
    """The data of a script that `script` wrote."""
    return dict(json.loads(text.removeprefix(OPENING).removesuffix(";\n")))
