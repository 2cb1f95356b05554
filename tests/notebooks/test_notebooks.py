"""Every notebook at demo scale, headless, in one report; then again from its store."""

import base64
import json
import os
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

from qdllm_utils.config import SCALES, TASKS, Scale
from qdllm_utils.runs.identity import data_of
from qdllm_utils.show import paper
from qdllm_utils.texts.sources import Source
from tests.notebooks.running import ROOT, run_papermill


def outputs(path: Path) -> str:
    """All that a notebook shows, as one text."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        for output in cell.get("outputs", []):
            parts += output.get("text", [])
            parts += output.get("data", {}).get("text/html", [])
    return "".join(parts)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The whole report at demo scale, as `make report` runs it: (store folder, build folder)."""
    store, build = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("report")  # not the user's build/demo
    done = subprocess.run(
        [sys.executable, "-m", "qdllm_utils.report", "--scale", "demo", "--build", str(build)],
        cwd=ROOT,
        env=os.environ | {"QDLLM_STORE": str(store), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "_build/html/index.html" in done.stdout
    return store, build / "book"


@pytest.mark.timeout(3000)
def test_report_builds_every_page_at_demo_scale(demo):
    _, book = demo
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (book.parent / "_build" / "html" / "executed" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        cells = json.loads((book / "executed" / notebook.name).read_text())["cells"]
        shown = [
            output for cell in cells for output in cell.get("outputs", []) if "image/svg+xml" in output.get("data", {})
        ]
        assert page.count("<table") + page.count("<img") >= len(shown) + outputs(
            book / "executed" / notebook.name
        ).count("<table")


@pytest.mark.parametrize(("notebook", "task"), [("table4", "emotion"), ("table5", "hiding"), ("table6", "thematic")])
def test_table_shows_measured_beside_paper_and_the_watermark(demo, notebook, task):
    _, book = demo
    shown = outputs(book / "executed" / f"{notebook}.ipynb")
    for student in ("tinybert", "minillm", "distilbert", "pkd", "quantum"):
        for metric in ("acc", "p", "r", "f1", "acc_param", "acc_tkd"):
            assert f"paper {paper.compression(task, 'overall', student, metric)}<" in shown
    assert shown.count("±") >= 30
    assert "demo scale" in shown and "source: measured" in shown
    assert str(ROOT) not in shown


def test_student_learns_something_from_the_demo_teacher(demo):
    store, _ = demo
    rows = [json.loads(path.read_text()) for path in store.glob("student-*.json")]
    accuracies = {}
    for row in rows:
        accuracies.setdefault(row["identity"]["student"], []).append(row["result"]["acc"])
    assert {"quantum", "tinybert", "minillm", "distilbert", "pkd", "linear", "textrcnn"} <= set(accuracies)
    assert max(accuracies["quantum"]) > 0.6 and max(accuracies["pkd"]) > 0.6


def test_every_score_is_that_of_the_texts_it_says(demo):
    """All rows of the demo report, from their stored logits or classes: students and controls on the test texts alone,
    a teacher on those of each part; the split and the metrics are scikit-learn's."""
    store, _ = demo
    faults, checked = score_faults(store, SCALES["demo"])
    assert not faults
    assert checked["teacher"] > 10 and checked["student"] > 500


def score_faults(store: Path, scale: Scale) -> tuple[list[str], Counter]:
    """The keys of rows whose scores are others than those of their logits or classes; how many were looked at."""
    sources = [Source(task, scale) for task in TASKS]
    corpora = {source.fingerprint: source.corpus for source in sources}
    faults, checked = [], Counter()
    for path in store.glob("*.json"):
        row = json.loads(path.read_text())
        identity, result = row["identity"], row["result"]
        data = data_of(identity)
        if identity["kind"] not in ("student", "teacher") or "predicted" not in result or "of" in identity:
            continue
        labels = corpora[data["fingerprint"]].labels
        numbers = np.arange(len(labels))
        _, rest = train_test_split(numbers, test_size=0.4, stratify=labels, random_state=data["split_seed"])
        held, test = train_test_split(rest, test_size=0.5, stratify=labels[rest], random_state=data["split_seed"])
        predicted = np.frombuffer(zlib.decompress(base64.b64decode(result["predicted"])), np.uint8)
        parts = [(test, result, predicted)]
        files = list(store.glob(f"{path.stem}.*.npz"))
        arrays = np.load(files[0]) if files else {}
        if identity["kind"] == "teacher":
            answers = arrays["logits"].argmax(axis=1)
            same = (answers[test] == predicted).all()
            parts.append((held, result["validation"], answers[held]))
        elif "test_logits" in arrays:
            same = (arrays["test_logits"].argmax(axis=1) == predicted).all()
        else:
            same = True
        checked[identity["kind"]] += 1
        for rows, scores, answer in parts:
            p, r, f1, _ = precision_recall_fscore_support(labels[rows], answer, average="macro", zero_division=0)
            expected = [accuracy_score(labels[rows], answer), p, r, f1]
            same = same and np.allclose([scores[name] for name in ("acc", "p", "r", "f1")], expected)
        if not same:
            faults.append(f"{path.stem} {identity.get('student')}")
    return faults, checked


def test_second_run_loads_and_computes_nothing(demo, tmp_path):
    store, _ = demo
    before = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    done = run_papermill("table4", tmp_path / "out.ipynb", "-p", "teacher", "minilm", QDLLM_STORE=str(store))
    assert done.returncode == 0, done.stderr[-1000:]
    shown = outputs(tmp_path / "out.ipynb")
    assert "0 computed now" in shown and "11 loaded from the store" in shown
    assert {path.name: path.stat().st_mtime_ns for path in store.iterdir()} == before


@pytest.mark.timeout(900)
def test_a_twin_goes_the_whole_path_beside_the_papers_values_for_its_model(demo, tmp_path):
    store, _ = demo
    parameters = ("-p", "teacher", "opt", "-p", "seeds", "1", "-p", "epochs", "2")
    done = run_papermill("table4", tmp_path / "out.ipynb", *parameters, QDLLM_STORE=str(store))
    assert done.returncode == 0, done.stderr[-1000:]
    shown = outputs(tmp_path / "out.ipynb")
    assert "OPT-6.7B, 1:1000 twin, 6.86M parameters" in shown and "class logits only" in shown
    for student in ("tinybert", "minillm", "distilbert", "pkd", "quantum"):
        assert f"paper {paper.compression('emotion', 'opt', student, 'acc')}<" in shown
