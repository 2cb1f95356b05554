"""The whole book as one PDF, as `make pdf` writes it: every page is in it, on A4, at its own size."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from qdcircuits.errors import InputError
from qdllm_utils.show import pdf
from tests.browser.conftest import ROOT, contents

pypdf = pytest.importorskip("pypdf", reason="the package pypdf is not installed")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The PDF, read."""
    try:
        pdf.chromium()
    except InputError as error:
        pytest.skip(str(error))
    target = tmp_path_factory.mktemp("paper") / "book.pdf"
    pdf.make(ROOT / "book", target)
    return pypdf.PdfReader(target)


def squeezed(text: str) -> str:
    """A title without spaces and with plain apostrophes: the outline drops and doubles some."""
    return re.sub(r"\s", "", text.replace("’", "'"))


def outline(entries: Any) -> Iterator[str]:
    """The titles of a PDF's outline, at every depth."""
    for entry in entries:
        if isinstance(entry, list):
            yield from outline(entry)
        else:
            yield squeezed(entry.title)


def title(page: str) -> str:
    """The first heading of a page of the book."""
    path = ROOT / "book" / page
    if path.with_suffix(".md").is_file():
        text = path.with_suffix(".md").read_text(encoding="utf-8")
    else:
        text = "\n".join(cell.source for cell in nbformat.read(path.with_suffix(".ipynb"), as_version=4).cells)
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    assert found, page
    return squeezed(found[1])


def test_every_page_of_the_contents_is_in_the_pdf(printed):
    titles = list(outline(printed.outline))
    assert len(contents()) > 30
    assert not [page for page in contents() if not any(title(page) in one for one in titles)]


def test_it_is_a4_and_nothing_wide_made_the_browser_shrink_it(printed):
    sizes: Counter[float] = Counter()

    def seen(text: str, page: Any, line: Any, font: Any, size: float) -> None:
        sizes[round(abs(size * line[0] * page[0]), 1)] += len(text.strip())

    for page in printed.pages:
        assert [round(float(side) / 72 * 25.4) for side in page.mediabox[2:]] == [210, 297]
    for page in printed.pages[5:9]:  # the findings, in prose
        page.extract_text(visitor_text=seen)
    assert sizes.most_common(1)[0][0] == pytest.approx(12, abs=0.1)


def test_the_links_between_pages_stay_inside(printed):
    actions = [note.get_object().get("/A", {}) for page in printed.pages for note in page.get("/Annots", [])]
    addresses = [str(action["/URI"]) for action in actions if "/URI" in action]
    assert len(actions) - len(addresses) > 100
    assert not [address for address in addresses if not re.match("https?://|mailto:", address)]


def test_the_file_names_no_folder_of_this_machine(printed):
    assert str(Path.home()) not in str(printed.metadata) and "file:" not in str(printed.metadata)
