"""Rows as one tidy table: a line a row, so that a reader can group and plot them with pandas and seaborn."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qdcircuits.errors import InputError
from qdllm_utils.config import SCALES, TASKS
from qdllm_utils.runs.identity import LABELS, data_of, describe
from qdllm_utils.runs.store import PUBLISHED, Row
from qdllm_utils.texts.sources import Source

if TYPE_CHECKING:
    import pandas as pd

RESULTS = ("acc", "p", "r", "f1", "validation", "parameters", "stored_bytes", "epoch_seconds", "best_epoch", "size")
COLUMNS = ("page", *LABELS, *RESULTS, "seconds", "date", "commit", "key")


def rows(page: str | None = None, **filters: Any) -> "pd.DataFrame":
    """The published rows, one line a row.

    page: `controls`, `table5`, ...: the rows that this page of the book shows (of a page run before records kept their
    keys: those published with it). filters: values of the columns kind,
    task, teacher, embedder, preset, student, seed, stored_as. Columns: the page that a row was first published with,
    those labels, the results (accuracies between 0 and 1; epoch_seconds of one training epoch; stored_bytes), and where
    the row comes from (commit, key).

    Raises InputError for a page or filter that does not exist. An empty table has the same columns.
    """
    import pandas as pd

    from qdllm_utils.runs.published import Published, page_of

    published = Published(PUBLISHED)
    asked = keys_of_pages()
    unknown = [name for name in filters if name not in LABELS]
    if unknown:
        raise InputError(f"Rows have no column {unknown[0]!r} to choose by: take one of {', '.join(LABELS)}.")
    pages = sorted({page_of(home) for home, _ in published.lines.values()} | set(asked))
    if page is not None and page not in pages:
        raise InputError(f"No rows are published with the page {page!r}: choose one of {', '.join(pages)}.")
    found = []
    for key, (home, line) in published.lines.items():
        of_page = page_of(home)
        if page is None or (key in asked[page] if page in asked else page == of_page):
            record = json.loads(line)
            if all(str(record[name]) == str(value) for name, value in filters.items() if value is not None):
                found.append({"page": of_page, **line_of(record)})
    return pd.DataFrame(found, columns=list(COLUMNS)).reset_index(drop=True)


def frame_of(rows: Iterable[Row]) -> "pd.DataFrame":
    """Rows that a notebook has found or trained, as a table: the columns of `rows` without the page, a line a row.

    Texts of the demo scale count to the task that they were generated for.
    """
    import pandas as pd

    demo = {Source(task, SCALES["demo"]).fingerprint: task for task in TASKS}
    lines = []
    for row in {row.key: row for row in rows}.values():
        labels = describe(row.identity)
        task = demo.get(data_of(row.identity).get("fingerprint", ""), labels["task"])
        record = {**labels, "task": task, "result": row.result, "provenance": row.provenance, "key": row.key}
        lines.append(line_of(record))
    return pd.DataFrame(lines, columns=list(COLUMNS[1:]))


def keys_of_pages() -> dict[str, set[str]]:
    """{page: the keys of the rows that it asked for when it was published}; pages without rows are left out."""
    found = {}
    for path in sorted((PUBLISHED.parent / "executed").glob("*.json")):
        if keys := json.loads(path.read_text(encoding="utf-8")).get("keys"):
            found[path.stem] = set(keys)
    return found


def groups(found: "pd.DataFrame") -> "pd.DataFrame":
    """What stands behind one number each: rows that differ in nothing but the seed, as one line.

    found: of `rows`. Columns: the labels without the seed; seeds (how many), accuracy (the mean, between 0 and 1) and
    first_key (of the lowest seed).
    """
    names = ["kind", "task", "teacher", "embedder", "preset", "changes", "student", "stored_as"]
    grouped = found.sort_values("seed", kind="stable").groupby(names, dropna=False, sort=True)
    return grouped.agg(seeds=("key", "size"), accuracy=("acc", "mean"), first_key=("key", "first")).reset_index()


def line_of(record: dict[str, Any]) -> dict[str, Any]:
    """A published record as a line of the table."""
    result, provenance = record["result"], record["provenance"]
    values = {name: result.get(name) for name in RESULTS}
    if isinstance(values["validation"], dict):  # a teacher's
        values["validation"] = values["validation"]["acc"]
    made = {name: provenance.get(name) for name in ("seconds", "date", "commit")}
    return {name: record.get(name) for name in LABELS} | values | made | {"key": record["key"]}
