"""Labels and probabilities of a user's rows: which classes there are, and what is no class at all."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_table import Table
from qdllm_utils.texts.own_file_words import broken, listed, looks, many, number, quoted, tidy, visible

SMALLEST = 8  # the fewest texts of a class of which every 6:2:2 split keeps three outside training, one in each part
NOT_A_LABEL = {"nan", "-nan", "<na>", "nat", "null", "n/a", "#n/a", "#na", "#null!", "#value!", "#ref!", "undefined"}
NO_LABEL_AS_WRITTEN = {"None", "NA"}  # by Python and R; `none` and `na` may be classes, and are asked about
PERHAPS_NO_LABEL = {"none", "na", "nil", "missing", "unknown"}


def cell_text(value: Any, what: str) -> str | None:
    """A cell as characters; None where it is missing; ValueError where it can be neither text nor label."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        if broken(value):
            raise ValueError(f"the {what} holds half a character (an unpaired surrogate)")
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    if what == "label" and isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return ",".join(value) if value else None
    raise ValueError(f"the {what} is of type {type(value).__name__}, not text")


@dataclass(frozen=True)
class Labels:
    """names: the class of each row, None where it has no label. classes: in order. notices: what was joined."""

    names: list[str | None]
    classes: tuple[str, ...]
    notices: list[str]


def read_labels(cells: list[str | None], table: Table, name: str, unlabelled: bool) -> Labels:
    """The classes that the label column's cells name; spellings that look the same are one class.

    unlabelled: whether `nan` and the like may stand for no label; otherwise they are an InputError.
    """
    spelled = [cell if cell is not None and visible(cell) else None for cell in cells]
    notices: list[str] = []
    empty = Counter(cell for cell in spelled if cell and is_no_label(cell))
    if empty:
        shown = listed([f"{quoted(cell.strip())} ({many(count, 'row')})" for cell, count in empty.items()])
        if not unlabelled:
            first = next(place for cell, place in zip(spelled, table.places, strict=True) if cell in empty)
            raise InputError(
                f"{name}, {table.unit} {first}: the label {shown} looks like a missing value that a program wrote; "
                "fill in the class, remove the rows, or name the class otherwise (no class, say)."
            )
        notices.append(f"Read as no label: {shown}.")
        spelled = [None if cell in empty else cell for cell in spelled]
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in spelled:
        if cell is not None:
            spellings[looks(cell)][cell] += 1
    chosen = {}
    for same, counts in spellings.items():
        chosen[same] = class_name(same, counts)
        if len(counts) > 1:
            shown = listed([f"{quoted(cell)} ({count:,})" for cell, count in counts.items()], 6)
            notices.append(f"Labels that look the same are one class, {quoted(chosen[same])}: {shown}.")
        if looks(chosen[same]) in PERHAPS_NO_LABEL:
            count = sum(counts.values())
            notices.append(
                f"The class {quoted(chosen[same])} ({many(count, 'row')}) is kept: is it a class, or no label?"
            )
    names = [None if cell is None else chosen[looks(cell)] for cell in spelled]
    classes = in_order(list(chosen.values()))
    refuse_quantities(Counter(one for one in names if one is not None), name)
    return Labels(names, classes, notices + several_labels(classes))


def is_no_label(cell: str) -> bool:
    """Whether a cell is what a program writes for a missing value."""
    return tidy(cell) in NO_LABEL_AS_WRITTEN or looks(cell) in NOT_A_LABEL


def class_name(same: str, counts: Counter[str]) -> str:
    """What a class is called: its most frequent spelling, of equals a plain one; a plain number before 1.0."""
    if len(counts) > 1 and number(same) is not None:
        return same
    return tidy(max(counts, key=lambda cell: (counts[cell], cell.isascii() and tidy(cell) == cell)))


def in_order(classes: list[str]) -> tuple[str, ...]:
    """Classes in the order of their numbers where all are numbers, else in alphabetical order."""
    values = {one: number(one) for one in classes}
    numeric = all(value is not None for value in values.values())
    return tuple(sorted(classes, key=lambda one: (values[one] if numeric else 0.0, one)))


def refuse_quantities(counts: Counter[str], name: str) -> None:
    """An InputError where the labels are measurements, or texts, and not classes."""
    rows, rare = sum(counts.values()), sum(count < SMALLEST for count in counts.values())
    if len(counts) <= 10 or 2 * rare <= len(counts):
        return
    longest = max(counts, key=len)
    if all(number(label.replace(",", ".")) is not None for label in counts):
        raise InputError(
            f"{name}: the label column holds {len(counts):,} different numbers in {rows:,} rows, which looks like a "
            "quantity; classes are needed: put the numbers into a few bins, or pass another `label_column`."
        )
    raise InputError(
        f"{name}: the label column holds {len(counts):,} different labels in {rows:,} rows (such as "
        f"{quoted(longest)}), {rare:,} of them on fewer than {SMALLEST} rows; every class needs at least {SMALLEST}: "
        "join small classes, or pass the right text_column and label_column."
    )


def several_labels(classes: tuple[str, ...]) -> list[str]:
    """A notice where classes look like lists of other classes: 'a,b' beside 'a' and 'b'."""

    def bare(part: str) -> str:
        return looks(part.strip(" []{}()'\""))

    known = set(map(bare, classes))
    for sign in (",", ";", "|", "/", "+", "&"):
        parts = {one: {bare(part) for part in one.split(sign)} - {""} for one in classes}
        whole = [one for one, some in parts.items() if len(some) > 1 and some & known]
        sharing = Counter(part for some in parts.values() if len(some) > 1 for part in some)
        if not whole and max(sharing.values(), default=0) > 1:
            whole = [one for one, some in parts.items() if any(sharing[part] > 1 for part in some)]
        if whole:
            shown = listed([quoted(one) for one in whole])
            return [f"Some classes look like several labels at once, and stay classes of their own: {shown}."]
    return []


def probability(value: Any, comma: bool) -> float | None:
    """The number in a cell of probabilities, nan where it is none; None where the cell is empty."""
    if value is None or (isinstance(value, str) and not visible(value)):
        return None
    try:
        return float(value.strip().replace(",", ".") if isinstance(value, str) and comma else value)
    except (TypeError, ValueError):
        return math.nan


def read_probabilities(
    table: Table, columns: dict[str, int], classes: tuple[str, ...], name: str
) -> tuple[np.ndarray, list[str]]:
    """The probabilities of each row (N, C), nan where a row has none; rows that no distribution fits are refused.

    columns: {class: number of its column}. Rows may miss a sum of 1 by what rounding to two decimals explains, and
    are divided by their sum.
    """
    comma, tolerance = table.separator not in (None, ","), 0.005 * len(classes) + 1e-6
    values = np.full((len(table.rows), len(classes)), np.nan)
    rounded = 0
    for row, (cells, place) in enumerate(zip(table.rows, table.places, strict=True)):
        found = [probability(cells[columns[one]], comma) for one in classes]
        if all(value is None for value in found):
            continue
        where = f"{name}, {table.unit} {place}"
        for one, value in zip(classes, found, strict=True):
            if value is None or not 0 <= value <= 1:
                wrong = "is empty" if value is None else f"is {quoted(str(cells[columns[one]]))}"
                raise InputError(f"{where}: p_{one} {wrong}; it must be a probability, from 0 to 1.")
        total = math.fsum(value for value in found if value is not None)
        if abs(total - 1) > tolerance:
            raise InputError(
                f"{where}: the probabilities p_<class> sum to {total:.4g}; they must sum to 1 (within {tolerance:.2g})."
            )
        rounded += abs(total - 1) > 1e-6
        values[row] = np.array(found, dtype=float) / total
    notices = [f"The probabilities of {rounded:,} rows were divided by their sum (rounding)."] if rounded else []
    return values, notices


def probability_columns(columns: list[str], classes: tuple[str, ...], name: str) -> tuple[dict[str, int], list[str]]:
    """{class: number of its column p_<class>}, {} where there is none, and notices about columns left unread."""
    of_class = {looks(one): one for one in classes}
    found: dict[str, int] = {}
    strangers = []
    for position, column in enumerate(columns):
        if tidy(column).lower().startswith("p_"):
            one = of_class.get(looks(tidy(column)[2:]))
            if one is None:
                strangers.append(tidy(column))
            elif one in found:
                raise InputError(f"{name}: the column p_{one} stands twice; remove or rename one of them.")
            else:
                found[one] = position
    if not found:
        return {}, [f"The columns {listed(strangers)} are not read: no class is named so."] if strangers else []
    missing = [one for one in classes if one not in found]
    if missing or strangers:
        what = f"no column p_{missing[0]}" if missing else f"a column {strangers[0]}, but no row with that label"
        raise InputError(
            f"{name} has {what}: the classes are {listed([quoted(one) for one in classes], 8)}, and each needs "
            "one column p_<class> with its probability."
        )
    return found, [f"Probabilities of {len(found)} classes: columns {listed([f'p_{one}' for one in classes], 8)}."]
