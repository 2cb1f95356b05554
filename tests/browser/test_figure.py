"""The main figure to choose from: driven by the keyboard, its values held against its data, without scripts too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qdllm_utils.show import main_figure


@pytest.fixture(scope="module")
def data(html: Path) -> dict[str, Any]:
    return main_figure.read((html / "figure" / "rows.js").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["intro", "executed/headline"])
def page(request: pytest.FixtureRequest, browser: Any, html: Path) -> Iterator[Any]:
    """The page, opened as a file, as a reader without a network would."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto((html / f"{request.param}.html").as_uri())
    opened.wait_for_selector("#qdllm-figure table", state="attached")
    yield opened
    opened.close()


def pick(page: Any, label: str, value: str) -> None:
    """Choose an option with the arrow keys alone."""
    box = page.get_by_label(label, exact=True)
    box.focus()
    page.keyboard.press("Home")
    for _ in range(10):
        if box.input_value() == value:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{label} has no {value}")


def told(values: list[float | None]) -> str:
    """A value as the page prints it."""
    mean, low, high = values
    return f"{mean:.1f}" + ("" if low is None else f" [{low:.1f}, {high:.1f}]")


@pytest.mark.parametrize(
    ("task", "teacher", "reader", "preset", "metric", "size"),
    [
        ("hiding", "minilm", "mpnet", "tuned", "acc", "trained"),
        ("hiding", "qwen", "qwen", "tuned", "f1", "deployed"),
        ("thematic", "minilm", "minilm", "paper", "validation", "stored"),
        ("hiding", "minilm", "minilm", "released", "f1", "trained"),
    ],
)
def test_the_keyboard_chooses_and_the_values_are_the_datas(page, data, task, teacher, reader, preset, metric, size):
    chosen = {"Task": task, "Teacher": teacher, "Reader": reader, "Preset": preset, "Metric": metric, "Against": size}
    for label, value in chosen.items():
        pick(page, label, value)
    expected = [
        one
        for one in data["points"]
        if one["task"] == task and metric in one and one["family"] != "control"
        and one["teacher"] in (None, teacher) and one["reader"] in (None, reader) and one["preset"] in (None, preset)
    ]  # fmt: skip
    lines = page.locator("#qdllm-figure tbody tr:not(.qd-group)").all()
    shown = [[cell.text_content() for cell in line.locator("th, td").all()] for line in lines]
    extra = [line for line in shown if line[0] in ("the teacher itself", "the paper's QD-LLM")]
    mine = {line[5]: line for line in shown if line not in extra}
    assert set(mine) == {one["key"] for one in expected}
    for one in expected:
        sizes = [f"{one['trained']:,}", f"{one['deployed']:,}", str(one["seeds"])]
        assert mine[one["key"]][:5] == [one["title"], told(one[metric]), *sizes]
    assert page.locator("#qdllm-figure .qd-figure-panels > svg").count() == 1
    (student,) = [one for one in expected if one["family"] == "quantum"]
    said = page.get_by_role("status").inner_text()
    assert f"QD-LLM {told(student[metric])}%" in said and data["tasks"][task] in said
    marks = page.locator("#qdllm-figure .qd-figure-panels g:not(.qd-figure-paper)")
    assert marks.count() == len(expected)


def test_what_was_not_run_is_said_and_not_shown(page):
    for label, value in {"Task": "emotion", "Teacher": "qwen", "Preset": "released"}.items():
        pick(page, label, value)
    assert "No student has been run" in page.get_by_role("status").inner_text()
    assert not page.locator("#qdllm-figure .qd-figure-panels").is_visible()


def test_the_other_controls_are_there_when_asked_for(page, data):
    for label, value in {
        "Task": "",
        "Teacher": "minilm",
        "Reader": "mpnet",
        "Preset": "tuned",
        "Metric": "acc",
    }.items():
        pick(page, label, value)
    before = page.locator("#qdllm-figure tbody tr").count()
    page.get_by_label("the other controls too").focus()
    page.keyboard.press("Space")
    added = [one for one in data["points"] if one["family"] == "control"
             and (one["teacher"], one["reader"], one["preset"]) == ("minilm", "mpnet", "tuned")]  # fmt: skip
    assert page.locator("#qdllm-figure tbody tr").count() == before + len(added) > before
    page.keyboard.press("Space")


@pytest.mark.parametrize("name", ["intro", "executed/headline"])
def test_without_scripts_the_picture_stays(browser, html, name):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((html / f"{name}.html").as_uri())
    assert "Scripts are off" in opened.locator("noscript p").inner_text()
    assert opened.locator("noscript p").is_visible()
    assert opened.locator("main figure img, main .cell_output img").first.is_visible()
    context.close()
