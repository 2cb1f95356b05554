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
AXE = """async (rules) => (await axe.run(document, {resultTypes: ["violations"], ...rules})).violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id} (${nodes.length}): ${nodes.slice(0, 3).map(({target, any}) =>
    target + " " + (any[0]?.message ?? "").slice(0, 140)).join(" | ")}`)"""
COLOURS = ("light", "dark")
# Each screen is judged by all of axe's rules once, and each colour mode too; the contrast of colours is the slow one.
RULES: dict[tuple[str, str], dict[str, list[str]]] = {
    ("desktop", "light"): {},
    ("desktop", "dark"): {"runOnly": ["color-contrast"]},
    ("phone", "dark"): {},
}


@dataclass
class Visit:
    """A tab of one screen with a page in it, and what the page complained of and asked for."""

    tab: Any
    site: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, page: str) -> None:
        """Go to a page of the book and wait until its mathematics is set."""
        self.errors.clear()
        self.outside.clear()
        self.tab.emulate_media(color_scheme="light")
        self.tab.goto(f"{self.site}/{page}.html", wait_until="load")
        self.tab.evaluate("() => window.MathJax?.startup?.promise")
        self.tab.evaluate("() => document.fonts.ready")

    def turn(self, colours: str) -> None:
        """Let the reader's system turn light or dark; the page follows."""
        self.tab.emulate_media(color_scheme=colours)
        self.tab.wait_for_function("(theme) => document.documentElement.dataset.theme === theme", arg=colours)


@pytest.fixture(scope="module")
def tabs(browser: Any, site: str) -> Iterator[dict[str, Visit]]:
    """A tab for each of SCREENS."""
    found = {}
    for screen, size in SCREENS.items():
        phone = screen == "phone"
        context = browser.new_context(viewport=size, is_mobile=phone, has_touch=phone, reduced_motion="reduce")
        visit = found[screen] = Visit(context.new_page(), site)
        listen(visit)
    yield found
    for visit in found.values():
        visit.tab.context.close()


@pytest.fixture(scope="module", params=[pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in PAGES])
def visits(request: pytest.FixtureRequest, tabs: dict[str, Visit]) -> dict[str, Visit]:
    """A page in both tabs: it is opened once, and all tests of it look at what is there."""
    for visit in tabs.values():
        visit.open(request.param)
    return tabs


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


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("screen", SCREENS)
def test_page(visits: dict[str, Visit], screen: str, colours: str) -> None:
    visit = visits[screen]
    visit.turn(colours)
    assert visit.errors == [] and visit.outside == []
    assert visit.tab.evaluate(OVERFLOW) <= 0
    assert visit.tab.evaluate(LOST) == []


@pytest.mark.parametrize(("screen", "colours"), RULES)
def test_page_is_accessible(visits: dict[str, Visit], axe: str, screen: str, colours: str) -> None:
    visit = visits[screen]
    visit.turn(colours)
    if not visit.tab.evaluate("() => 'axe' in window"):
        visit.tab.evaluate(axe)
    found = visit.tab.evaluate(AXE, RULES[screen, colours])
    assert not found, "\n".join(found)


def test_nothing_is_cut_on_paper(visits: dict[str, Visit]) -> None:
    visit = visits["desktop"]
    visit.turn("light")
    visit.tab.set_viewport_size(PAPER)
    visit.tab.emulate_media(media="print")
    try:
        cut = visit.tab.evaluate(CUT) + visit.tab.evaluate(BEYOND)
        assert not cut, "\n".join(cut)
        assert visit.tab.evaluate(OVERFLOW) <= 0
    finally:
        visit.tab.emulate_media(media="screen")
        visit.tab.set_viewport_size(SCREENS["desktop"])
