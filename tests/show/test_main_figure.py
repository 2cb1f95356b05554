"""The numbers of the figure to choose from, against the lines of the published files themselves."""

import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import mean

import pytest

from qdllm_utils.runs.jobs import BASELINES, ON_EMBEDDINGS
from qdllm_utils.runs.tuning import LEARNING_RATES, Arm
from qdllm_utils.show import main_figure
from qdllm_utils.texts.pretrained import PINNED

BOOK = Path(__file__).parents[2] / "book"
LABELS = ("kind", "task", "teacher", "embedder", "preset", "student", "stored_as")


@pytest.fixture(scope="module")
def lines() -> dict[str, dict]:
    texts = [line for path in sorted((BOOK / "results").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return {row["key"]: row for row in map(json.loads, texts)}


@pytest.fixture(scope="module")
def data() -> dict:
    return main_figure.everything(BOOK / "results")


@pytest.fixture(scope="module")
def groups(lines) -> dict[tuple, list[dict]]:
    """The rows that differ in their seeds alone, by their labels and changes."""
    found = defaultdict(list)
    for row in lines.values():
        found[labels_of(row, row["changes"])].append(row)
    return found


def labels_of(row: dict, changes: str) -> tuple:
    """What the row and its like have, with these changes in place of its own."""
    return (*(row[name] for name in LABELS), changes)


def test_every_value_is_the_mean_of_its_rows(data, lines, groups):
    assert len(data["points"]) > 100
    for point in data["points"]:
        first = lines[point["key"]]
        rows = groups[labels_of(first, first["changes"])]
        assert (point["seeds"], first["seed"]) == (len(rows), 0)
        assert (point["task"], point["teacher"], point["reader"]) == (
            first["task"],
            first["teacher"],
            first["embedder"],
        )
        assert point["trained"] == first["result"]["parameters"]
        for metric in set(main_figure.METRICS) & set(point):
            middle, low, high = point[metric]
            assert middle == pytest.approx(100 * mean(row["result"][metric] for row in rows), abs=6e-4)
            assert low is high is None or low <= middle <= high


def test_of_the_learning_rates_the_one_that_validation_prefers_is_shown(data, lines, groups):
    tuned = [point for point in data["points"] if point["preset"] == "tuned"]
    assert len(tuned) > 50
    for point in tuned:
        first = lines[point["key"]]
        others = re.sub("learning_rate=[^,]+(, )?", "", first["changes"])
        found = {}
        for rate in LEARNING_RATES:
            named = {"learning_rate": str(rate)} if rate != 0.003 else {}  # the preset's own is not named
            changes = dict(part.split("=") for part in others.split(", ")) | named
            words = ", ".join(f"{name}={value}" for name, value in sorted(changes.items()))
            if rows := groups.get(labels_of(first, words)):
                found[words] = mean(row["result"]["validation"] for row in rows if row["seed"] < 3)
        assert found[first["changes"]] == max(found.values())


def test_at_preset_paper_each_arm_has_the_scaling_that_validation_prefers(data, lines, groups):
    shown = [point for point in data["points"] if point["preset"] == "paper" and point["family"] != "baseline"]
    both = 0
    for point in shown:
        first = lines[point["key"]]
        kept = [part for part in first["changes"].split(", ") if part and not part.startswith("standardise")]
        found = {}
        for scaling in ([], ["standardise=True"]):
            words = ", ".join(sorted(kept + scaling))
            if rows := groups.get(labels_of(first, words)):
                found[words] = mean(row["result"]["validation"] for row in rows if row["seed"] < 3)
        assert found[first["changes"]] == max(found.values())
        both += len(found) == 2
    assert both > 10


def test_the_numbers_are_those_of_the_first_screen(data):
    box = (BOOK / "answer.md").read_text(encoding="utf-8")
    for task, title in data["tasks"].items():
        (point,) = [
            one for one in data["points"]
            if (one["task"], one["teacher"], one["reader"], one["preset"], one["family"])
            == (task, "minilm", "mpnet", "tuned", "quantum")
        ]  # fmt: skip
        middle, low, high = point["acc"]
        (paper,) = [one["acc"] for one in data["paper"] if one["task"] == task]
        assert f"{title.lower()} {middle:.1f} [{low:.1f}, {high:.1f}]%, the paper {paper:.1f}%" in box


def test_what_is_deployed_holds_the_reader(data, lines):
    frozen = main_figure.READER_PARAMETERS
    for row in lines.values():
        if row["kind"] == "teacher" and row["teacher"] in frozen:  # a fine-tuned reader: its head apart
            width = {"minilm": 384, "mpnet": 768, "qwen": 1536}[row["teacher"]]
            classes = len(row["result"]["classes"])
            heads = {(width + 1) * classes, width * classes}
            assert row["result"]["parameters"] - frozen[row["teacher"]] in heads
    assert 0 < PINNED["mpnet"].size - 4 * frozen["mpnet"] < 100_000  # the file has a header
    for point in data["points"]:
        assert point["deployed"] - point["stored"] == 4 * frozen.get(point["reader"], 0)


def test_arms_are_called_as_on_the_other_pages():
    for student in main_figure.CONTROLS:
        for distilled in (True, False):
            arm = main_figure.Arm("hiding", "minilm", "mpnet", "tuned", student, distilled)
            assert arm.title == Arm(student, distilled).title
    assert set(main_figure.CONTROLS) <= set(ON_EMBEDDINGS) and set(main_figure.BASELINES) == set(BASELINES)


def test_the_script_is_read_back(data):
    text = main_figure.script(data)
    assert main_figure.read(text) == data and "<" not in text


def test_nothing_is_made_of_an_empty_folder(tmp_path):
    assert main_figure.everything(tmp_path)["points"] == []
