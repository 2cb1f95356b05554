"""The published results' metadata, read back by the library and held against the files."""

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from qdllm_utils.show import crate

BOOK = Path(__file__).parents[2] / "book"
RESULTS = BOOK / "results"


@pytest.fixture(scope="module")
def read() -> ROCrate:
    return ROCrate(RESULTS)


def test_every_file_of_the_results_is_described_with_its_hash(read):
    described = {entity.id: entity for entity in read.get_by_type("File")}
    there = {path.name for path in RESULTS.iterdir() if path.name != crate.NAME}
    assert there and set(described) == there
    for name in there:
        content = (RESULTS / name).read_bytes()
        assert described[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert described[name]["contentSize"] == str(len(content))
        assert described[name]["license"].id == crate.LICENCE
    parts = {part.id for part in read.root_dataset["hasPart"]}
    assert there <= parts


def test_the_commits_of_a_file_are_those_of_its_rows(read):
    lines = [json.loads(line) for line in (RESULTS / "table5-hiding.jsonl").read_text().splitlines()]
    text = read.get("table5-hiding.jsonl")["description"]
    assert text.partition(" at commit ")[2].rstrip(".").split(", ") == sorted(
        {line["provenance"]["commit"] for line in lines}
    )
    assert f" {len(lines)} rows," in text


def test_every_page_with_published_rows_is_a_notebook_and_names_its_files(read):
    runs = {entity.id.removeprefix("#run-"): entity for entity in read.get_by_type("CreateAction")}
    assert {"headline", "table4", "controls"} <= set(runs)
    for page, run in runs.items():
        record = json.loads((BOOK / "executed" / f"{page}.json").read_text())
        assert run["instrument"]["name"] == f"notebooks/{page}.ipynb"
        assert run["instrument"]["version"] == record["commit"]
        homes = {path.name for path in RESULTS.glob("*.jsonl") if set(record["keys"]) & keys_of(path)}
        assert {entity.id for entity in run["object"]} == homes


@cache
def keys_of(path: Path) -> set[str]:
    return {json.loads(line)["key"] for line in path.read_text().splitlines()}


def test_the_same_files_give_the_same_text_and_another_row_another(tmp_path):
    assert crate.metadata(BOOK) == (RESULTS / crate.NAME).read_text(encoding="utf-8")
    shutil.copytree(BOOK / "executed", tmp_path / "executed")
    shutil.copytree(RESULTS, tmp_path / "results")
    crate.write(tmp_path)
    assert (tmp_path / "results" / crate.NAME).read_bytes() == (RESULTS / crate.NAME).read_bytes()
    changed = tmp_path / "results" / "surrogate-hiding.jsonl"
    changed.write_bytes(changed.read_bytes().splitlines(keepends=True)[0])
    assert crate.metadata(tmp_path) != (RESULTS / crate.NAME).read_text(encoding="utf-8")
