"""CSV in any of its dialects, strictly: a quote that swallows rows is found, and said with its line."""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file_table import Table
from qdllm_utils.texts.own_file_words import quoted, visible

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
NAMES = {name: sign for sign, name in SEPARATORS.items()} | {"\\t": "\t", "pipe": "|"}
FIX = 'close the quote where its text ends, and write a quote inside a text twice ("")'
SEP_LINE = re.compile(r'"?sep=(\\t|.)"?[ ,;\t]*(\r\n|\r|\n)', re.IGNORECASE)

Find = Callable[[list[str]], tuple[int, int] | None]  # the text's and the label's column among names, or None


@contextmanager
def long_fields() -> Iterator[None]:
    """Cells may be as long as they are: the csv module's limit of 131,072 characters is for the whole process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def records(lines: list[str], separator: str, quote: str, name: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each record; a quote that is not closed, or closed too early, is an InputError."""
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=separator != " ", strict=True)
    while True:
        start = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise InputError(quote_fault(lines[start:], start + skipped + 1, separator, quote, name)) from None
        yield start + skipped + 1, cells


def quote_fault(lines: list[str], line: int, separator: str, quote: str, name: str) -> str:
    """The sentence about the quote that spoils a record which begins at `line`."""
    content = "".join(lines)
    last = line + len(lines) - 1
    opened, inside, fresh, doubled = line, False, True, False
    for position, sign in enumerate(content):
        line += sign == "\n" or (sign == "\r" and content[position + 1 : position + 2] != "\n")
        if doubled:
            doubled = False
        elif not inside:
            inside = fresh and sign == quote
            opened = line if inside else opened
            fresh = sign in (separator, "\r", "\n") or (fresh and sign == " ")
        elif sign == quote:
            after = content[position + 1 : position + 2]
            doubled = after == quote
            inside = doubled
            if after and after not in (quote, separator, "\r", "\n"):
                hint = "backslash escapes are not CSV: " if "\\" + quote in content[: position + 1] else ""
                near = quoted(content[max(position - 12, 0) : position + 6], 20)
                return (
                    f"{name}, line {opened}: the quote that opens here ends on line {line} in the middle of "
                    f"a value (near {near}); {hint}{FIX}."
                )
    return f"{name}, line {opened}: the quote that opens here is never closed, to the file's end (line {last}); {FIX}."


def read_csv(content: str, name: str, separator: str | None, find: Find) -> Table:
    """The table of a CSV file.

    separator: one character, or comma, semicolon, tab, bar; None: the one whose first row has the columns.
    find: which of the columns hold text and label.
    """
    given = checked(separator)
    notices: list[str] = []
    lines = io.StringIO(content, newline="").readlines()
    skipped = 0
    said = SEP_LINE.fullmatch(lines[0]) if lines else None
    if said:
        lines, skipped = lines[1:], 1
        sign = NAMES.get(said[1], said[1])
        notices.append(f"The first line is Excel's sep= line ({SEPARATORS.get(sign, sign)}).")
        given = given or sign
    while lines and not visible(lines[0]):
        lines, skipped = lines[1:], skipped + 1
    with long_fields():
        sign, quote = dialect(lines, given, find)
        if sign != ",":
            how = "as given" if given else "found from the first row"
            notices.append(f"Separator: {SEPARATORS.get(sign, quoted(sign))} ({how}).")
        if quote != '"':
            notices.append("Quotes: ' in place of \" (found from the first row).")
        parsed = list(records(lines, sign, quote, name, skipped))
    if not parsed:
        return Table([], [], [], separator=sign, notices=notices)
    columns, rows, places, blank = parsed[0][1], [], [], []
    where = find(columns)
    for line, cells in parsed[1:]:
        if not any(map(visible, cells)):
            blank.append(line)
            continue
        extra = [cell for cell in cells[len(columns) :] if visible(cell)]
        if extra and where is not None:
            raise InputError(
                f"{name}, line {line}: more values than columns ({len(cells)} for {len(columns)}); put texts with a "
                f"{SEPARATORS.get(sign, sign)} in quotes, or pass the right `separator`."
            )
        rows.append([*cells[: len(columns)], *[None] * (len(columns) - len(cells))])
        places.append(line)
    if where is not None:
        ends = [*(line for line, _ in parsed[1:]), len(lines) + skipped + 1]
        swallowed(name, lines, skipped, ends, sign, len(columns), where, parsed[1:])
    return Table(columns, rows, places, "line", blank, sign, notices)


def checked(separator: str | None) -> str | None:
    """A separator that was given, as its one character."""
    if separator is None or separator == "":
        return None
    sign = NAMES.get(separator.lower(), separator)
    if len(sign) != 1 or sign in "\"'\r\n" or sign.isalnum():
        raise InputError(
            f"separator is {separator!r}: it must be one character that stands in no word, or one of "
            "comma, semicolon, tab, bar."
        )
    return sign


def dialect(lines: list[str], given: str | None, find: Find) -> tuple[str, str]:
    """(separator, quote) under which the first row has the columns; else those that cut it into most values."""
    signs = [given] if given else list(SEPARATORS)
    most: tuple[int, str] = (0, given or ",")
    for quote in ('"', "'"):
        for sign in signs:
            try:
                header = next(
                    csv.reader(lines[:50], delimiter=sign, quotechar=quote, skipinitialspace=True, strict=True)
                )
            except (csv.Error, StopIteration):
                continue
            if quote == '"' and len(header) > most[0]:
                most = (len(header), sign)
            if find(header) is not None:
                return sign, quote
    return most[1], '"'


def swallowed(
    name: str,
    lines: list[str],
    skipped: int,
    ends: list[int],
    sign: str,
    width: int,
    where: tuple[int, int],
    parsed: list[tuple[int, list[str]]],
) -> None:
    """An InputError where the lines inside one quoted value look like rows of their own.

    That happens when a quote that was never closed meets another one which happens to end a value. A line looks
    like a row if it has as many values as there are columns and its label is one that other rows have.
    """
    label = where[1]
    known = Counter(cells[label] for _, cells in parsed if len(cells) > label)
    for (line, cells), end in zip(parsed, ends[1:], strict=True):
        if label < len(cells) and re.search(r"[\r\n]", cells[label].strip()):
            raise InputError(f"{name}, line {line}: the label goes over more than one line; {FIX}.")
        if end - line < 2:
            continue
        raw = [one.rstrip("\r\n").split(sign) for one in lines[line - skipped - 1 : end - skipped - 1]]
        labels = [values[label].strip('"') for values in raw if len(values) == width]
        inside = Counter(labels)
        alike = sum(known[value] + inside[value] > 1 and visible(value) for value in labels)
        if alike > 1 and 2 * alike >= len(raw):
            raise InputError(
                f"{name}, line {line}: the quote that opens here holds {len(raw)} lines, to line {end - 1}, and "
                f"{alike} of them look like rows of their own; {FIX}."
            )


def odd_quotes(texts: list[str], places: list[int], unit: str) -> list[str]:
    """Notices about quotes that were left in texts: unpaired ones, texts in single quotes, backslash escapes."""
    faults = {
        'hold an unpaired "': lambda text: text.count('"') % 2 == 1,
        "stand in single quotes, which are kept": lambda text: len(text) > 1 and text[0] == text[-1] == "'",
        'hold \\", a backslash escape that is kept': lambda text: '\\"' in text,
    }
    notices = []
    for what, is_so in faults.items():
        found = [place for text, place in zip(texts, places, strict=True) if is_so(text)]
        if found:
            notices.append(f"{len(found):,} texts {what} (first: {unit} {found[0]}).")
    return notices
