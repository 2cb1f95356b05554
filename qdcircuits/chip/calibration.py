"""What a chip's qubits and couplers are like: a table in CSV that the user replaces with the chip's own.

Columns: qubits ('3' for a qubit, '3-4' for a coupler), t1_us, t2_us, reads_1_for_0, reads_0_for_1 (probabilities; of
qubits only), error (probability of a random Pauli error in a gate, beside decay) and duration_ns (of a gate).
The table that is shipped, chip.csv, is synthetic: drawn around values usual for superconducting chips, of no real chip.
"""

import csv
import hashlib
import io
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qdcircuits.errors import InputError

SHIPPED = Path(__file__).with_name("chip.csv")
COLUMNS = ("qubits", "t1_us", "t2_us", "reads_1_for_0", "reads_0_for_1", "error", "duration_ns")


@dataclass(frozen=True)
class Qubit:
    """T1 and T2 in microseconds, readout confusion, and error and duration (ns) of a one-qubit gate."""

    t1_us: float
    t2_us: float
    reads_1_for_0: float
    reads_0_for_1: float
    error: float
    duration_ns: float


@dataclass(frozen=True)
class Coupler:
    """Error and duration (ns) of a two-qubit gate."""

    error: float
    duration_ns: float


@dataclass(frozen=True)
class Calibration:
    """A chip: its qubits by number, its couplers by the pair of numbers (smaller first), the table's SHA-256."""

    qubits: dict[int, Qubit]
    couplers: dict[tuple[int, int], Coupler]
    digest: str

    def coupler(self, first: int, second: int) -> Coupler:
        """The coupler between two qubits."""
        return self.couplers[min(first, second), max(first, second)]

    def neighbours(self) -> dict[int, list[int]]:
        """The qubits coupled to each qubit."""
        found: dict[int, list[int]] = {number: [] for number in self.qubits}
        for first, second in self.couplers:
            found[first].append(second)
            found[second].append(first)
        return found

    def scaled(self, two_qubit: float) -> "Calibration":
        """The same chip with every two-qubit error multiplied, at most to 15/16 (nothing is left then)."""
        couplers = {pair: replace(c, error=min(c.error * two_qubit, 15 / 16)) for pair, c in self.couplers.items()}
        return replace(self, couplers=couplers)

    def noiseless(self) -> "Calibration":
        """The same chip without any error."""
        qubits = {number: Qubit(math.inf, math.inf, 0, 0, 0, q.duration_ns) for number, q in self.qubits.items()}
        return replace(self.scaled(0), qubits=qubits)


def read_calibration(path: str | None = None) -> Calibration:
    """The table of a file, default the shipped one; raises InputError that names the line that is wrong."""
    file = Path(path).expanduser() if path else SHIPPED
    if not file.is_file():
        raise InputError(
            f"There is no calibration table {path!r}: give a CSV file with the columns {', '.join(COLUMNS)}."
        )
    raw = file.read_bytes()
    reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig", errors="replace"), newline=""))
    if not set(COLUMNS) <= set(reader.fieldnames or []):
        raise InputError(f"{file.name} must have the columns {', '.join(COLUMNS)} in its first line.")
    qubits: dict[int, Qubit] = {}
    couplers: dict[tuple[int, int], Coupler] = {}
    for row in reader:
        place = f"{file.name}, line {reader.line_num}"
        try:
            numbers = sorted(int(part) for part in row["qubits"].split("-"))
        except ValueError:
            raise InputError(
                f"{place}: qubits is {row['qubits']!r}; write '3' for a qubit or '3-4' for a coupler."
            ) from None
        if len(numbers) == 1:
            qubits[numbers[0]] = Qubit(*(number(row, name, place) for name in COLUMNS[1:]))
            check_decay(qubits[numbers[0]], place)
        elif len(numbers) == 2 and numbers[0] != numbers[1]:
            couplers[numbers[0], numbers[1]] = Coupler(*(number(row, name, place) for name in COLUMNS[-2:]))
        else:
            raise InputError(f"{place}: qubits is {row['qubits']!r}; a coupler joins two different qubits.")
    missing = sorted({end for pair in couplers for end in pair} - set(qubits))
    if missing:
        raise InputError(
            f"{file.name} has couplers at qubits {missing}, which have no line of their own; add those lines."
        )
    return Calibration(qubits, couplers, hashlib.sha256(raw).hexdigest())


def number(row: dict[str, str], column: str, place: str) -> float:
    """A value of the table, within what it can be."""
    high = {"error": 0.75 if "-" not in row["qubits"] else 15 / 16, "reads_1_for_0": 0.5, "reads_0_for_1": 0.5}
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= high.get(column, math.inf):
        limit = f"at most {high[column]:g}" if column in high else "a number"
        raise InputError(f"{place}: {column} is {row[column]!r}; it must be 0 or more and {limit}.")
    return value


def check_decay(qubit: Qubit, place: str) -> None:
    """T1 > 0 and 0 < T2 <= 2 T1, as physics asks."""
    if not 0 < qubit.t2_us <= 2 * qubit.t1_us:
        raise InputError(f"{place}: t2_us must be above 0 and at most twice t1_us.")


def best_line(calibration: Calibration, length: int, uses: int = 10) -> tuple[int, ...]:
    """The connected line of `length` qubits with the least expected error.

    The error of a line: -log of the probability that `uses` two-qubit gates on each of its couplers and one reading
    of each of its qubits all go well. Exact, by depth-first search that drops a line which cannot win any more.
    Raises InputError where the chip has no such line.
    """
    neighbours = calibration.neighbours()
    reading = {k: -math.log1p(-(q.reads_1_for_0 + q.reads_0_for_1) / 2) for k, q in calibration.qubits.items()}
    gate = {pair: -uses * math.log1p(-coupler.error) for pair, coupler in calibration.couplers.items()}
    step = min(gate.values(), default=0.0) + min(reading.values(), default=0.0)
    best: tuple[float, tuple[int, ...]] = (math.inf, ())

    def extend(line: tuple[int, ...], cost: float) -> None:
        nonlocal best
        if cost + (length - len(line)) * step >= best[0]:
            return
        if len(line) == length:
            best = (cost, line)
            return
        end = line[-1]
        options = [(gate[min(end, k), max(end, k)] + reading[k], k) for k in neighbours[end] if k not in line]
        for price, k in sorted(options):
            extend((*line, k), cost + price)

    for start in sorted(reading, key=lambda k: (reading[k], k)):
        extend((start,), reading[start])
    if not best[1]:
        raise InputError(f"The calibration table has no connected line of {length} qubits: use a larger chip's table.")
    return best[1]


def synthetic(rows: int = 4, columns: int = 6, seed: int = 0) -> str:
    """The text of chip.csv: a grid of qubits whose values scatter around usual ones (see the module)."""
    rng = np.random.default_rng(seed)

    def around(median: float, spread: float) -> float:
        return float(f"{median * math.exp(spread * rng.standard_normal()):.4g}")

    lines = [",".join(COLUMNS)]
    for qubit in range(rows * columns):
        t1 = around(60, 0.3)
        t2 = min(around(30, 0.4), 2 * t1)
        lines.append(f"{qubit},{t1},{t2},{around(0.015, 0.4)},{around(0.035, 0.4)},{around(0.0008, 0.4)},30")
    for qubit in range(rows * columns):
        for other, there in ((qubit + 1, (qubit + 1) % columns), (qubit + columns, qubit + columns < rows * columns)):
            if there:
                lines.append(f"{qubit}-{other},,,,,{around(0.009, 0.4)},60")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    SHIPPED.write_text(synthetic(), encoding="utf-8")
