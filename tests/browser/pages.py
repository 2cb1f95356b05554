"""What the tests of the pages share: what is looked for on each, and a tab that visits them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

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
FOLD = "(open) => document.querySelectorAll('details.hide').forEach((each) => { each.open = open; })"
UNSEEN = """() => [...document.querySelectorAll("details.hide :is(table, li)")]
  .filter((each) => !each.checkVisibility()).map((each) => `unseen: ${each.textContent.slice(0, 60)}`)"""
AXE = """async (rules) => (await axe.run(document, {resultTypes: ["violations"], ...rules})).violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .map(({id, nodes}) => `${id} (${nodes.length}): ${nodes.slice(0, 3).map(({target, any}) =>
    target + " " + (any[0]?.message ?? "").slice(0, 140)).join(" | ")}`)"""
COLOURS = ("light", "dark")
ONLY_CONTRAST = {"runOnly": ["color-contrast"]}  # the rule of axe that asks for colours


@dataclass
class Visit:
    """A tab of one screen with a page in it, and what the page complained of and asked for."""

    tab: Any
    site: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, page: str) -> None:
        """Go to a page of the book, wait until its mathematics is set, and unfold its numbers."""
        self.errors.clear()
        self.outside.clear()
        self.tab.emulate_media(color_scheme="light")
        self.tab.goto(f"{self.site}/{page}.html", wait_until="load")
        self.tab.evaluate("() => window.MathJax?.startup?.promise")
        self.tab.evaluate("() => document.fonts.ready")
        self.tab.evaluate(FOLD, True)

    def check(self) -> None:
        """No error, no request to another host, nothing wider than the screen, no formula where none can scroll."""
        assert not self.errors, self.errors
        assert not self.outside, self.outside
        wider, lost = self.tab.evaluate(OVERFLOW), self.tab.evaluate(LOST)
        assert wider <= 0, f"the page is {wider} pixels wider than the screen"
        assert not lost, lost

    def check_access(self, axe: str, rules: dict[str, list[str]]) -> None:
        """No serious finding of axe-core, whose source is `axe`."""
        if not self.tab.evaluate("() => 'axe' in window"):
            self.tab.evaluate(axe)
        found = self.tab.evaluate(AXE, rules)
        assert not found, "\n".join(found)

    def turn(self, colours: str) -> None:
        """Let the reader's system turn light or dark; the page follows."""
        self.tab.emulate_media(color_scheme=colours)
        self.tab.wait_for_function("(theme) => document.documentElement.dataset.theme === theme", arg=colours)


@contextmanager
def visiting(browser: Any, site: str, screen: str) -> Iterator[Visit]:
    """A tab of one of SCREENS, which listens to what its pages say and ask for."""
    phone = screen == "phone"
    context = browser.new_context(viewport=SCREENS[screen], is_mobile=phone, has_touch=phone, reduced_motion="reduce")
    visit = Visit(context.new_page(), site)
    listen(visit)
    yield visit
    context.close()


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
