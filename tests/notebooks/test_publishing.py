"""What the report refuses, and what it publishes: no demo page over another, no demo row, arrays of some rows only."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest

from qdcircuits.errors import InputError
from qdllm_utils import report
from qdllm_utils.config import TASKS, knobs
from qdllm_utils.runs import store as store_module
from qdllm_utils.runs.published import Published
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import record
from qdllm_utils.texts.sources import authors_fingerprint


def test_report_refuses_an_unknown_notebook():
    with pytest.raises(InputError, match="Unknown notebook 'table9'"):
        report.run("demo", {}, publishing=False, only=("table9",))


def test_report_refuses_an_unknown_parameter():
    with pytest.raises(InputError, match="Unknown parameter 'techer'"):
        report.run("demo", {"techer": "opt"}, publishing=False)


def put(folder: Path, name: str, scale: str, keys: list[str]) -> Path:
    """An executed notebook without cells, and its record."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {name} at {scale}")]), page)
    record.write_record(page, scale, 1)
    facts = json.loads(page.with_suffix(".json").read_text()) | {"keys": keys}
    page.with_suffix(".json").write_text(json.dumps(facts))
    return page


def test_a_demo_page_never_replaces_another_and_a_demo_row_is_never_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    executed, book, store = tmp_path / "executed", tmp_path / "book", Store()
    rows = [
        Row({"kind": "teacher", "data": {"fingerprint": fingerprint}}, {}, {"commit": "abc"})
        for fingerprint in ("generated texts", authors_fingerprint(TASKS["hiding"]))
    ]
    for row in rows:
        store.save(row)
    put(book / "executed", "a", "cpu", [])
    pages = [put(executed, name, "demo", [row.key for row in rows]) for name in ("a", "b")]
    report.publish(pages, book)
    assert "# a at cpu" in (book / "executed" / "a.ipynb").read_text()
    assert "# b at demo" in (book / "executed" / "b.ipynb").read_text()
    assert "a.ipynb: the page that stands" in capsys.readouterr().out
    (published,) = (book / "results").glob("*.jsonl")  # one line, of the authors' texts
    assert "b.ipynb" in (book / "results" / "ro-crate-metadata.json").read_text()
    assert [json.loads(line)["key"] for line in published.read_text().splitlines()] == [rows[1].key]
    report.publish([put(executed, "b", "cpu", [rows[1].key])], book)  # a real page takes a demo's place
    assert "# b at cpu" in (book / "executed" / "b.ipynb").read_text()


def test_arrays_are_published_of_the_tables_students_at_a_preset_and_of_no_other_arm(tmp_path, monkeypatch):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    data = {"data": {"fingerprint": authors_fingerprint(TASKS["hiding"])}}
    student = data | {"kind": "student", "seed": 0}
    tuned, other = knobs("tuned", pooling="middle").identity, knobs("tuned", learning_rate=0.1).identity
    whole = [
        data | {"kind": "teacher"},
        data | {"kind": "surrogate"},
        student | {"student": "pkd"},
        student | {"student": "quantum", "knobs": tuned},
    ]
    bare = [student | {"student": "quantum", "knobs": other}, student | {"student": "linear", "knobs": tuned}]
    scores = dict.fromkeys(("acc", "p", "r", "f1", "validation"), 0.5) | {"parameters": 9, "size": "small"}
    about = {"name": "minilm", "classes": [], "cleaning": "", "rows": {}, "validation": {}}
    results = {"student": scores, "teacher": scores | about, "surrogate": {}}
    arrays = {"weights": np.ones(2), "logits": np.ones((2, 2))}
    rows = [Row(one, results[one["kind"]], {"commit": "abc"}, arrays) for one in whole + bare]
    store, book = Store(), tmp_path / "book"
    for row in rows:
        store.save(row)
    report.publish([put(tmp_path / "executed", "table5", "cpu", [row.key for row in rows])], book)
    published = Published(book / "results")
    assert set(published.lines) == {row.key for row in rows}
    assert set(published.archives) == {row.key for row in rows[: len(whole)]}
    monkeypatch.setattr(store_module, "PUBLISHED", book / "results")
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "empty"))
    assert all(Store().load(identity) for identity in whole + bare)
