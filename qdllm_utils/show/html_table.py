"""The HTML that the notebooks show: a table with a caption, its cells, and the demo mark.

One contract: a text is escaped where it enters a piece of HTML, whoever wrote it, unless it is of the class `HTML`,
which only the functions of this file and a page's own fixed words are.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

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


DEMO = HTML(' <span class="qd-demo">demo scale: not a result</span>')


def escaped(text: str) -> HTML:
    """A text as HTML; what is HTML already stays as it is."""
    return text if isinstance(text, HTML) else HTML(html.escape(text))


def below(*lines: str) -> HTML:
    """Texts or pieces of HTML, one below the other; empty ones are left out."""
    return HTML("<br>".join(escaped(text) for text in lines if text))


def grey(*lines: str) -> HTML:
    """The same in grey, as what stands below a value; '' of nothing."""
    return HTML(f'<span class="paper">{below(*lines)}</span>' if any(lines) else "")


def table(caption: str, columns: Sequence[str], lines: Iterable[str], demo: bool = False, kind: str = "") -> HTML:
    """A table of the house's style. columns: the heads; lines: whole rows, from `line` and `group`.

    kind: a class of its own in the style sheet.
    """
    heads = "".join(f'<th scope="col">{escaped(column)}</th>' for column in columns)
    classes = " ".join(filter(None, ("qd-table", kind)))
    return HTML(
        f'<div class="{classes}" tabindex="0"><table>'
        f"<caption>{escaped(caption)}{DEMO if demo else ''}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(map(escaped, lines))}</tbody></table></div>"
    )


def line(head: str, cells: Iterable[str]) -> HTML:
    """A row: its head, from `head` or a plain name, and its cells, from `cell`."""
    return HTML(f'<tr><th scope="row">{escaped(head)}</th>{"".join(map(escaped, cells))}</tr>')


def plain_line(title: str, details: str, cells: Iterable[str]) -> HTML:
    """A row of plain texts: its name, in grey what it is, its cells."""
    return line(head(title, details), map(cell, cells))


def cell(value: str, *details: str, wrap: bool = False) -> HTML:
    """A cell: a value and, in grey, what stands below it (empty lines are left out); wrap: prose, not a number."""
    opening = '<td class="text">' if wrap else "<td>"
    return HTML(f"{opening}{head(value, *details)}</td>")


def head(value: str, *details: str) -> HTML:
    """The head of a row: a name and, in grey, what stands below it."""
    return HTML("<br>".join([escaped(value), *(grey(text) for text in details if text)]))


def failed(name: str, why: str, columns: int) -> HTML:
    """The line of what made no row: one red cell with the reason; columns: of the whole table, without its head."""
    return line(name, [HTML(f'<td class="qd-failed" colspan="{columns}">failed: {escaped(why)}</td>')])


def sentences(lines: Sequence[str], demo: bool) -> HTML:
    """A page's findings as a list, marked where they are no result; the record of the page keeps them as data."""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in lines)
    return HTML(f'<div class="qd-verdict"><ul>{items}</ul>{DEMO if demo else ""}</div>', verdicts=list(lines))


def group(text: str, columns: int) -> HTML:
    """A line that names the block below it; columns: of the whole table."""
    heading = f'<th colspan="{columns}" scope="rowgroup"><span>{escaped(text)}</span></th>'
    return HTML(f'<tr class="qd-group">{heading}</tr>')
