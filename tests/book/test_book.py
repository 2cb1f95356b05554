"""The book builds without a warning, is complete, and asks no other host for anything.

The book is built once, from a copy; a notebook that papermill has not executed yet gets a one-cell stand-in.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
import yaml

from tests.served import served

ROOT = Path(__file__).parents[2]
OUTSIDE = re.compile(r"^\s*(?:(?:https?|wss?|ftp):)?//", re.IGNORECASE)
FETCHING_ATTRIBUTES = {"src", "srcset", "poster", "data", "background"}
LINKS_NOT_FETCHED = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}
IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+(?!url))['"]?([^'")\s;]+)""", re.IGNORECASE)
IN_SCRIPT = re.compile(
    r"""(?:\b(?:fetch|import|importScripts|open|sendBeacon|WebSocket|EventSource|Worker)\s*\(\s*
        (?:['"]\w+['"]\s*,\s*)? | \b(?:src|href)\s*=\s* | \b(?:from|import)\s+ ) ['"`]([^'"`]+)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Build:
    """A finished build: where the pages are, what it printed, and the pages that the contents name."""

    html: Path
    status: int
    log: str
    pages: tuple[str, ...]


def pages_of(toc: Path) -> tuple[str, ...]:
    """The page names of a table of contents, the root first."""
    contents = yaml.safe_load(toc.read_text(encoding="utf-8"))
    return (
        contents["root"],
        *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"]),
    )


def stand_in(path: Path) -> None:
    """A tiny executed notebook in place of one that papermill has not made yet."""
    table = (
        '<div class="qd-table"><table><caption>Stand-in <span class="qd-demo">demo scale</span></caption>'
        '<tbody><tr><th scope="row">Ours</th><td>–<br><span class="paper">paper</span></td></tr></tbody>'
        '</table></div><div class="qd-provenance">stand-in</div>'
    )
    output = nbformat.v4.new_output("display_data", data={"text/html": table, "text/plain": "table"})
    cells = [
        nbformat.v4.new_markdown_cell(f"# Stand-in for {path.stem}\n\n$\\alpha$"),
        nbformat.v4.new_code_cell("table", execution_count=1, outputs=[output]),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`jupyter-book build book`, as a reader would run it, with warnings made errors."""
    copy = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "book", copy / "book", ignore=shutil.ignore_patterns("_build", ".ipynb_checkpoints"))
    shutil.copy(ROOT / "_config.yml", copy)
    pages = pages_of(copy / "book" / "_toc.yml")
    for page in pages:
        notebook = copy / "book" / f"{page}.ipynb"
        if page.startswith("executed/") and not notebook.exists():
            stand_in(notebook)
    circuit = copy / "book" / "figures" / "circuit.svg"
    if not circuit.exists():
        circuit.parent.mkdir(exist_ok=True)
        circuit.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", "book", "-W", "-n", "--keep-going"],
        cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    log = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return Build(copy / "_build" / "html", done.returncode, log, pages)


@pytest.fixture(scope="session")
def html(build: Build) -> Path:
    """The folder of a build that succeeded."""
    assert build.status == 0, build.log
    return build.html


def test_builds_without_a_warning(build: Build) -> None:
    assert build.status == 0, build.log
    assert "build succeeded" in build.log
    assert not re.search("WARNING|ERROR", build.log), build.log


def test_top_level_contents_are_the_books() -> None:
    link = ROOT / "_toc.yml"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "book" / "_toc.yml"


def test_every_page_of_the_contents_is_there(build: Build, html: Path) -> None:
    assert {"intro", "method", "rerun", "status", "references", "executed/table4", "executed/deviations"} <= set(
        build.pages
    )
    for page in build.pages:
        text = (html / f"{page}.html").read_text(encoding="utf-8")
        assert re.search(r"<h1>\s*\S", text), page
    assert "intro.html" in (html / "index.html").read_text(encoding="utf-8")


def test_a_fold_is_called_what_its_line_says_open_or_closed(html: Path) -> None:
    page = (html / "executed" / "bytes.html").read_text(encoding="utf-8")
    summary = page.split('<details class="admonition hide', 1)[1].split("<summary", 1)[1].split("</summary>", 1)[0]
    assert summary.startswith(">") and "aria-label" not in summary
    assert len(set(re.findall(r"<p[^>]*>(.*?)</p>", summary))) == 1 and "each model" in summary


def test_equations_carry_the_papers_numbers(html: Path) -> None:
    text = (html / "method.html").read_text(encoding="utf-8")
    found = re.findall(r'id="equation-eq-(\d+)">\s*<span class="eqno">\((\d+)\)', text)
    assert [(int(label), int(number)) for label, number in found] == [(n, n) for n in range(1, 19)]


def test_circuit_picture_has_a_text_and_a_number(html: Path) -> None:
    text = (html / "intro.html").read_text(encoding="utf-8")
    picture = re.search(r'<img alt="([^"]{20,})"[^>]*src="([^"]+circuit\.svg)"', text)
    assert picture
    assert (html / picture[2]).is_file()
    assert re.search(r'href="#fig-circuit"><span class="std std-numref">Figure \d+<', text)


def test_mathjax_is_ours_and_licensed(html: Path) -> None:
    text = (html / "method.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*tex-svg\.js[^"]*)"', text)
    assert len(sources) == 1
    script = (html / sources[0].split("?")[0]).resolve()
    assert script.read_bytes() == (ROOT / "book/_vendor/mathjax/tex-svg.js").read_bytes()
    assert "Apache License" in (script.parent / "LICENSE").read_text(encoding="utf-8")


# --- what the pages would fetch, read from their text ---


class Fetched(HTMLParser):
    """Collects what a page fetches when it is opened; links to follow do not count."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Addresses in a tag's attributes."""
        self.inside = tag if tag in ("script", "style") else ""
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            if name == "srcset":
                self.found += [part.split()[0] for part in value.split(",") if part.strip()]
            elif name in FETCHING_ATTRIBUTES:
                self.found.append(value)
            elif name == "style":
                self.found += IN_CSS.findall(value)
        if tag == "link" and not set(values.get("rel", "").lower().split()) <= LINKS_NOT_FETCHED:
            self.found.append(values.get("href", ""))
        if tag in ("use", "image", "feimage"):
            self.found += [values.get("href", ""), values.get("xlink:href", "")]
        if tag == "meta" and values.get("http-equiv", "").lower() == "refresh":
            self.found.append(values.get("content", "").partition("url=")[2])

    def handle_endtag(self, tag: str) -> None:
        """A script or style ends."""
        self.inside = ""

    def handle_data(self, data: str) -> None:
        """Addresses in inline scripts and styles."""
        if self.inside == "script":
            self.found += IN_SCRIPT.findall(data)
        elif self.inside == "style":
            self.found += IN_CSS.findall(data)


def fetched_by(page: str) -> list[str]:
    """Every address that a page's text says it fetches."""
    parser = Fetched()
    parser.feed(page)
    parser.close()
    return [address for address in parser.found if address]


def outside(addresses: list[str]) -> list[str]:
    """Those that lead to another host."""
    return [address for address in addresses if OUTSIDE.match(address)]


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<script async src="//cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<link rel="preconnect" href="//fonts.example">',
        '<link rel="shortcut icon" href="http://cdn.example/a.ico">',
        '<img alt="" src="https://img.shields.example/badge.svg">',
        '<img alt="" srcset="a.png 1x, https://cdn.example/b.png 2x">',
        '<iframe src="https://cdn.example/"></iframe>',
        '<object data="https://cdn.example/a.pdf"></object>',
        "<div style=\"background: url('//cdn.example/a.png')\"></div>",
        '<style>@import "https://fonts.example/css";</style>',
        "<style>@import url(//fonts.example/css);</style>",
        "<style>@font-face { src: url(https://fonts.example/a.woff2) }</style>",
        '<svg><image href="https://cdn.example/a.png"/></svg>',
        "<script>fetch('https://api.example/x')</script>",
        "<script>x.src = '//cdn.example/x.js'</script>",
        '<script type="module">import * as m from "https://cdn.example/m.mjs"</script>',
        "<script>xhr.open('GET', 'https://api.example/x')</script>",
        '<meta http-equiv="refresh" content="0; url=https://cdn.example/">',
    ],
)
def test_scan_sees_a_planted_request(planted: str) -> None:
    assert outside(fetched_by(f"<html><body><p>text</p>{planted}</body></html>"))


def test_scan_lets_links_and_own_files_pass() -> None:
    page = (
        '<a href="https://arxiv.org/abs/2505.13205">paper</a><link rel="canonical" href="https://here.example/">'
        '<script src="_static/a.js"></script><script>let name = "https://mybinder.example"</script>'
    )
    assert fetched_by(page) == ["_static/a.js"]


def test_no_page_names_another_host(build: Build, html: Path) -> None:
    pages = sorted(html.rglob("*.html"))
    assert len(pages) >= len(build.pages)
    for page in pages:
        addresses = fetched_by(page.read_text(encoding="utf-8"))
        assert not outside(addresses), page.name
        if page.relative_to(html).with_suffix("").as_posix() in build.pages:
            assert len(addresses) > 3, f"{page.name}: the scan should at least see the theme's files"


def test_no_style_or_picture_names_another_host(html: Path) -> None:
    styles = sorted(html.rglob("*.css"))
    assert "custom.css" in {style.name for style in styles}
    addresses = {style: IN_CSS.findall(style.read_text(encoding="utf-8")) for style in styles}
    assert any(addresses.values())
    assert not [style.name for style, found in addresses.items() if outside(found)]
    pictures = sorted(html.rglob("*.svg"))
    assert "circuit.svg" in {picture.name for picture in pictures}
    for picture in pictures:
        assert not outside(fetched_by(picture.read_text(encoding="utf-8"))), picture.name


# --- what a browser does fetch ---


@dataclass(frozen=True)
class Visit:
    """One page opened in a browser: its document after the scripts ran, and every address requested."""

    dom: str
    requests: tuple[str, ...]

    @property
    def hosts(self) -> set[str]:
        """Host and port of each request; addresses without a host (data:, chrome:) are not requests out."""
        return {urlsplit(url).netloc for url in self.requests if re.match("(http|ws)s?:", url)}


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """host:port of a loopback server of the book."""
    with served(html) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser, or a skip."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium (chromium, chromium-browser, google-chrome, chrome) on this machine")


def of_a_page(request: dict[str, str]) -> bool:
    """Whether a logged request belongs to a page of ours.

    Chromium also asks Google's servers for the time and for updates, whatever its flags say. Those have no
    page behind them: neither an initiator nor our server as the site of the top frame.
    """
    started_by_a_page = request.get("initiator", "not an origin") != "not an origin"
    return started_by_a_page or request.get("network_isolation_key", "").startswith("http://127.0.0.1 ")


def visit(chromium: str, url: str, folder: Path) -> Visit:
    """Open a page in headless Chromium, let its scripts run, and read the browser's own network log.

    Names other than 127.0.0.1 are not resolved, so a request out is logged but reaches nobody.
    """
    log = folder / "net.json"
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-extensions", "--disable-default-apps", "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
            "--virtual-time-budget=10000", "--dump-dom", url,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=True,
    )  # fmt: skip
    recorded = json.loads(log.read_text(encoding="utf-8"))
    names = recorded["constants"]["logEventTypes"].items()
    kinds = {number for name, number in names if name.startswith("URL_REQUEST")}
    requests = [event["params"] for event in recorded["events"] if event["type"] in kinds and "params" in event]
    urls = [request["url"] for request in requests if "url" in request and of_a_page(request)]
    return Visit(done.stdout, tuple(dict.fromkeys(urls)))


def test_browser_log_sees_a_planted_request(chromium: str, address: str, html: Path, tmp_path: Path) -> None:
    planted = html / "planted-by-the-test.html"
    planted.write_text(
        '<p>text<img alt="" src="http://picture.invalid/badge.png"></p>'
        '<iframe sandbox src="http://frame.invalid/"></iframe>'
        '<script>fetch("http://fetched.invalid/x")</script>',
        encoding="utf-8",
    )
    try:
        seen = visit(chromium, f"http://{address}/{planted.name}", tmp_path)
    finally:
        planted.unlink()
    assert seen.hosts == {address, "picture.invalid", "frame.invalid", "fetched.invalid"}


def test_browser_opens_the_introduction_offline(chromium: str, address: str, tmp_path: Path) -> None:
    seen = visit(chromium, f"http://{address}/intro.html", tmp_path)
    paths = {urlsplit(url).path for url in seen.requests}
    assert {"/intro.html", "/_static/custom.css", "/_images/circuit.svg"} <= paths
    assert seen.hosts == {address}


def test_browser_renders_the_equations_offline(chromium: str, address: str, tmp_path: Path) -> None:
    seen = visit(chromium, f"http://{address}/method.html", tmp_path)
    paths = {urlsplit(url).path for url in seen.requests}
    assert {"/method.html", "/_static/custom.css", "/mathjax/tex-svg.js"} <= paths
    assert seen.hosts == {address}
    displayed = re.findall(r'<mjx-container[^>]*\bdisplay="true"[^>]*>\s*<svg', seen.dom)
    assert len(displayed) >= 18
    assert not re.search(r'<g[^>]*data-mml-node="merror"', seen.dom)
    assert not re.search(r'<g[^>]*fill="red"', seen.dom), "an undefined TeX command is drawn in red"
    assert not re.search(r'<div class="math[^>]*>\s*(<span class="eqno">.*?</span>)?\s*\\\[', seen.dom)
