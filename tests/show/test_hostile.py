"""Names that would be HTML if they were let: every way into a page escapes them, and no path stands in one."""

import json
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from qdllm_utils.model import training
from qdllm_utils.pages import own_texts
from qdllm_utils.show import execution, html_table
from qdllm_utils.show.verdicts import UNTRIED, Verdict
from tests.pages.test_own_texts import namespace
from tests.texts.tiny_models import save

ROOT = Path(execution.__file__).parents[2]
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', 'O\'Neil & "sons"')
FOLDER = "a <img src=x onerror=alert(1)> & 'folder'"


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


def assert_harmless(page: str, *names: str) -> None:
    """No tag of the names' making, and each of them to be read as it is."""
    found = Tags(page)
    assert not found.tags & {"script", "img", "b"}
    for name in names:
        assert name in found.text


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_enters_a_table_is_escaped_unless_it_is_html(name):
    cells = [html_table.cell(name, name, name), html_table.cell(html_table.below(name, html_table.grey(name)))]
    lines = [html_table.group(name, 2), html_table.line(html_table.head(name, name), cells), html_table.line(name, [])]
    lines += [html_table.failed(name, name, 2), name]
    page = html_table.table(name, [name], lines)
    assert_harmless(page, name)
    assert Tags(page).text.count(name) == 14
    assert html_table.escaped(html_table.escaped(name)) == html_table.escaped(name)
    assert_harmless(Verdict(UNTRIED, name)._repr_mimebundle_()[0]["text/html"], name)


def test_own_texts_with_hostile_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 50)
    rows = [(f"{('good', 'poor', 'odd')[n % 3]} thing {n} here", HOSTILE[n % 3]) for n in range(120)]
    file = tmp_path / f"{FOLDER}.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(file, index=False)
    target = tmp_path / f"{FOLDER} model"
    parameters = own_texts.settings(namespace(csv=str(file), save=str(target)))
    own = own_texts.read(parameters)
    distilled = own_texts.train(own, parameters)
    page = own_texts.data_check(own, parameters)
    for show in (own_texts.answer, own_texts.candidates, own_texts.per_class, own_texts.save):
        page += show(distilled, parameters)
    assert_harmless(page, *HOSTILE)
    assert str(tmp_path) not in page


@pytest.mark.timeout(900)
def test_a_results_page_names_the_folder_of_its_teacher_and_not_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("QDLLM_WORKERS", "1")
    folder = save(tmp_path / FOLDER)
    page = tmp_path / "executed" / "table5.ipynb"
    given = {"teacher": str(folder), "scale": "demo", "seeds": 1, "epochs": 1}
    execution.execute(ROOT / "notebooks" / "table5.ipynb", page, given, ROOT)
    text = page.read_text()
    assert str(tmp_path) not in text and json.dumps(str(tmp_path))[1:-1] not in text
    cells = nbformat.read(page, as_version=4).cells
    shown = [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]
    pages = [part["text/html"] for part in shown if "text/html" in part]
    assert pages
    for part in pages:
        assert_harmless(part)
    assert FOLDER in Tags("".join(pages)).text


def test_paths_are_found_in_every_spelling():
    path = "/srv/some one/te&ach"
    assert execution.paths_in({"teacher": f"minilm, {path}", "seeds": 3, "model": "owner/name"}) == [path]
    text = f"at {path}, {path}/x.csv and /srv/some one/te&amp;ach"
    assert execution.without_paths(text, [path]) == "at te&ach, te&ach/x.csv and te&ach"


def test_tags_are_made_in_one_place():
    """A page that writes a table's tags itself has a contract of its own."""
    tags = ("<td", "<tr", "<br>", "<span", "<th>", "<th ")
    allowed = {"html_table.py": tags, "deviations.py": ("<tr",), "own_texts.py": ("<br>",), "book_extension.py": tags}
    wrong = [
        f"{path.name}: {tag}"
        for path in (ROOT / "qdllm_utils").rglob("*.py")
        for tag in tags
        if tag in path.read_text(encoding="utf-8") and tag not in allowed.get(path.name, ())
    ]
    assert not wrong
