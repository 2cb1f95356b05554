"""Every page of the book in a real browser on a phone, light and dark.

A page is opened once, and all tests of it look at what is there. Desktop and phone are two files, so that two processes
of tests have as much to do.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.pages import COLOURS, PAGES, Visit, visiting


@pytest.fixture(scope="module")
def tab(browser: Any, site: str) -> Iterator[Visit]:
    with visiting(browser, site, "phone") as visit:
        yield visit


@pytest.fixture(scope="module", params=PAGES)
def visit(request: pytest.FixtureRequest, tab: Visit) -> Visit:
    tab.open(request.param)
    return tab


@pytest.mark.parametrize("colours", COLOURS)
def test_page(visit: Visit, colours: str) -> None:
    visit.turn(colours)
    visit.check()


def test_page_is_accessible(visit: Visit, axe: str) -> None:
    """All rules of axe, in the dark: the light colours are the desktop's."""
    visit.turn("dark")
    visit.check_access(axe, {})
