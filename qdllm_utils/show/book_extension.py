"""A Sphinx extension: a results page shows what was found first, and how it was made in one folded block at its end.

The executed notebooks stay as they ran. When a page is rendered, the code of its cells is taken out, cells that show
nothing are left out, and parameters and code come once more at the end, folded.
"""

import json
from typing import Any


def folded(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook as a page: outputs only, and its code in a dropdown at the end."""
    cells, code = [], []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code.append("".join(cell["source"]).strip())
            tags = [tag for tag in cell["metadata"].get("tags", []) if tag != "hide-input"]
            if not cell.get("outputs"):
                continue
            cell = cell | {"metadata": cell["metadata"] | {"tags": [*tags, "remove-input"]}}
        cells.append(cell)
    listing = "\n\n".join(text for text in code if text)
    text = f"````{{dropdown}} How this was made: parameters and code\n```python\n{listing}\n```\n````"
    made = {"cell_type": "markdown", "id": "how-this-was-made", "metadata": {}, "source": text}
    return notebook | {"cells": [*cells, made]}


def fold(app: Any, docname: str, source: list[str]) -> None:
    """Fold the code of an executed notebook as it is read."""
    if docname.startswith("executed/"):
        source[0] = json.dumps(folded(json.loads(source[0])))


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", fold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
