"""A user's file as a table: JSON lines, Parquet, and the choice between them and CSV."""

import json
from dataclasses import dataclass, field
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_words import quoted, tidy


@dataclass
class Table:
    """Rows of cells with where they stand in the file.

    columns: names as written. rows: a cell for each column; None where there is none. places: the line (or, as
    `unit` says, the row) of each. blank: the places of rows without any value. separator: of a CSV file.
    """

    columns: list[str]
    rows: list[list[Any]]
    places: list[int]
    unit: str = "line"
    blank: list[int] = field(default_factory=list)
    separator: str | None = None
    notices: list[str] = field(default_factory=list)


def plain(name: str) -> str:
    """What two column names are compared by: case, spaces and invisible characters are ignored."""
    return tidy(name).casefold()


def is_json(content: str, name: str) -> bool:
    """Whether a text file is JSON lines or a JSON list: by its first character, or by its name."""
    first = content.lstrip()[:1]
    return first in ("{", "[") or name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json"))


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys each stand once; ValueError names one that stands twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {quoted(key)} stands twice")
        found[key] = value
    return found


def read_json(content: str, name: str) -> Table:
    """A table of JSON lines (an object a line), or of one JSON list of objects."""
    notices: list[str] = []
    objects: list[tuple[int, Any]] = []
    blank: list[int] = []
    unit = "line"
    if content.lstrip().startswith("["):
        unit = "row"
        notices.append("The file is one JSON list: its objects are the rows.")
        objects = list(enumerate(parse(content, f"{name} is not one JSON list"), start=1))
    else:
        lines = content.split("\n")
        blank = [number for number, line in enumerate(lines[:-1], start=1) if not line.strip()]
        objects = [
            (number, parse(line, f"{name}, line {number}, is not JSON"))
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
    columns: dict[str, None] = {}
    for number, row in objects:
        if not isinstance(row, dict):
            what = f"a {type(row).__name__}" if row is not None else "null"
            raise InputError(f'{name}, {unit} {number}, is {what}: each must be an object like {{"text": …}}.')
        columns |= dict.fromkeys(row)
    rows = [[row.get(column) for column in columns] for _, row in objects]
    return Table(list(columns), rows, [number for number, _ in objects], unit, blank, notices=notices)


def parse(content: str, what: str) -> Any:
    """JSON, strictly: no key twice in an object."""
    try:
        return json.loads(content, object_pairs_hook=without_repeats)
    except json.JSONDecodeError as error:
        raise InputError(f"{what} ({error.msg}, column {error.colno}): one whole object is needed.") from None
    except RecursionError:
        raise InputError(f"{what} (nested too deeply): one flat object a row is needed.") from None
    except ValueError as error:
        raise InputError(f"{what} that can be used ({error}): each key may stand once.") from None


def read_parquet(raw: bytes, name: str) -> Table:
    """A table of a Parquet file; needs pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(f"{name} is Parquet, which needs pyarrow: `pip install pyarrow`, or save it as CSV.") from None
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(raw), use_threads=False)
        cells = [column.to_pylist() for column in table.columns]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        cause = str(error).splitlines()[0].rstrip(".")[:100]
        raise InputError(f"{name} is a damaged Parquet file ({cause}): write it again.") from None
    rows = [list(row) for row in zip(*cells, strict=True)]
    return Table(list(table.column_names), rows, list(range(1, len(rows) + 1)), "row")
