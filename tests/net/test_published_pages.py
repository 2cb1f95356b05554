"""Every published page comes out again from the published rows alone: the same sentences and tables, nothing trained.

The cells of the executed notebook are run here, with its parameters, while training, fine-tuning and embedding are
errors; what they show is compared with what stands in the book. So a wrong column, row, denominator or split of a table
or sentence turns this red, whatever page it is on.
"""

import ast
import base64
import json
import re
import zlib
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from qdllm_utils.runs import experiments, jobs, reading
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.identity import data_of

ROOT = Path(__file__).parents[2]
RECORDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "book" / "executed").glob("*.json"))}
# table2 looks at the machine it runs on; table1 reads the texts themselves.
FROM_ROWS = [
    name
    for name, row in RECORDS.items()
    if not row["demo"] and "keys" in row and name not in ("table1", "table2", "own_texts")
]


def shown_by(output) -> str:
    """The HTML of an output that is a table or a sentence; '' for a provenance line, a figure or a printed line."""
    html = "".join(output.get("data", {}).get("text/html", []))
    return "" if "qd-provenance" in html else html


def run(cells: list[dict]) -> list[str]:
    """The HTML that the code cells show, in order."""
    namespace: dict = {"__annotations__": {}, "__name__": "__main__"}
    shown: list[str] = []

    def show(value) -> None:
        bundle = getattr(value, "_repr_mimebundle_", None)
        html = bundle()[0].get("text/html", "") if bundle else ""
        if isinstance(value, pd.DataFrame):
            html = value._repr_html_()
        if html and "qd-provenance" not in html:
            shown.append(html)

    for cell in cells:
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), namespace)
        if last is not None:
            code = compile(ast.Expression(last.value), "cell", "eval")
            called = last.value.func if isinstance(last.value, ast.Call) else None
            if isinstance(called, ast.Name) and called.id == "display":
                namespace["display"] = lambda *values: [show(value) for value in values]
            value = eval(code, namespace)
            if value is not None:
                show(value)
    return shown


@pytest.fixture(autouse=True)
def forbidden(monkeypatch, authors_data_or_not):
    """Nothing is trained, fine-tuned, embedded or timed: it all stands in the book."""

    def refuse(*_, **__):
        raise AssertionError("a published page asks for something that is not in the published rows")

    for name in ("compute_teacher", "compute_choice", "jobs"):
        monkeypatch.setattr(Experiment, name, refuse)
    for name in ("made", "from_frozen", "from_fine_tuned"):
        monkeypatch.setattr(reading, name, refuse)
    monkeypatch.setattr(jobs, "run_jobs", refuse)
    monkeypatch.setattr(experiments.pretrained, "locate", refuse)
    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture
def authors_data_or_not(monkeypatch):
    """No texts at all: a page of published rows must not need them."""
    monkeypatch.delenv("QDLLM_DATA", raising=False)


def test_every_page_names_the_rows_that_it_asked_for():
    assert not {name for name, row in RECORDS.items() if not row["demo"] and "keys" not in row}
    assert {"table4", "table5", "table6", "fig3"} <= set(FROM_ROWS)


@pytest.mark.parametrize("name", FROM_ROWS)
def test_a_published_page_comes_out_again_from_its_rows(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    cells = json.loads((ROOT / "book" / "executed" / f"{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    expected = [html for cell in code for output in cell["outputs"] if (html := shown_by(output))]
    assert expected or name in ("fig1", "fig2")
    assert [plain(html) for html in run(code)] == [plain(html) for html in expected]


def plain(html: str) -> str:
    """The words and numbers of a piece of HTML."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_every_published_score_is_that_of_the_classes_it_keeps_on_the_test_texts():
    """All rows whose test labels are published: accuracy and macro P, R, F1 counted again from the confusion matrix."""
    files = (ROOT / "book" / "results").glob("*.jsonl")
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    truths = {told(row["identity"]["data"]): classes(row["result"]["test"]) for row in lines if row["kind"] == "labels"}
    checked = 0
    for row in lines:
        truth = truths.get(told(data_of(row["identity"])))
        if "predicted" not in row["result"] or truth is None:
            continue
        result, predicted, checked = row["result"], classes(row["result"]["predicted"]), checked + 1
        assert [result[name] for name in ("acc", "p", "r", "f1")] == pytest.approx(scores(truth, predicted)), row["key"]
    assert len(truths) == 3 and checked > len(lines) / 2


def told(data: dict) -> str:
    """What names texts and their split, as a text."""
    return json.dumps(data, sort_keys=True)


def classes(packed: str) -> np.ndarray:
    """The class numbers of a row's packed answers."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8)


def scores(truth: np.ndarray, predicted: np.ndarray) -> list[float]:
    """Accuracy and macro precision, recall and F1 (0 for a class never predicted), from their definitions."""
    n = int(truth.max()) + 1
    counts = np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n).astype(float)  # [truth, predicted]
    right, said, there = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
    p, r = right / np.maximum(said, 1), right / there
    f1 = 2 * right / (said + there)
    return [right.sum() / counts.sum(), p.mean(), r.mean(), f1.mean()]
