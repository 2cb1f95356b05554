"""Calibration tables read: our own CSV here, the files of IBM and Quafu in vendors.py.

Our CSV has a line for each qubit ('3' or 'Q3') and each coupler ('3-4'), separated by commas, semicolons or tabs:

    t1_us, t2_us                    microseconds; of qubits only
    reads_1_for_0, reads_0_for_1    probabilities of a wrong reading; of qubits only
    error                           probability of a random Pauli error in a gate, beside decay
    duration_ns                     of a gate, nanoseconds

A value that cannot be (no number, not finite, negative, a probability above 1) is refused with its line and column.
Values that can be but make a qubit or a coupler useless (see `unusable`) leave it out, with a notice. A second line
for the same qubit or coupler is refused where it says something else; of the two directions of a coupler, which mean
the same gate here, the worse values count, with a notice.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from qdcircuits.chip.calibration import COLUMNS, Calibration, Coupler, Qubit
from qdcircuits.errors import InputError

LONGEST = 131_072  # characters of one field
LARGEST_NUMBER = 9999  # of a qubit
LARGEST_VALUE = 1e12  # of a time, us or ns
LEAST_CONTRAST = 0.5  # of a reading, 1 - reads_1_for_0 - reads_0_for_1; inverting it multiplies the noise by 1 over it
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
QUBITS = re.compile(r"[Qq]?(\d{1,9})(?:\.0+)?(?:\s*[-_]\s*[Qq]?(\d{1,9})(?:\.0+)?)?", re.ASCII)


@dataclass
class Table:
    """A table being read: what stands in it, where, and what was left out."""

    name: str
    qubits: dict[int, Qubit] = field(default_factory=dict)
    couplers: dict[tuple[int, int], Coupler] = field(default_factory=dict)
    places: dict[tuple[int, ...], str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)

    def add_qubit(self, number: int, qubit: Qubit, place: str) -> None:
        """One qubit; the same values a second time are no matter, others are refused."""
        known = self.qubits.get(number)
        if known is not None and known != qubit:
            self.refuse_second(f"qubit {number}", place, (number,))
        self.qubits[number] = qubit
        self.places.setdefault((number,), place)

    def add_coupler(self, first: int, second: int, coupler: Coupler, place: str) -> None:
        """One coupler in one direction; of two directions the worse values count."""
        if (first, second) in self.places and self.couplers[first, second] != coupler:
            self.refuse_second(f"coupler {first}-{second}", place, (first, second))
        self.couplers[first, second] = coupler
        self.places.setdefault((first, second), place)

    def refuse_second(self, what: str, place: str, key: tuple[int, ...]) -> None:
        """Two lines that contradict each other."""
        raise InputError(
            f"{self.name}, {place}, column qubits: {what} has other values in {self.places[key]}; keep one of the two."
        )

    def finish(self, digest: str) -> Calibration:
        """The calibration: both directions joined, useless qubits and couplers left out."""
        for number, qubit in sorted(self.qubits.items()):
            reason = unusable(qubit)
            if reason:
                self.leave_out(number, reason)
        joined: dict[tuple[int, int], Coupler] = {}
        differing: list[str] = []
        for (first, second), coupler in sorted(self.couplers.items()):
            pair = min(first, second), max(first, second)
            known = joined.get(pair, coupler)
            if known != coupler:
                differing.append(f"{pair[0]}-{pair[1]}")
            joined[pair] = Coupler(max(known.error, coupler.error), max(known.duration_ns, coupler.duration_ns))
        if differing:
            names = ", ".join(differing[:4]) + (" ..." if len(differing) > 4 else "")
            self.notices.append(f"{names}: the two directions of the coupler differ, the worse values count")
        unlisted = sorted({end for pair in joined for end in pair} - set(self.qubits) - self.left_out)
        if unlisted:
            raise InputError(
                f"{self.name} has couplers at qubits {', '.join(map(str, unlisted[:8]))}, which have no line of their "
                "own; add those lines."
            )
        for pair, coupler in list(joined.items()):
            if coupler.error >= 15 / 16:
                self.notices.append(f"coupler {pair[0]}-{pair[1]} is left out: nothing is left after its gate")
            if coupler.error >= 15 / 16 or self.left_out & set(pair):
                del joined[pair]
        kept = {number: qubit for number, qubit in sorted(self.qubits.items()) if number not in self.left_out}
        if not kept:
            raise InputError(f"{self.name} has no usable qubit{': ' + self.notices[0] if self.notices else ''}.")
        return Calibration(kept, dict(sorted(joined.items())), digest, tuple(self.notices))

    def leave_out(self, number: int, reason: str) -> None:
        """A qubit that cannot be used, with its couplers."""
        self.left_out.add(number)
        self.notices.append(f"qubit {number} is left out: {reason}")


def unusable(qubit: Qubit) -> str:
    """Why no circuit can use a qubit, or ''."""
    if not qubit.t1_us > 0 or not qubit.t2_us > 0:
        return "its T1 or T2 is 0"
    if qubit.t2_us > 2 * qubit.t1_us * (1 + 1e-9):
        return f"its T2 ({qubit.t2_us:g} us) is above twice its T1 ({qubit.t1_us:g} us)"
    if min(qubit.t1_us, qubit.t2_us) * 1000 < qubit.duration_ns:
        return "it decays within one gate"
    if qubit.error >= 0.75:
        return f"nothing is left after its gate (error {qubit.error:g})"
    contrast = 1 - qubit.reads_1_for_0 - qubit.reads_0_for_1
    if contrast < LEAST_CONTRAST:
        return f"its reading tells 0 from 1 with a contrast of {contrast:.2g}, below {LEAST_CONTRAST}"
    return ""


def read_table(text: str, name: str, digest: str) -> Calibration:
    """A table's text: our CSV, or a file of IBM or Quafu (vendors.py); raises InputError with line and column."""
    table = Table(name)
    if text.lstrip()[:1] in ("{", "["):
        from qdcircuits.chip.vendors import read_json

        read_json(text, table)
    else:
        read_csv(text, table)
    return table.finish(digest)


def decoded(raw: bytes, name: str) -> str:
    """UTF-8 text; raises InputError with line and column of what is none."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw:
        raise InputError(f"{name}, line 1, column 1: this is no UTF-8 text (UTF-16?); save the table as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InputError(f"{name}, line {line}, column {column}: this is no UTF-8; save the table as UTF-8.") from None


def read_csv(text: str, table: Table) -> None:
    """Our CSV, or IBM's."""
    from qdcircuits.chip import vendors

    if not text.strip():
        raise InputError(f"{table.name}, line 1, column 1: the table is empty; its columns are {', '.join(COLUMNS)}.")
    first = text.lstrip().splitlines()[0]
    csv.field_size_limit(LONGEST)  # whatever another reader of this process has set
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"{table.name}, line {max(reader.line_num, 1)}, column 1: {error}.") from None
    number, head = lines[0]
    lowered = [name.lower() for name in head]
    twice = sorted({name for name in lowered if name and lowered.count(name) > 1})
    if twice:
        raise InputError(f"{table.name}, line {number}, column {shown(twice[0])}: the column stands there twice.")
    if "qubit" in lowered and "t1 (us)" in lowered:
        vendors.read_ibm_csv(lowered, lines[1:], table)
        return
    missing = [name for name in COLUMNS if name not in lowered]
    if missing:
        raise InputError(
            f"{table.name}, line {number}, column {missing[0]}: there is no such column; the table must have the "
            f"columns {', '.join(COLUMNS)}."
        )
    for number, cells in lines[1:]:
        read_line(dict(zip(lowered, cells, strict=False)), len(cells) - len(head), number, table)


def read_line(row: dict[str, str], surplus: int, number: int, table: Table) -> None:
    """One line of our CSV."""
    place = f"line {number}"
    if surplus > 0:
        raise InputError(f"{table.name}, {place}, column {len(row) + 1}: the line has more cells than the first line.")
    found = QUBITS.fullmatch(row["qubits"])
    numbers = [int(part) for part in found.groups() if part] if found else []
    if not numbers or max(numbers) > LARGEST_NUMBER:
        raise InputError(
            f"{table.name}, {place}, column qubits: qubits is {shown(row['qubits'])}; write '3' for a qubit or '3-4' "
            f"for a coupler, with numbers up to {LARGEST_NUMBER}."
        )
    if len(numbers) == 2 and numbers[0] == numbers[1]:
        raise InputError(
            f"{table.name}, {place}, column qubits: qubits is {shown(row['qubits'])}; a coupler joins two different "
            "qubits."
        )
    columns = COLUMNS[1:] if len(numbers) == 1 else COLUMNS[-2:]
    if len(numbers) == 1 and not any(row.get(name) for name in columns):
        table.leave_out(numbers[0], "it has no values")
        return
    values = [value(row.get(name), name, f"{table.name}, {place}") for name in columns]
    if len(numbers) == 1:
        table.add_qubit(numbers[0], Qubit(*values), place)
    else:
        table.add_coupler(numbers[0], numbers[1], Coupler(*values), place)


PROBABILITIES = ("error", "reads_1_for_0", "reads_0_for_1")


def value(cell: str | None, column: str, place: str) -> float:
    """A value of the table, within what it can be: finite, 0 or more, a probability at most 1."""
    number = float(cell) if cell and NUMBER.fullmatch(cell) else -1.0
    high = 1.0 if column in PROBABILITIES else LARGEST_VALUE
    if not 0 <= number <= high:
        limit = " and at most 1" if column in PROBABILITIES else ""
        raise InputError(f"{place}, column {column}: {column} is {shown(cell)}; it must be a number, 0 or more{limit}.")
    return number


def shown(cell: object) -> str:
    """A cell as it is quoted in a sentence: on one line, at most 40 characters."""
    text = "missing" if cell is None else repr(str(cell)[:41])
    return text if len(text) < 44 else text[:40] + "...'"


def unlisted(table: Table, pairs: Iterable[tuple[int, int]]) -> None:
    """Leave out a vendor's couplers at qubits that the file does not list, with one notice."""
    lost = [pair for pair in pairs if not set(pair) <= set(table.qubits) | table.left_out]
    for pair in lost:
        del table.couplers[pair]
    if lost:
        names = ", ".join(f"{first}-{second}" for first, second in lost[:4]) + (" ..." if len(lost) > 4 else "")
        table.notices.append(f"couplers {names} are left out: the file does not list both of their qubits")
