"""A user's own file becomes a checked corpus: texts, classes, probabilities, and what was assumed or dropped.

CSV, TSV, JSON lines and Parquet, each also as .gz. Whatever cannot be read for certain is one sentence; whatever was
assumed is a notice; every row that is not used is counted with its reason.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_bytes import decode, read_bytes
from qdllm_utils.texts.own_file_columns import find_columns, no_columns
from qdllm_utils.texts.own_file_csv import read_csv
from qdllm_utils.texts.own_file_labels import SMALLEST
from qdllm_utils.texts.own_file_rows import Rows, read_rows
from qdllm_utils.texts.own_file_table import Table, is_json, read_json, read_parquet
from qdllm_utils.texts.own_file_words import listed, many, quoted, reads


@dataclass(frozen=True)
class Dropped:
    """A row that is not used. place: its line (or row) in the file; reason: why."""

    place: int
    reason: str


@dataclass(frozen=True)
class OwnTexts:
    """The corpus of a user's file.

    labels: (N,) class numbers into `classes`. probabilities: (N, C) from columns p_<class>, rows sum to 1; or None.
    unlabelled: texts without a label, for distillation only, with unlabelled_probabilities (U, C) or None.
    notices: what was assumed, in sentences. places: (N,) line of each text in the file (`unit`: line or row).
    dropped: the rows that are not used. rows: how many the file has. duplicates: further copies of a text;
    contradictions: texts that carry two labels. sha256: of the unpacked file.
    """

    name: str
    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray | None
    unlabelled: tuple[str, ...]
    unlabelled_probabilities: np.ndarray | None
    notices: tuple[str, ...]
    places: np.ndarray
    unit: str
    dropped: tuple[Dropped, ...]
    rows: int
    duplicates: int
    contradictions: int
    sha256: str

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the corpus as it was read: the same for the same rows in any format."""
        whole = hashlib.sha256()
        for text, label in zip(self.texts, self.labels, strict=True):
            whole.update(f"{self.classes[label]}\t{text}\n".encode())
        whole.update("".join(f"\t{text}\n" for text in self.unlabelled).encode())
        for values in (self.probabilities, self.unlabelled_probabilities):
            if values is not None:
                whole.update(values.round(6).astype("<f8").tobytes())
        return whole.hexdigest()


def read_own_file(
    path: str,
    text_column: str | None = None,
    label_column: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    unlabelled: bool = False,
    to_train: bool = True,
) -> OwnTexts:
    """Read a user's file; an InputError says in one sentence what is wrong with it and what to do.

    text_column, label_column, separator, encoding: found where None. unlabelled: whether rows may have no label;
    such rows are allowed anyway where the columns p_<class> give their probabilities. to_train: whether a student is to
    be trained on it, which needs two classes and some texts of each.
    """
    raw, notices = read_bytes(path)
    name = Path(path).name
    table, assumed = read_table(raw, name, text_column, label_column, separator, encoding)
    notices += assumed + table.notices
    found = find_columns(table.columns, text_column, label_column, name)
    if found is None:
        raise InputError(no_columns(table, text_column, label_column, name))
    notices += found.notices
    if table.blank:
        where = listed([str(place) for place in table.blank])
        notices.append(f"Left out: {many(len(table.blank), 'empty row')} ({table.unit} {where}).")
    rows = read_rows(table, found.text, found.label, name, unlabelled)
    own = clean(rows, name, table, hashlib.sha256(raw).hexdigest())
    if to_train:
        checked_sizes(own)
    return replace(own, notices=tuple(notices) + own.notices)


def read_table(
    raw: bytes,
    name: str,
    text_column: str | None,
    label_column: str | None,
    separator: str | None,
    encoding: str | None,
) -> tuple[Table, list[str]]:
    """The table of a file in whichever format it is, and what was assumed about its encoding."""
    if raw.startswith(b"PAR1"):
        return read_parquet(raw, name), ["The file is Parquet."]
    content, _, notices = decode(raw, encoding, name)
    if is_json(content, name):
        return read_json(content, name), [*notices, "The file is JSON."]

    def columns(header: list[str]) -> tuple[int, int] | None:
        found = find_columns(header, text_column, label_column, name)
        return (found.text, found.label) if found else None

    return read_csv(content, name, separator, columns), notices


def clean(rows: Rows, name: str, table: Table, sha256: str) -> OwnTexts:
    """The corpus of the rows: a repeated text once, a text with two labels not at all, each counted.

    An unlabelled row that repeats any other text is dropped, so that no test text is trained on.
    """
    kinds: dict[str, dict[str, int]] = defaultdict(dict)  # text -> {class: place of its first row}
    for text, label, place in zip(rows.texts, rows.names, table.places, strict=True):
        if label is not None:
            kinds[reads(text)].setdefault(label, place)
    seen: dict[str, int] = {}
    kept: list[int] = []
    free: list[int] = []
    dropped: list[Dropped] = []
    copies, differing = 0, 0
    labelled_first = sorted(range(len(rows.texts)), key=lambda row: rows.names[row] is None)
    for row in labelled_first:
        same, label, place = reads(rows.texts[row]), rows.names[row], table.places[row]
        before = seen.setdefault(same, row)
        copies += before != row
        if label is not None and len(kinds[same]) > 1:
            other = next(one for one in kinds[same] if one != label)
            where = f"{table.unit} {kinds[same][other]}"
            dropped.append(Dropped(place, f"{where} has the same text with another label, {quoted(other)}"))
        elif before != row:
            dropped.append(Dropped(place, f"the text of {table.unit} {table.places[before]} again"))
            if rows.probabilities is not None:
                differing += not np.allclose(rows.probabilities[before], rows.probabilities[row], atol=1e-6)
        else:
            (kept if label is not None else free).append(row)
    contradictions = sum(len(some) > 1 for some in kinds.values())
    notices = list(rows.notices)
    if differing:
        notices.append(f"{differing:,} repeated texts have other probabilities than their first row, whose are used.")
    if dropped:
        notices.append(
            f"{len(dropped):,} of {len(rows.texts):,} rows are not used: {copies:,} repeat a text (case, spacing and "
            f"invisible characters ignored), {contradictions:,} texts carry two labels."
        )
    classes, values = rows.classes, rows.probabilities
    return OwnTexts(
        name,
        tuple(rows.texts[row] for row in kept),
        np.array([classes.index(rows.names[row] or "") for row in kept], dtype=int),
        classes,
        None if values is None else values[kept],
        tuple(rows.texts[row] for row in free),
        None if values is None or not free else values[free],
        tuple(notices),
        np.array([table.places[row] for row in kept], dtype=int),
        table.unit,
        tuple(sorted(dropped, key=lambda one: one.place)),
        len(table.rows),
        copies,
        contradictions,
        sha256,
    )


def checked_sizes(own: OwnTexts) -> None:
    """An InputError where there are fewer than two classes, or a class has too few texts for the splits."""
    if len(own.classes) < 2:
        which = f" (only {quoted(own.classes[0])})" if own.classes else ""
        raise InputError(
            f"{own.name} has {many(own.rows, 'row')} and fewer than two labels{which}: two classes are needed, with at "
            f"least {SMALLEST} texts each."
        )
    counts = np.bincount(own.labels, minlength=len(own.classes))
    small = [
        f"{quoted(one)} has {many(int(count), 'text')}"
        for one, count in sorted(zip(own.classes, counts, strict=True), key=lambda pair: pair[1])
        if count < SMALLEST
    ]
    if not small:
        return
    why = f" after cleaning ({own.rows:,} rows)" if own.dropped else ""
    if own.contradictions:
        first = next(one for one in own.dropped if "another label" in one.reason)
        why += f", {own.contradictions:,} texts carry two labels (first: {own.unit} {first.place}; {first.reason})"
    raise InputError(
        f"{own.name}: the class {listed(small, 3)}{why}; every class needs at least {SMALLEST} texts, so that "
        "three are left to validate and test with: add texts, join classes, or remove the rows of the class."
    )
