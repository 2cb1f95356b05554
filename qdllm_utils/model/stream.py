"""Classify a file of any length in bounded memory: text lines, CSV, TSV or JSONL in and out, the order kept.

txt     one text a line; one class a line comes out, an empty line for an empty line
csv     all columns come out again, with `prediction` and `probability` beside them
jsonl   the same for objects; a line that is a bare string is a text
"""

import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from qdcircuits.errors import InputError, choose

FORMATS = ("txt", "csv", "tsv", "jsonl")
ADDED = ("prediction", "probability")
BATCH = 1024
STANDARD = "-"  # standard input or output


def format_of(path: str, asked: str | None, direction: str) -> str:
    """The format asked for, or that of the file's ending; txt for standard input and output."""
    if asked is not None:
        return choose(asked, FORMATS, f"{direction} format")
    if path == STANDARD:
        return "txt"
    ending = Path(path.removesuffix(".gz")).suffix.removeprefix(".").lower()
    ending = {"ndjson": "jsonl", "text": "txt", "": "txt"}.get(ending, ending)
    if ending not in FORMATS:
        raise InputError(
            f"The {direction} {Path(path).name!r} ends in none of .{', .'.join(FORMATS)}: say which of these it is."
        )
    return ending


@contextlib.contextmanager
def opened(path: str, encoding: str) -> Iterator[IO[str]]:
    """The input as text; a gzip file is unpacked on the way."""
    if path == STANDARD:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding=encoding, newline="")
        return
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"There is no file {path!r}: give a file of texts, or - for standard input.")
    opening: Any = gzip.open if file.suffix == ".gz" else open
    with opening(file, "rb") as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        yield text


@contextlib.contextmanager
def written(path: str) -> Iterator[IO[str]]:
    """The output; a file is written aside and put in place at the end, so that no half of it is taken for the whole."""
    if path == STANDARD:
        yield sys.stdout
        sys.stdout.flush()
        return
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r} to write {target.name!r} into: make it first.")
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(aside, "w", encoding="utf-8", newline="") as file:
            yield file
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


class Records:
    """The records of an input, one at a time: (text, record), and the columns of a table."""

    def __init__(self, file: IO[str], kind: str, name: str, text_column: str | None, separator: str | None) -> None:
        """Read a table's first line."""
        self.name, self.kind, self.column, self.columns = name, kind, text_column, [text_column or "text"]
        self.line = 0
        self.lines = self.counted(file)
        self.table: Any = None
        if kind in ("csv", "tsv"):
            csv.field_size_limit(10_000_000)
            self.table = csv.reader(self.lines, delimiter=separator or ("\t" if kind == "tsv" else ","), strict=True)
            self.columns = next(self.table, [])
            self.column = self.chosen_column()

    def counted(self, file: IO[str]) -> Iterator[str]:
        """The lines, counted for messages."""
        try:
            for line in file:
                self.line += 1
                yield line
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name} is not {error.encoding} (near line {self.line + 1}): give its encoding, for example "
                "encoding='cp1252'."
            ) from None
        except (EOFError, gzip.BadGzipFile) as error:
            raise InputError(f"{self.name} is damaged after line {self.line} ({error}): get the file again.") from None

    def chosen_column(self) -> str:
        """Of a table: the one asked for, `text`, or the only one."""
        wanted = self.column or ("text" if len(self.columns) > 1 else (self.columns or ["text"])[0])
        if self.columns.count(wanted) != 1:
            raise InputError(
                f"{self.name} must have one column {wanted!r}; found: {', '.join(self.columns) or 'none'}; "
                "name the column of "
                "the texts with text_column, and the separator if it is not a comma."
            )
        clash = [name for name in ADDED if name in self.columns]
        if clash:
            raise InputError(
                f"{self.name} has a column {clash[0]!r} already: rename it, for it would be written twice."
            )
        return wanted

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """(text, record) of every record; raises InputError with the line for one that cannot be read."""
        if self.kind == "txt":
            for line in self.lines:
                yield line.rstrip("\r\n"), None
        elif self.kind == "jsonl":
            for line in self.lines:
                if line.strip():
                    yield self.from_json(line)
        else:
            yield from self.from_table()

    def from_table(self) -> Iterator[tuple[str, list[str]]]:
        """The rows of CSV or TSV; empty lines between them are no rows."""
        place = self.columns.index(str(self.column))
        try:
            for row in self.table:
                if not row:
                    continue
                if len(row) != len(self.columns):
                    raise InputError(
                        f"{self.name}, line {self.line}: {len(row)} values for {len(self.columns)} columns; put texts "
                        "that hold the separator in quotes."
                    )
                yield row[place], row
        except csv.Error as error:
            raise InputError(
                f"{self.name}, line {self.line}: a quote is not closed or is misplaced ({error})."
            ) from None

    def from_json(self, line: str) -> tuple[str, dict[str, Any]]:
        """One line of JSONL."""
        wanted = self.column or "text"
        try:
            found = json.loads(line)
        except ValueError:
            raise InputError(f"{self.name}, line {self.line}, is not JSON: each line must be one object.") from None
        record = {wanted: found} if isinstance(found, str) else found
        if not isinstance(record, dict) or not isinstance(record.get(wanted), str):
            raise InputError(
                f"{self.name}, line {self.line}: there is no string {wanted!r} in it; name it with text_column."
            )
        return record[wanted], record


def write(
    out: IO[str], kind: str, records: Records, batch: list[tuple[str, Any]], labels: list[Any], chances: list[float]
) -> None:
    """One batch in the output's format."""
    if kind == "txt":
        out.writelines(f"{label}\n" for label in labels)
        return
    if kind == "jsonl":
        for (text, record), label, chance in zip(batch, labels, chances, strict=True):
            kept = record if isinstance(record, dict) else dict(zip(records.columns, record or [text], strict=True))
            out.write(json.dumps(kept | {"prediction": label, "probability": chance}, ensure_ascii=False) + "\n")
        return
    writer = csv.writer(out, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
    for (text, record), label, chance in zip(batch, labels, chances, strict=True):
        if isinstance(record, dict):
            row = [record.get(name, "") for name in records.columns]
        else:
            row = record if record is not None else [text]
        writer.writerow([*row, label, "" if chance is None else f"{chance:.6f}"])


def predict_file(
    model: Any,
    input: str = STANDARD,
    output: str = STANDARD,
    text_column: str | None = None,
    separator: str | None = None,
    encoding: str = "utf-8-sig",
    input_format: str | None = None,
    output_format: str | None = None,
    batch_size: int = BATCH,
) -> int:
    """Classify every record of a file and write it with its class; returns how many there were.

    model: a classifier as `load` returns it. input, output: paths, or - for standard input and output. Formats follow
    the endings unless they are given; that of standard output follows the input's. A reader that goes away (`| head`)
    ends the run quietly. Raises InputError for a record that cannot be read; a file is then not written at all.
    """
    kind = format_of(input, input_format, "input")
    to = kind if output == STANDARD and output_format is None else format_of(output, output_format, "output")
    if STANDARD not in (input, output) and Path(input).resolve() == Path(output).resolve():
        raise InputError(f"Input and output are the same file, {Path(input).name!r}: give another name for the output.")
    name, done = "standard input" if input == STANDARD else Path(input).name, 0
    try:
        with opened(input, encoding) as file, tqdm(unit=" texts", disable=None, file=sys.stderr) as bar:
            records = Records(file, kind, name, text_column, separator)
            with written(output) as out:
                found = iter(records)
                first = True
                while batch := list(itertools.islice(found, batch_size)):
                    if first and to in ("csv", "tsv"):
                        if batch and isinstance(batch[0][1], dict):
                            records.columns = list(batch[0][1])
                        csv.writer(out, delimiter="\t" if to == "tsv" else ",", lineterminator="\n").writerow(
                            [*records.columns, *ADDED]
                        )
                    first = False
                    labels, chances = classified(model, [text for text, _ in batch])
                    write(out, to, records, batch, labels, chances)
                    done += len(batch)
                    bar.update(len(batch))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return done


def classified(model: Any, texts: list[str]) -> tuple[list[Any], list[Any]]:
    """Class and probability of each text; '' and None for a text without a visible character."""
    rows = [number for number, text in enumerate(texts) if text.strip()]
    labels: list[Any] = [""] * len(texts)
    chances: list[Any] = [None] * len(texts)
    if rows:
        found = model.predict_proba([texts[row] for row in rows])
        for row, place, chance in zip(rows, found.argmax(axis=1), found.max(axis=1), strict=True):
            labels[row], chances[row] = model.classes_[place].item(), float(chance)
    return labels, chances
