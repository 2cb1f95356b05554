"""Every page of the book in a real browser: desktop and phone, light and dark, and on paper."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import contents

PAGES = [*contents(), "search", "genindex"]
SCREENS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PAPER = {"width": 700, "height": 1047}  # a little less than what 1 cm of margin leaves of A4, in CSS pixels
MODES = [f"{screen} {colours}" for screen in SCREENS for colours in ("light", "dark")]
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll("main *")].filter((box) =>
    box.clientWidth && box.scrollWidth > box.clientWidth + 1
    && ["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(box).overflowX)
    && !box.closest("mjx-container, .sr-only, .visually-hidden"))
  .map((box) => `${box.tagName}.${box.className}: ${box.scrollWidth} > ${box.clientWidth}`)"""
BEYOND = """() => [...document.querySelectorAll("main :is(table, pre, img, svg, mjx-container, p)")].filter((box) =>
    box.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !box.closest(".sr-only"))
  .map((box) => `${box.tagName}.${box.className}: ${box.getBoundingClientRect().right}`)"""
LOST = """() => [...document.querySelectorAll("main mjx-container svg")].filter((svg) =>
    svg.getBoundingClientRect().left < svg.closest("td, p, li, div").getBoundingClientRect().left - 2)
  .map((svg) => `a formula begins at ${svg.getBoundingClientRect().left}, where no scrolling reaches`)"""
AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id} (${nodes.length}): ${nodes.slice(0, 3).map(({target, any}) =>
    target + " " + (any[0]?.message ?? "").slice(0, 140)).join(" | ")}`)"""


@dataclass
class Visit:
    """An open tab of one mode, and what it complained of and asked for since it was last emptied."""

    tab: Any
    site: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, page: str) -> None:
        """Go to a page of the book and wait until its mathematics is set."""
        self.errors.clear()
        self.outside.clear()
        self.tab.goto(f"{self.site}/{page}.html", wait_until="load")
        self.tab.evaluate("() => window.MathJax?.startup?.promise")
        self.tab.evaluate("() => document.fonts.ready")


@pytest.fixture(scope="session")
def visits(browser: Any, site: str) -> Iterator[dict[str, Visit]]:
    """A tab for each of MODES."""
    found = {}
    for mode in MODES:
        screen, colours = mode.split()
        context = browser.new_context(
            viewport=SCREENS[screen], color_scheme=colours, is_mobile=screen == "phone", has_touch=screen == "phone"
        )
        visit = found[mode] = Visit(context.new_page(), site)
        listen(visit)
    yield found
    for visit in found.values():
        visit.tab.context.close()


def listen(visit: Visit) -> None:
    """Keep errors of the console and of scripts, and requests to other hosts."""
    host = urlsplit(visit.site).netloc
    visit.tab.on("console", lambda message: message.type == "error" and visit.errors.append(message.text))
    visit.tab.on("pageerror", lambda error: visit.errors.append(str(error)))

    def asked(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != host:
            visit.outside.append(request.url)

    visit.tab.on("request", asked)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("page", PAGES)
def test_page(visits: dict[str, Visit], page: str, mode: str) -> None:
    visit = visits[mode]
    visit.open(page)
    assert visit.errors == [] and visit.outside == []
    assert visit.tab.evaluate(OVERFLOW) <= 0
    assert visit.tab.evaluate(LOST) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("page", PAGES)
def test_page_is_accessible(visits: dict[str, Visit], axe: str, page: str, mode: str) -> None:
    visit = visits[mode]
    visit.open(page)
    assert visit.tab.locator("html").get_attribute("data-theme") == mode.split()[1]
    visit.tab.evaluate(axe)
    found = visit.tab.evaluate(AXE)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_cut_on_paper(visits: dict[str, Visit], page: str) -> None:
    visit = visits["desktop light"]
    visit.tab.set_viewport_size(PAPER)
    visit.tab.emulate_media(media="print")
    try:
        visit.open(page)
        cut = visit.tab.evaluate(CUT) + visit.tab.evaluate(BEYOND)
        assert not cut, "\n".join(cut)
        assert visit.tab.evaluate(OVERFLOW) <= 0
    finally:
        visit.tab.emulate_media(media="screen")
        visit.tab.set_viewport_size(SCREENS["desktop"])
