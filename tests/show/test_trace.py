"""From a number of a page to the rows behind it: what the page tells is in the published files themselves."""

import json
from pathlib import Path
from statistics import mean

import pytest

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
        same = [row for row in students if row["student"] == line["student"]]
        if isinstance(line["embedder"], str):  # of the quantum student: a line for each reader
            same = [row for row in same if row["embedder"] == line["embedder"]]
        assert line["seeds"] == len(same)
        assert line["accuracy"] == pytest.approx(mean(row["result"]["acc"] for row in same), abs=1e-12)
        assert line["first_key"] == next(row["key"] for row in same if row["seed"] == 0)


def test_the_page_names_both_commands_and_its_csv():
    text = trace("table5")
    key = next(part for part in text.split() if part.startswith("student-"))
    assert f"python -m qdllm_utils recompute {key}" in text and 'href="table5.csv"' in text
    assert "| mpnet |" in text and "@" not in text  # a reader is named in plain words


def test_a_page_without_rows_has_no_trace():
    assert trace("fig1") == "" and trace("no such page") == ""
    page = folded({"cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": []}]}, "fig1")
    assert [cell["id"] for cell in page["cells"]] == ["how-this-was-made"]
