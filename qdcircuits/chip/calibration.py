"""What a chip's qubits and couplers are like, and the line of qubits on which a circuit does best.

`readers.py` reads the tables. The one that is shipped, chip.csv, is synthetic: drawn around values usual for
superconducting chips, of no real chip.
"""

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qdcircuits.errors import InputError

SHIPPED = Path(__file__).with_name("chip.csv")
LARGEST_FILE = 20_000_000  # bytes; a properties file of a large chip has one or two million
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
    """A chip: its qubits by number, its couplers by the pair of numbers (smaller first), the table's SHA-256.

    notices: what was left out or assumed when the table was read, a sentence each.
    """

    qubits: dict[int, Qubit]
    couplers: dict[tuple[int, int], Coupler]
    digest: str
    notices: tuple[str, ...] = ()

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
    """The table of a file, default the shipped one: our CSV, or a chip's file of IBM or Quafu.

    Raises InputError that names the line and the column that are wrong; what was left out stands in the notices.
    """
    from qdcircuits.chip.readers import decoded, read_table

    file = Path(path).expanduser() if path else SHIPPED
    if not file.is_file():
        raise InputError(
            f"There is no calibration table {path!r}: give a CSV file with the columns {', '.join(COLUMNS)}, or a "
            "chip's file of IBM or Quafu."
        )
    try:
        raw = file.read_bytes() if file.stat().st_size <= LARGEST_FILE else None
    except OSError as error:
        raise InputError(f"The calibration table {file.name} cannot be read ({error.strerror}).") from None
    if raw is None:
        raise InputError(f"{file.name} has more than {LARGEST_FILE:,} bytes: no chip's calibration table is so large.")
    return read_table(decoded(raw, file.name), file.name, hashlib.sha256(raw).hexdigest())


def best_line(calibration: Calibration, length: int, uses: int = 10) -> tuple[int, ...]:
    """The connected line of `length` qubits with the least expected error.

    The error of a line: -log of the probability that `uses` two-qubit gates on each of its couplers and one reading
    of each of its qubits all go well. Exact, by depth-first search that drops a line which cannot win any more.
    Raises InputError where the chip has no such line, and says how long its longest is.
    """
    neighbours = calibration.neighbours()
    reading = {k: -math.log1p(-(q.reads_1_for_0 + q.reads_0_for_1) / 2) for k, q in calibration.qubits.items()}
    gate = {pair: -uses * math.log1p(-coupler.error) for pair, coupler in calibration.couplers.items()}
    step = min(gate.values(), default=0.0) + min(reading.values(), default=0.0)
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    longest = 0

    def extend(line: tuple[int, ...], cost: float) -> None:
        nonlocal best, longest
        longest = max(longest, len(line))
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
        lost = f" ({len(calibration.notices)} notices: {calibration.notices[0]})" if calibration.notices else ""
        raise InputError(
            f"The calibration table has no connected line of {length} qubits: the longest has {longest}{lost}; use a "
            "larger chip's table, or fewer qubits."
        )
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
