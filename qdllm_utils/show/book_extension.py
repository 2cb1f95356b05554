"""A Sphinx extension: a results page shows what was found first, and how it was made in folded blocks at its end.

The executed notebooks stay as they ran. When a page is rendered, the code of its cells is taken out, cells that show
nothing are left out, and two folded blocks come at the end: the rows behind its numbers, with the command that computes
one again and all of them as a CSV file, and parameters and code.
"""

import html
import json
from functools import cache
from pathlib import Path
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.runs.store import PUBLISHED
from qdllm_utils.show import main_figure
from qdllm_utils.show.frame import groups, rows

FRAME = "frame"  # the tag of a cell that is there to be changed; the page has the same lines among its rows
TRACE = """Each line is one number of this page: the mean over its seeds. Any row is computed again by its key; the rows
of all seeds are in the CSV file and in what the first command prints.

```bash
python -m qdllm_utils rows --page {page}
python -m qdllm_utils recompute {key}
```
"""


def folded(notebook: dict[str, Any], page: str = "") -> dict[str, Any]:
    """The notebook as a page: outputs only, then the rows behind them and its code, folded."""
    cells, code = [], []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code.append("".join(cell["source"]).strip())
            tags = [tag for tag in cell["metadata"].get("tags", []) if tag != "hide-input"]
            if not cell.get("outputs") or FRAME in tags:
                continue
            metadata = cell["metadata"] | {"tags": [*tags, "remove-input"]}
            if "hide-output" in tags:  # a fold has one name, open or closed
                shown = metadata["mystnb"]["code_prompt_show"]
                metadata["mystnb"] = metadata["mystnb"] | {"code_prompt_hide": shown}
            cell = cell | {"metadata": metadata}
        cells.append(cell)
    listing = "\n\n".join(text for text in code if text)
    if page == "headline":
        text = main_figure.place("../")
        cells.append({"cell_type": "markdown", "id": "choose-what-is-shown", "metadata": {}, "source": text})
    ends = {
        "how-this-was-made": f"````{{dropdown}} How this was made: parameters and code\n```python\n{listing}\n```\n````"
    }
    if traced := trace(page):
        ends = {"rows-behind-this-page": f"````{{dropdown}} The rows behind these numbers\n{traced}\n````"} | ends
    made = [{"cell_type": "markdown", "id": name, "metadata": {}, "source": text} for name, text in ends.items()]
    return notebook | {"cells": [*cells, *made]}


@cache
def published(page: str) -> Any:
    """The published rows of a page that have an accuracy, or None."""
    try:
        found = rows(page)
    except InputError:
        return None
    found = found[found["acc"].notna()]
    return None if found.empty else found


def trace(page: str) -> str:
    """Markdown: how to get from a number of the page to the same number computed again; '' where it has no rows."""
    found = published(page)
    if found is None:
        return ""
    shown = groups(found).dropna(axis="columns", how="all")
    shown["accuracy"] = [f"{100 * value:.1f}%" for value in shown["accuracy"]]
    lines = [[str(name).replace("_", " ") for name in shown], ["---"] * len(shown.columns)]
    lines += [
        ["" if value != value or value is None else html.escape(str(value)) for value in row] for row in shown.values
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    link = f'<a href="{page}.csv" download>{page}.csv</a>'
    return f"{TRACE.format(page=page, key=shown['first_key'].iloc[0])}\nAll of them, a line a row: {link}\n\n{table}"


def fold(app: Any, docname: str, source: list[str]) -> None:
    """Fold the code of an executed notebook as it is read."""
    if docname.startswith("executed/"):
        source[0] = json.dumps(folded(json.loads(source[0]), docname.removeprefix("executed/")))


def name_folds(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """A folded output is called what its line says, and not what MyST-NB calls all of them to a screen reader."""
    if "body" in context:
        context["body"] = context["body"].replace(' aria-label="Toggle hidden content"', "")


def write_csv(app: Any, error: Exception | None) -> None:
    """Put the rows of each results page beside it, as a CSV file."""
    if error or app.builder.name != "html":
        return
    for page in (name for name in app.env.found_docs if name.startswith("executed/")):
        if (found := published(page.removeprefix("executed/"))) is not None:
            found.to_csv(Path(app.outdir) / f"{page}.csv", index=False)


def write_figure(app: Any, error: Exception | None) -> None:
    """Put the data of the main figure beside its script."""
    if error or app.builder.name != "html":
        return
    target = Path(app.outdir) / "figure" / "rows.js"
    target.parent.mkdir(exist_ok=True)
    target.write_text(main_figure.script(main_figure.everything(PUBLISHED)), encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", fold)
    app.connect("html-page-context", name_folds)
    app.connect("build-finished", write_csv)
    app.connect("build-finished", write_figure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
