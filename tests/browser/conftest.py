"""A real browser over the built book: `make test-browser` runs these tests, and no other command does.

QDLLM_BROWSER=1 turns them on; two processes may share them, a file to one (-n 2 --dist loadfile).
QDLLM_BOOK: the folder of a built book (…/_build/html); without it the book is built from a copy, in about a minute.
QDLLM_AXE: the file axe.min.js of the npm package axe-core, which is nobody's to copy into this repository.
QDLLM_CHROMIUM: the browser, where it has another name.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from qdcircuits.errors import InputError
from qdllm_utils.show import pdf
from qdllm_utils.show.execution import build_book
from tests.served import served

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all of this folder unless it was asked for."""
    if os.environ.get("QDLLM_BROWSER") != "1":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="browser tests run by `make test-browser` (QDLLM_BROWSER=1)"))


def contents() -> list[str]:
    """The names of the book's pages, as its table of contents has them."""
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    try:
        program = shutil.which(pdf.chromium())
    except InputError:
        pytest.skip(f"no browser found: install chromium, or name one in QDLLM_CHROMIUM (tried {', '.join(pdf.NAMES)})")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a built book."""
    if given := os.environ.get("QDLLM_BOOK"):
        assert (Path(given) / "intro.html").is_file(), f"QDLLM_BOOK={given} holds no intro.html"
        return Path(given).resolve()
    folder = tmp_path_factory.getbasetemp()
    shared = "PYTEST_XDIST_WORKER" in os.environ  # two processes of tests build it once
    copy = (folder.parent if shared else folder) / "checkout"
    with FileLock(f"{copy}.lock"):
        if not (copy / "_build" / "html" / "intro.html").is_file():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(ROOT / "book", copy / "book", ignore=shutil.ignore_patterns("_build", "results"))
            shutil.copy(ROOT / "_config.yml", copy)
            build_book(copy / "book", strict=False)
    return copy / "_build" / "html"


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address of the book, served on this machine."""
    with served(html) as address:
        yield f"http://{address}"


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    path = os.environ.get("QDLLM_AXE", "")
    if not Path(path).is_file():
        pytest.skip("axe-core is not here: `make test-browser` fetches it, or name its axe.min.js in QDLLM_AXE")
    return Path(path).read_text(encoding="utf-8")
