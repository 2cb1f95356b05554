"""The HTML that the notebooks show: a table with a caption, its cells, and the demo mark."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

DEMO = ' <span class="qd-demo">demo scale: not a result</span>'


FACTS = "qdllm"  # in the metadata of an output: the page's facts, as data


class HTML(str):
    """A string that a notebook shows as HTML; beside it, what the report records of the page, as data.

    facts: `verdicts` (sentences), `loaded` and `computed` (keys of rows); nothing is read back out of the HTML.
    """

    facts: dict[str, Any]

    def __new__(cls, text: str = "", **facts: Any) -> "HTML":
        """The HTML and its facts."""
        made = super().__new__(cls, text)
        made.facts = facts
        return made

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Itself, and its facts as metadata of the output."""
        return {"text/html": str(self)}, ({FACTS: self.facts} if self.facts else {})

    def __repr__(self) -> str:
        """Short: a notebook keeps it beside the HTML, where it would double the page."""
        return f"HTML of {len(self):,} characters"


def table(caption: str, columns: Sequence[str], lines: Iterable[str], demo: bool = False) -> HTML:
    """A table of the house's style. columns: the heads; lines: whole rows, from `line` and `group`.

    caption: plain text, or HTML as it is.
    """
    words = caption if isinstance(caption, HTML) else html.escape(caption)
    heads = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    return HTML(
        f'<div class="qd-table" tabindex="0"><table><caption>{words}{DEMO if demo else ""}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def line(head: str, cells: Iterable[str]) -> str:
    """A row: its head (HTML) and its cells, from `cell`."""
    return f'<tr><th scope="row">{head}</th>{"".join(cells)}</tr>'


def cell(value: str, *below: str, wrap: bool = False) -> str:
    """A cell: a value and, in grey, what stands below it (empty lines are left out); wrap: prose, not a number."""
    lines = [html.escape(value)]
    lines += [f'<span class="paper">{html.escape(text)}</span>' for text in below if text]
    opening = '<td class="text">' if wrap else "<td>"
    return f"{opening}{'<br>'.join(lines)}</td>"


def head(value: str, *below: str) -> str:
    """The head of a row: a name and, in grey, what stands below it."""
    return "<br>".join(
        [html.escape(value), *(f'<span class="paper">{html.escape(text)}</span>' for text in below if text)]
    )


def group(text: str, columns: int) -> str:
    """A line that names the block below it; columns: of the whole table."""
    return f'<tr class="qd-group"><th colspan="{columns}" scope="rowgroup"><span>{html.escape(text)}</span></th></tr>'
