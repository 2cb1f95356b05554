"""A Sphinx extension: what Jupyter Book and the theme put on every page and this book must not have.

Thebe, which would run cells on a service elsewhere, is never offered here: its settings are declared twice on a page,
an error in the browser's console, and name another host. The list of references is no list to a screen reader.
The page *How to cite* shows the repository's own files, which lie outside the folder that is built.
"""

import re
from pathlib import Path
from typing import Any

import yaml

THEBE = re.compile(
    r"\s*<script(?: type=\"text/x-thebe-config\")?>(?:\s*\{\s*requestKernel|kernelName).*?</script>", re.S
)
ROOT = Path(__file__).parents[2]
LIST = '<div role="list" class="citation-list">'


def mended(body: str) -> str:
    """The HTML of a page's text without Thebe's settings, its references as plain blocks."""
    return THEBE.sub("", body).replace(LIST, '<div class="citation-list">').replace(' role="doc-biblioentry"', "")


def wanted(script: Any) -> bool:
    """Whether a script of a page's head is none of Thebe's."""
    attributes = getattr(script, "attributes", {})
    return "thebe" not in f"{getattr(script, 'filename', script)} {attributes.get('body', '')}".lower()


def mend(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Mend the context of a page before the theme's template gets it; colours follow the reader's system at first."""
    context["default_mode"] = "auto"
    if "body" in context:
        context["body"] = mended(context["body"])
    for name, kept in (("script_files", wanted), ("css_files", wanted)):
        context[name] = [one for one in context.get(name, []) if kept(one)]


def cited(text: str, root: Path = ROOT) -> str:
    """The page *How to cite* with its version, CITATION.cff and changelog from the top of the repository."""
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2]
    version = str(yaml.safe_load(citation)["version"])
    changes = re.sub("^## ", "### ", changes, flags=re.MULTILINE)
    for mark, shown in (("VERSION", version), ("CITATION", citation.strip()), ("CHANGES", changes.strip())):
        text = text.replace(f"@{mark}@", shown)
    return text


def cite(app: Any, docname: str, source: list[str]) -> None:
    """Fill in the page *How to cite* as it is read."""
    if docname == "cite":
        source[0] = cited(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx, after the extensions that add what is taken out here."""
    app.connect("source-read", cite)
    app.connect("html-page-context", mend, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
