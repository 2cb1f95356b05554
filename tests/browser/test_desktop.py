"""Every page of the book in a real browser on a desktop, light and dark, and on paper.

A page is opened once, and all tests of it look at what is there. Desktop and phone are two files, so that two processes
of tests have as much to do.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import pages
from tests.browser.pages import COLOURS, FOLD, PAGES, Visit, visiting


@pytest.fixture(scope="module")
def tab(browser: Any, site: str) -> Iterator[Visit]:
    with visiting(browser, site, "desktop") as visit:
        yield visit


@pytest.fixture(scope="module", params=PAGES)
def visit(request: pytest.FixtureRequest, tab: Visit) -> Visit:
    tab.open(request.param)
    return tab


@pytest.mark.parametrize("colours", COLOURS)
def test_page(visit: Visit, colours: str) -> None:
    visit.turn(colours)
    visit.check()


@pytest.mark.parametrize("colours", COLOURS)
def test_page_is_accessible(visit: Visit, axe: str, colours: str) -> None:
    visit.turn(colours)
    visit.check_access(axe, {} if colours == "light" else pages.ONLY_CONTRAST)


def test_nothing_is_cut_on_paper(visit: Visit) -> None:
    visit.turn("light")
    visit.tab.set_viewport_size(pages.PAPER)
    visit.tab.evaluate(FOLD, False)  # what is folded on a screen is printed all the same
    visit.tab.emulate_media(media="print")
    try:
        cut = visit.tab.evaluate(pages.CUT) + visit.tab.evaluate(pages.BEYOND) + visit.tab.evaluate(pages.UNSEEN)
        assert not cut, "\n".join(cut)
        assert visit.tab.evaluate(pages.OVERFLOW) <= 0
    finally:
        visit.tab.emulate_media(media="screen")
        visit.tab.evaluate(FOLD, True)
        visit.tab.set_viewport_size(pages.SCREENS["desktop"])
