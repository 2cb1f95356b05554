"""A Sphinx extension: what Jupyter Book and the theme put on every page and this book must not have.

Thebe, which would run cells on a service elsewhere, is never offered here: its settings are declared twice on a page,
an error in the browser's console, and name another host. The list of references is no list to a screen reader.
"""

import re
from typing import Any

THEBE = re.compile(
    r"\s*<script(?: type=\"text/x-thebe-config\")?>(?:\s*\{\s*requestKernel|kernelName).*?</script>", re.S
)
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


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx, after the extensions that add what is taken out here."""
    app.connect("html-page-context", mend, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
