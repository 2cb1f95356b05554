"""The rows of a user's table: a text, a class or none, probabilities or none; anything else is an InputError."""

from dataclasses import dataclass

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_csv import odd_quotes
from qdllm_utils.texts.own_file_labels import (
    cell_text,
    is_no_label,
    probability_columns,
    read_labels,
    read_probabilities,
)
from qdllm_utils.texts.own_file_table import Table
from qdllm_utils.texts.own_file_words import listed, many, visible


@dataclass(frozen=True)
class Rows:
    """The usable rows before cleaning: texts (R,), the class of each or None, probabilities (R, C) or None."""

    texts: list[str]
    names: list[str | None]
    classes: tuple[str, ...]
    probabilities: np.ndarray | None
    notices: list[str]


def read_rows(table: Table, text: int, label: int, name: str, unlabelled: bool) -> Rows:
    """The texts, classes and probabilities of a table; a row without text, or without label, is an InputError."""
    texts: list[str] = []
    cells: list[str | None] = []
    for row, place in zip(table.rows, table.places, strict=True):
        try:
            one = cell_text(row[text], "text")
            cells.append(cell_text(row[label], "label"))
        except ValueError as error:
            raise InputError(f"{name}, {table.unit} {place}: {error}; correct or remove the row.") from None
        texts.append((one or "").strip())
    again = [place for row, place in zip(table.rows, table.places, strict=True) if row == table.columns]
    if again:
        raise InputError(
            f"{name}, {table.unit} {again[0]}: the first row, with the names of the columns, comes again; were two "
            "files put together? Remove it."
        )
    empty = [place for one, place in zip(texts, table.places, strict=True) if not visible(one)]
    if empty:
        raise InputError(
            f"{name}, {table.unit} {empty[0]}: the text is empty, it has no visible character "
            f"({such(empty, table)}); fill it in or remove the row."
        )
    distilled = any(column.strip().lower().startswith("p_") for column in table.columns)
    read = read_labels(cells, table, name, unlabelled or distilled)
    columns, notices = probability_columns(table.columns, read.classes, name)
    bare = [place for one, place in zip(read.names, table.places, strict=True) if one is None]
    if bare and not (unlabelled or columns):
        raise InputError(
            f"{name}, {table.unit} {bare[0]}: the label is empty ({such(bare, table)}); fill it in, "
            "remove the row, or pass unlabelled=True to use such rows for distillation only."
        )
    values = None
    if columns:
        values, more = read_probabilities(table, columns, read.classes, name)
        notices += more
        for one, row, place in zip(read.names, values, table.places, strict=True):
            if np.isnan(row[0]):
                lacking = "neither a label nor probabilities" if one is None else "no probabilities"
                raise InputError(
                    f"{name}, {table.unit} {place}: the row has {lacking}; every row needs its p_<class> columns "
                    "filled in where the file has them."
                )
    if bare:
        notices.append(f"Without a label, so for distillation only: {many(len(bare), 'row')}.")
    notices += odd_quotes(texts, table.places, table.unit)
    notices += odd_letters(texts)
    return Rows(texts, read.names, read.classes, values, read.notices + notices)


def such(places: list[int], table: Table) -> str:
    """How many rows there are of a kind, and where the first ones stand."""
    return f"{many(len(places), 'such row')}: {table.unit} {listed([str(place) for place in places])}"


def odd_letters(texts: list[str]) -> list[str]:
    """Notices about texts that an earlier program has damaged."""
    no_text = sum(map(is_no_label, texts))
    missing = [f"{many(no_text, 'text')} read nan, None or the like: missing values?"] if no_text else []
    lost = sum("\ufffd" in text for text in texts)
    notices = [f"Letters were lost when the file was made (\ufffd): in {many(lost, 'text')}."] if lost else []
    twice = sum(any(pair in text for pair in ("Ã©", "Ã¼", "Ã¶", "Ã¤", "Ã±", "Ã¨", "â€", "Â ", "Ð°")) for text in texts)
    if twice:
        notices.append(f"{many(twice, 'text')} look like UTF-8 that was read as another encoding (Ã©, â€).")
    return missing + notices
