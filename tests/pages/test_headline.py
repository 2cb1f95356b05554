"""Each number of the first screen, computed again from the published rows by another way than the page's."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from qdllm_utils.config import SCALES
from qdllm_utils.learning.metrics import unpacked
from qdllm_utils.pages.headline import to_compare
from qdllm_utils.parameters import Parameters
from qdllm_utils.show import paper
from qdllm_utils.texts.sources import Source, split

ROOT = Path(__file__).parents[2]
BOX = (ROOT / "book" / "answer.md").read_text(encoding="utf-8")
RECORD = json.loads((ROOT / "book" / "executed" / "headline.json").read_text())
TASKS = {"emotion": "emotion analysis", "hiding": "hiding detection", "thematic": "thematic analysis"}


def lines() -> list[dict]:
    """Every published row that the headline page asked for."""
    keys = set(RECORD["keys"])
    found = [
        json.loads(line)
        for path in (ROOT / "book" / "results").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return [row for row in found if row["key"] in keys]


ROWS = lines()


def ten(task: str, student: str, embedder: str = "mpnet", teacher: str = "minilm") -> list[dict]:
    """The ten seeds of one student at preset tuned: of all learning rates only the chosen one has ten."""
    same: dict[str, list[dict]] = {}
    for row in ROWS:
        place = (row["kind"], row["task"], row["student"], row["embedder"], row["teacher"], row["preset"])
        if place == ("student", task, student, embedder, teacher, "tuned"):
            same.setdefault(row["changes"], []).append(row)
    (found,) = [rows for rows in same.values() if len(rows) == 10]
    return sorted(found, key=lambda row: row["seed"])


def right(rows: list[dict], task: str) -> np.ndarray:
    """Whether each seed is right on each test text, (S, N)."""
    (labels,) = [row for row in ROWS if row["kind"] == "labels" and row["task"] == task]
    truth = unpacked(labels["result"]["test"])
    return np.array([unpacked(row["result"]["predicted"]) == truth for row in rows])


def redrawn(points: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean of (S, N) by redrawing seeds and texts with replacement."""
    generator = np.random.default_rng(1)
    seeds, texts = points.shape
    means = [
        points[generator.integers(0, seeds, seeds)][:, generator.integers(0, texts, texts)].mean() for _ in range(4000)
    ]
    return tuple(np.percentile(means, [2.5, 97.5]))


@pytest.mark.parametrize("task", TASKS)
def test_accuracies_of_the_box_are_those_of_the_rows(task):
    title = TASKS[task]
    found = re.search(rf"{title} ([\d.]+) \[([\d.]+), ([\d.]+)\]%, the paper ([\d.]+)%, a linear probe ([\d.]+)%", BOX)
    mean, low, high, printed, probe = map(float, found.groups())
    points = 100 * right(ten(task, "quantum"), task)
    assert mean == pytest.approx(points.mean(), abs=0.0501)
    assert mean == pytest.approx(100 * np.mean([row["result"]["acc"] for row in ten(task, "quantum")]), abs=0.0501)
    assert probe == pytest.approx(100 * np.mean([row["result"]["acc"] for row in ten(task, "linear")]), abs=0.0501)
    assert printed == pytest.approx(100 * float(paper.compression(task, "overall", "quantum", "acc")), abs=0.0501)
    # the page takes the variance of this bootstrap in closed form and a t quantile: a little wider, never narrower
    assert np.allclose([low, high], redrawn(points), atol=0.3)


@pytest.mark.parametrize(("other", "words"), [("cosine", "a plain cosine"), ("linear", "a linear probe")])
def test_differences_of_the_box_are_those_of_the_rows(other, words):
    sentence = next(part for part in BOX.split("Against ") if words in part.split(" QD-LLM ")[0])
    told = [tuple(map(float, found)) for found in re.findall(r"([+-][\d.]+) \[([+-][\d.]+), ([+-][\d.]+)\]", sentence)][
        :3
    ]
    ahead, behind, number = map(
        int, re.search(r"ahead on (\d) and certainly behind on (\d) of (\d)", sentence).groups()
    )
    assert number == 3 and len(told) == 3
    for (mean, low, high), task in zip(told, TASKS, strict=True):
        points = 100 * (right(ten(task, "quantum"), task).astype(float) - right(ten(task, other), task))
        assert mean == pytest.approx(points.mean(), abs=0.0501)
        narrow = redrawn(points)  # of one comparison; the box's is for a family of six, so it is wider
        assert low < narrow[0] + 0.05 and high > narrow[1] - 0.05
    assert ahead == sum(low > 0 for _, low, _ in told) and behind == sum(high < 0 for *_, high in told)


def test_a_task_that_nobody_reads_is_a_sentence(refused):
    asked = Parameters({"embedders": "qwen@hiding, mpnet@thematic"})
    assert asked.readers_of("hiding") == ("qwen",)
    with refused("names none for emotion"):
        asked.readers_of("emotion")


def test_teachers_that_cannot_be_compared_are_a_sentence(refused):
    asked = {"tasks": "all", "scale": "cpu"}
    several = to_compare(Parameters(asked | {"teachers": "minilm, mpnet@emotion, qwen@hiding"}))
    assert several == {"emotion": ("minilm", "mpnet"), "hiding": ("minilm", "qwen")}
    assert to_compare(Parameters(asked | {"teachers": None})) == {}
    for teachers in ("mpnet", "mpnet@emotion, qwen@hiding"):
        with refused("two or more for a task"):
            to_compare(Parameters(asked | {"teachers": teachers}))


PAGE = json.loads((ROOT / "book" / "executed" / "headline.ipynb").read_text())["cells"]
TABLE = next(
    html
    for cell in PAGE
    for output in cell.get("outputs", [])
    if "taught by one teacher after another" in (html := "".join(output.get("data", {}).get("text/html", "")))
)
LADDERS = {
    task: re.findall(
        r'<th scope="row">([^<]*).*?</th><td>([\d.]+)</td><td>[\d,]+</td><td>([\d.]+) .*?</td><td>(.*?)</td>', group
    )
    for task, title in TASKS.items()
    for group in TABLE.split("<span>")
    if group.startswith(f"{title.capitalize()}, on states of MPNet, 12 × 768")
}


@pytest.mark.parametrize("task", LADDERS)
def test_the_ladders_of_teachers_are_those_of_the_rows(task):
    names = {row["teacher"]: short(row["teacher"]) for row in ROWS if row["kind"] == "teacher" and row["task"] == task}
    found = {shown: numbers for shown, *numbers in LADDERS[task]}
    assert set(found) == set(names.values()) and len(found) > 1
    students = {shown: 100 * right(ten(task, "quantum", teacher=name), task) for name, shown in names.items()}
    (told,) = re.findall(rf"{TASKS[task]}, ([^;]*?)(?:;| points beside)", BOX.split("a better teacher make")[1])
    for name, shown in names.items():
        (own,) = [row for row in ROWS if (row["kind"], row["task"], row["teacher"]) == ("teacher", task, name)]
        *values, difference = found[shown]
        assert [float(value) for value in values] == pytest.approx(
            [100 * own["result"]["acc"], students[shown].mean()], abs=0.0501
        )
        if shown == "MiniLM":
            assert difference == "reference"
            continue
        for text in (difference, told.split(f"{shown} ")[1]):
            gain = float(re.match(r"([+-][\d.]+) \[", text)[1])
            assert gain == pytest.approx((students[shown] - students["MiniLM"]).mean(), abs=0.0501)


def short(name: str) -> str:
    """The name in the sentences of a teacher in a row."""
    return next(shown for part, shown in SHOWN.items() if part in name.lower())


SHOWN = {"qwen": "Qwen2.5-Coder-1.5B", "mpnet": "MPNet", "minilm": "MiniLM"}


def test_every_task_has_a_ladder():
    assert set(LADDERS) == set(TASKS)


def test_trained_parameters_are_the_papers_on_real_texts():
    """9,275 for two classes and 9,299 for four, read out of rows at preset paper on MPNet's 768 numbers."""
    for task, printed in (("emotion", 9_275), ("hiding", 9_275), ("thematic", 9_299)):
        sizes = {
            row["result"]["parameters"]
            for row in ROWS
            if (row["task"], row["student"], row["embedder"], row["preset"]) == (task, "quantum", "mpnet", "paper")
        }
        assert sizes == {printed}


@pytest.mark.parametrize("task", TASKS)
def test_accuracy_without_near_repeats_is_that_of_the_rows(task):
    (row,) = [row for row in ROWS if row["kind"] == "near repeats" and row["task"] == task]
    near = unpacked(row["result"]["test"]) == 1
    page = (ROOT / "book" / "executed" / "headline.ipynb").read_text(encoding="utf-8")
    html = next(
        "".join(output["data"]["text/html"])
        for cell in json.loads(page)["cells"]
        for output in cell.get("outputs", [])
        if "<table" in "".join(output.get("data", {}).get("text/html", []))
    )
    share = re.search(rf"training text of which they share .*?{TASKS[task]} (\d+)%", html)
    group = html[html.index(f"<span>{TASKS[task].capitalize()}") :]
    line = re.search(r"QD-LLM, preset tuned<br><span[^>]*>reads MPNet.*?</tr>", group)[0]
    apart = re.findall(r"<td>([\d.]+) \[", line)[1]
    assert int(share[1]) == round(100 * near.mean())
    points = 100 * right(ten(task, "quantum"), task)
    assert float(apart) == pytest.approx(points[:, ~near].mean(), abs=0.0501)


def test_near_repeats_are_those_of_all_pairs(authors_data):
    (row,) = [row for row in ROWS if row["kind"] == "near repeats" and row["task"] == "hiding"]
    source = Source("hiding", SCALES["cpu"], str(authors_data))
    parts = split(source.corpus.labels, 0)
    cut = [" ".join(text.casefold().split()) for text in source.corpus.texts]
    grams = [{text[place : place + 5] for place in range(len(text) - 4)} for text in cut]
    train = [grams[number] for number in parts["train"]]

    def repeats(own: set[str]) -> bool:
        return any(2 * len(own & other) >= len(own | other) for other in train if other and own)

    found = [repeats(grams[number]) for number in parts["test"]]
    assert (unpacked(row["result"]["test"]) == 1).tolist() == found


def test_the_answer_counts_better_teachers_and_others():
    counts = {True: [0, 0], False: [0, 0]}  # better than the first or not: teachers, those with a certain effect
    for (_, least, *_), *others in LADDERS.values():
        for _, own, _, difference in others:
            low, high = (float(end) for end in re.findall(r"[+-][\d.]+", difference)[1:])
            better = float(own) > float(least)
            counts[better][0] += 1
            counts[better][1] += low > 0 if better else high < 0
    (n_better, gain), (n_others, loss) = counts[True], counts[False]
    words = {0: "none makes", 1: "one makes"}
    told = f"Of {n_better} teachers that are better than the first of their task {words.get(gain, f'{gain} make')} "
    told += f"QD-LLM certainly better, of {n_others} that are not {words.get(loss, f'{loss} make')} it certainly worse"
    assert n_others and told in BOX
