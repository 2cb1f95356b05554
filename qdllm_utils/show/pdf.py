"""The whole book as one PDF: `make pdf`.

    python -m qdllm_utils.show.pdf

Sphinx puts all pages on one (its builder singlehtml, so that links between pages stay links), and Chromium prints that
page on A4. Chromium is the one program that is needed beyond the environment; QDLLM_CHROMIUM names it where it has
another name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from qdcircuits.errors import InputError
from qdllm_utils.show.execution import build_book

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "build" / "qdllm.pdf"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",  # a container has none, and nothing but the book's own pages is opened
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    "--virtual-time-budget=60000",  # ms of the page's own clock: until the mathematics of all pages is set
)


def main() -> None:
    """Build the published pages and print them."""
    try:
        make(ROOT / "book", TARGET)
    except InputError as error:
        sys.exit(f"InputError: {error}")
    print(f"The book on paper: {TARGET.relative_to(ROOT)}, {TARGET.stat().st_size / 1e6:.1f} MB")


def chromium() -> str:
    """The browser's program. Raises InputError where there is none."""
    found = os.environ.get("QDLLM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not shutil.which(found):
        raise InputError(
            "A PDF of the book is printed by Chromium, and none was found here: install it (on Debian: apt-get install "
            "chromium), or name its program in QDLLM_CHROMIUM."
        )
    return found


def make(book: Path, target: Path) -> None:
    """Write the pages of the folder `book` into one PDF. Raises InputError without Chromium or for a failed build."""
    program = chromium()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "book"
        shutil.copytree(book, copy, ignore=shutil.ignore_patterns("_build", "results"))
        shutil.copy(ROOT / "_config.yml", folder)
        build_book(copy, strict=False, builder="singlehtml")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        page = Path(folder) / "_build" / "singlehtml" / "intro.html"
        command = [program, *FLAGS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode or not target.is_file():
        raise InputError(f"Chromium printed no PDF; it said: {' '.join(done.stderr.split())[-200:]}.")


if __name__ == "__main__":
    main()
