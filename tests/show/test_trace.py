"""From a number of a page to the rows behind it: what the page tells is in the published files themselves."""

import json
import re
from pathlib import Path
from statistics import mean

import pytest

from qdllm_utils.runs import recompute
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.show.book_extension import folded, trace
from qdllm_utils.show.frame import groups, rows

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "book" / "results"


def lines() -> list[dict]:
    return [json.loads(line) for path in sorted(RESULTS.glob("*.jsonl")) for line in path.read_text().splitlines()]


def asked(page: str) -> set[str]:
    return set(json.loads((ROOT / "book" / "executed" / f"{page}.json").read_text()).get("keys", []))


@pytest.mark.parametrize("page", ["table4", "table5", "table6", "timing"])
def test_the_rows_of_a_page_are_those_that_it_asked_for(page):
    published = {line["key"] for line in lines()}
    assert asked(page) & published == set(rows(page)["key"])
    assert len(rows(page)) > 0


@pytest.mark.parametrize("page", ["table5", "table6"])
def test_a_line_of_the_trace_is_the_mean_over_the_seeds_in_the_files(page):
    keys = set(rows(page)["key"])
    students = [row for row in lines() if row["key"] in keys and row["kind"] == "student"]
    found = groups(rows(page, kind="student")).to_dict("records")
    assert len(found) >= 5 and sum(line["seeds"] for line in found) == len(students)
    for line in found:
        same = [row for row in students if (row["student"], row["teacher"]) == (line["student"], line["teacher"])]
        if isinstance(line["embedder"], str):  # of the quantum student: a line for each reader
            same = [row for row in same if row["embedder"] == line["embedder"]]
        assert line["seeds"] == len(same)
        assert line["accuracy"] == pytest.approx(mean(row["result"]["acc"] for row in same), abs=1e-12)
        assert line["first_key"] == next(row["key"] for row in same if row["seed"] == 0)


def test_runs_that_differ_in_more_than_the_seed_have_different_words():
    found = groups(rows("deviations", kind="student"))
    assert set(found["seeds"]) == {5}  # of every switch, LoRA's rank among them
    assert found["changes"].tolist().count("teacher_rank=64") == 2


def test_the_page_names_both_commands_and_its_csv():
    text = trace("table5")
    key = next(part for part in text.split() if part.startswith("student-"))
    assert f"python -m qdllm_utils recompute {key}" in text and 'href="table5.csv"' in text
    assert "| mpnet |" in text and "@" not in text  # a reader is named in plain words


def test_a_page_without_rows_has_no_trace():
    assert trace("fig1") == "" and trace("no such page") == ""
    page = folded({"cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}]}, "fig1")
    assert [cell["id"] for cell in page["cells"]] == ["how-this-was-made"]


def test_the_frame_to_play_with_is_in_the_notebook_and_its_code_on_the_page():
    notebook = json.loads((ROOT / "book" / "executed" / "table5.ipynb").read_text(encoding="utf-8"))
    (frame,) = [cell for cell in notebook["cells"] if "frame" in cell["metadata"].get("tags", [])]
    assert 'class="dataframe"' in str(frame["outputs"])
    page = folded(notebook, "table5")["cells"]
    assert 'class="dataframe"' not in str([cell.get("outputs") for cell in page])
    (made,) = [cell for cell in page if cell["id"] == "how-this-was-made"]
    assert "frame.groupby(" in made["source"]


# --- the referee's test: from a number on a page to its rows, and from a row to the run that would make it again ---

TRACED = [
    "headline",
    "table4",
    "table5",
    "table6",
    "table7",
    "table8",
    "controls",
    "bytes",
    "ceiling",
    "surrogate",
    "fig5",
    "splits",
    "few_labels",
    "alternatives",
    "designs",
    "fig4",
    "deviations",
    "features",
]


def shown(page: str) -> str:
    """What a reader sees on a page: the HTML of its outputs and its findings."""
    notebook = json.loads((ROOT / "book" / "executed" / f"{page}.ipynb").read_text(encoding="utf-8"))
    cells = folded(notebook)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = json.loads((ROOT / "book" / "executed" / f"{page}.json").read_text(encoding="utf-8"))["findings"]
    return " ".join(["".join(output.get("data", {}).get("text/html", "")) for output in outputs] + found)


def number_of(page: str) -> dict:
    """The first line of the page's trace whose number stands on the page, as a fraction or in percent."""
    text, found = shown(page), groups(rows(page, kind="student"))
    for line in found[found["stored_as"].isna()].to_dict("records"):
        value = line["accuracy"]
        if re.search(rf"(?<![\d.])({value:.4f}|{100 * value:.1f})(?!\d)", text):
            return line
    raise AssertionError(f"no number of {page} is that of its rows")


def test_every_page_with_rows_is_in_the_referees_list():
    pages = {path.stem for path in (ROOT / "book" / "executed").glob("*.json") if trace(path.stem)}
    assert pages == set(TRACED)


@pytest.mark.parametrize("page", TRACED)
def test_a_number_of_the_page_leads_to_its_rows(page):
    line = number_of(page)
    published = {one["key"]: one for one in lines()}
    row = published[line["first_key"]]
    labels = ("kind", "task", "teacher", "embedder", "preset", "changes", "student", "stored_as")
    keys = set(rows(page)["key"])  # the rows that differ in nothing but the seed, read from the files themselves
    same = [one for one in published.values() if one["key"] in keys and all(one[name] == row[name] for name in labels)]
    assert line["seeds"] == len(same)
    assert line["accuracy"] == pytest.approx(mean(one["result"]["acc"] for one in same), abs=1e-12)
    assert line["first_key"] in trace(page) and re.search(r"recompute \S+-[0-9a-f]{20}\n", trace(page))


@pytest.mark.parametrize("page", TRACED)
def test_the_key_leads_to_the_run_that_would_make_it_again(page, monkeypatch):
    """All that `recompute KEY` does but the training, which would take minutes: what it would run has the key."""
    asked_for = []

    def instead_of_training(experiment, identity):
        asked_for.append(key_of(identity))
        return Row(identity, Store().load(identity).result, {})

    monkeypatch.setattr(recompute, "trained", instead_of_training)
    key = number_of(page)["first_key"]
    assert "the same to the last bit" in recompute.recompute(key).sentence
    assert asked_for == [key]
