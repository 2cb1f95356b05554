"""The status records and page, and how the report writes and publishes them."""

import json

import nbformat
import papermill
import pytest

from qdllm_utils import report
from qdllm_utils.config import TASKS
from qdllm_utils.runs import provenance
from qdllm_utils.runs.published import Published
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import origin, record
from qdllm_utils.show.html_table import sentences
from qdllm_utils.show.verdicts import Verdict
from qdllm_utils.texts.sources import authors_fingerprint

ROW = {
    "source": "measured",
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc123",
    "peak_memory_mb": 12,
    "machine": {"processor": "a processor", "cores": 2, "gpu": None},
    "versions": {"python": "3.11"},
}


def notebook(path, heading, *outputs):
    cells = [nbformat.v4.new_markdown_cell(heading)]
    for text in outputs:
        data, facts = text._repr_mimebundle_() if hasattr(text, "_repr_mimebundle_") else ({"text/html": text}, {})
        output = nbformat.v4.new_output("display_data", data=data, metadata=facts)
        cells.append(nbformat.v4.new_code_cell("x", outputs=[output]))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_rows_are_read_out_of_the_executed_notebook(tmp_path):
    """Two strips, made as a notebook makes them: three rows loaded and two computed, then none."""
    store = Store(tmp_path / "store")
    rows = [Row({"kind": "student", "seed": seed}, {}, ROW) for seed in range(5)]
    store.loaded |= {row.key for row in rows[:3]}
    store.computed |= {row.key for row in rows[3:]}
    page = tmp_path / "executed" / "table4.ipynb"
    notebook(
        page,
        "# Table 4: emotion",
        origin.of_rows(rows, store, "cpu"),
        origin.of_this_run("counted"),
    )
    found = record.record(page, "cpu", 12.34)
    assert (found["loaded"], found["computed"], found["demo"]) == (3, 2, False)
    assert found["keys"] == sorted(row.key for row in rows)
    assert (found["scale"], found["seconds"], found["commit"]) == ("cpu", 12.3, provenance.commit())
    assert found["machine"] == provenance.machine() and found["versions"] == provenance.versions()


def test_page_lists_every_record_with_a_link_and_the_slowest(tmp_path):
    for number, seconds in enumerate((3, 50, 7, 20, 9, 11)):
        page = tmp_path / f"page{number}.ipynb"
        notebook(page, f"(label)=\n# Title {number}\n\nmore" if number else "# Title 0")
        record.write_record(page, "demo", seconds)
    shown = record.page(tmp_path)
    for number in range(6):
        assert f"| {{doc}}`Title {number} <executed/page{number}>` | demo | 0 | 0 |" in shown
    assert "100 s in all; the slowest: page1 50 s, page3 20 s, page5 11 s, page4 9 s, page2 7 s." in shown
    assert "torch" in shown


def test_findings_are_the_sentences_of_the_verdicts_and_a_demo_has_none(tmp_path):
    one, two = Verdict("reproduced", "5 < 6, as it must.", "5 < 6."), sentences(["First.", "Second."], demo=False)
    for name, scale, outputs in (("a", "cpu", [one, two]), ("b", "demo", [one]), ("c", "cpu", ["<p>no verdict</p>"])):
        page = tmp_path / f"{name}.ipynb"
        notebook(page, f"# Title {name}", *outputs)
        record.write_record(page, scale, 1)
    shown = record.findings(tmp_path)
    assert "\n* **{doc}`Title a <executed/a>`**\\\n  Reproduced: 5 < 6.\n" in shown and "First." not in shown
    assert "finds nothing: {doc}`Title b <executed/b>`.\n" in shown
    assert "show and find nothing: {doc}`Title c <executed/c>`." in shown


def test_page_without_records_says_so(tmp_path):
    assert "No page has a record yet" in record.page(tmp_path)


def test_published_status_is_that_of_the_published_records():
    assert (report.ROOT / "book" / "status.md").read_text() == record.page(report.ROOT / "book" / "executed")


@pytest.mark.parametrize("stands", [True, False], ids=["a real page stands", "no page stands"])
def test_a_record_is_published_with_its_page_or_not_at_all(tmp_path, monkeypatch, stands):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    executed, book = tmp_path / "executed", tmp_path / "book"
    notebook(executed / "a.ipynb", "# A")
    record.write_record(executed / "a.ipynb", "demo", 5)
    if stands:
        notebook(book / "executed" / "a.ipynb", "# A")
        record.write_record(book / "executed" / "a.ipynb", "cpu", 99)
    report.publish(sorted(executed.glob("*.ipynb")), book)
    kept = json.loads((book / "executed" / "a.json").read_text())
    assert kept["scale"] == ("cpu" if stands else "demo")
    assert ("99 s in all" if stands else "5 s in all") in (book / "status.md").read_text()


def test_only_rows_that_the_page_used_are_published_and_none_of_a_changed_tree(tmp_path, monkeypatch, refused):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    store, book, page = Store(tmp_path / "store"), tmp_path / "book", tmp_path / "executed" / "table5.ipynb"
    data = {"fingerprint": authors_fingerprint(TASKS["hiding"])}
    rows = [
        Row({"kind": "student", "student": "tfidf", "seed": seed, "data": data}, {"acc": 0.5}, ROW) for seed in range(3)
    ]
    for row in rows:
        store.save(row)
    store.loaded, store.computed = {rows[0].key}, {rows[1].key}  # the third lies in the store and is not asked for
    notebook(page, "# Table 5", origin.of_rows(rows[:2], store, "cpu"))
    record.write_record(page, "cpu", 1)
    report.publish([page], book)
    assert set(Published(book / "results").lines) == {rows[0].key, rows[1].key}
    store.save(Row(rows[1].identity, {"acc": 0.6}, ROW | {"commit": "abc123+"}))
    with refused(rows[1].key, "uncommitted changes"):
        report.publish([page], book)
    store.loaded, store.computed = {rows[0].key}, set()
    notebook(page, "# Table 5", origin.of_rows(rows[:1], store, "cpu"))
    record.write_record(page, "cpu", 1)
    report.publish([page], book)
    assert set(Published(book / "results").lines) == {rows[0].key}


def test_the_box_of_the_first_screen_holds_the_headlines_sentences_and_a_demo_says_that_it_finds_nothing(tmp_path):
    page = tmp_path / "headline.ipynb"
    notebook(page, "# The answer", sentences(["It is 1 < 2."], demo=False))
    record.write_record(page, "cpu", 1)
    assert "- It is 1 < 2.\n" in record.answer(tmp_path)
    record.write_record(page, "demo", 1)
    assert "1 < 2" not in record.answer(tmp_path) and "the demo scale finds nothing" in record.answer(tmp_path)


@pytest.mark.parametrize(("demo", "there"), [(True, False), (False, True)])
def test_the_first_screen_shows_the_headline_figure_unless_it_is_a_demo(tmp_path, demo, there):
    page = tmp_path / "headline.ipynb"
    output = nbformat.v4.new_output("display_data", data={"image/svg+xml": "<svg>the figure</svg>"})
    cells = [nbformat.v4.new_markdown_cell("# Headline"), nbformat.v4.new_code_cell("x", outputs=[output])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), page)
    page.with_suffix(".json").write_text(json.dumps({"demo": demo, "findings": ["It is so."]}))
    assert (record.answer_figure(tmp_path) == "<svg>the figure</svg>") is there
    assert ("figures/answer.svg" in record.answer(tmp_path)) is there
    assert ("It is so." in record.answer(tmp_path)) is there


def test_every_notebook_of_a_report_gets_the_scale_and_what_else_it_declares(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        report, "execute_all", lambda runs, *_: asked.update({r.path: r.parameters for r in runs}) or []
    )
    monkeypatch.setattr(report, "build_book", lambda *_, **__: None)
    report.run("cpu", {"teacher": "minilm"}, False, build=tmp_path / "build")
    assert len(asked) == len(list((report.ROOT / "notebooks").glob("*.ipynb")))
    for path, parameters in asked.items():
        declared = papermill.inspect_notebook(str(path))
        assert parameters == {k: v for k, v in {"scale": "cpu", "teacher": "minilm"}.items() if k in declared}
