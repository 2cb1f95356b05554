"""Calibration files as IBM and Quafu hand them out, converted to ours.

    IBM backend properties   JSON of Qiskit's `backend.properties().to_dict()`: units stand beside the values
    IBM calibrations         CSV of the site's download: T1 (us), T2 (us), Prob meas1 prep0, sx error, CZ error ...
    Quafu chip_info          JSON of quafu-sqc.baqis.ac.cn/task/backendtest/<chip>1: T1, T2 in us, gate lengths in s

Conversions. A gate's quoted error is 1 - F, F its fidelity averaged over states. The channel that applies a random
Pauli word other than the identity with probability p has 1 - F = p d / (d + 1), so

    p = 3/2 (1 - F) for one qubit (d = 2)        p = 5/4 (1 - F) for two (d = 4)

A measured F includes the decay during the gate, which our noise adds once more: the simulated noise is a little too
strong. reads_1_for_0 is 'prob_meas1_prep0', or 1 - 'readout g_fidelity'; reads_0_for_1 is 'prob_meas0_prep1', or
1 - 'readout e_fidelity'. What a file does not give makes no noise and takes no time here, and a notice says so.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from qdcircuits.chip.calibration import Coupler, Qubit
from qdcircuits.chip.readers import LARGEST_NUMBER, LARGEST_VALUE, NUMBER, QUBITS, Table, shown, unlisted
from qdcircuits.errors import InputError

ONE_QUBIT, TWO_QUBITS = 3 / 2, 5 / 4  # (d + 1) / d
MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ns": 1e-3}
PULSES = ("sx", "x", "u", "u3", "u2", "rx", "ry", "h")  # which gate's values stand for a one-qubit gate, first found
LONGEST_GATE = 1e-3  # seconds; a gate length above it has another unit


class Given:
    """The values that a file gives, and how often it leaves one out."""

    def __init__(self, table: Table) -> None:
        """Nothing is missing yet."""
        self.table, self.missing = table, Counter[str]()

    def number(self, found: Any, what: str, place: str, high: float = math.inf) -> float | None:
        """A finite number from 0 to `high`, None where it is not given; raises InputError for any other value."""
        if found is None or (isinstance(found, str) and not found.strip()):
            self.missing[what] += 1
            return None
        if isinstance(found, str) and NUMBER.fullmatch(found.strip()):
            found = float(found)
        fits = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= high
        if not fits or found > LARGEST_VALUE:
            limit = f" and at most {high:g}" if high < math.inf else ""
            raise InputError(
                f"{self.table.name}, {place}: {what} is {shown(found)}; it must be a number, 0 or more{limit}."
            )
        return float(found)

    def say(self) -> None:
        """A notice for what was not given."""
        for what, times in sorted(self.missing.items()):
            self.table.notices.append(f"{what}: {times} values are not given, and make no noise and take no time here")


def qubit_of(t1: float | None, t2: float | None, r10: float | None, r01: float | None, p: float, ns: float) -> Qubit:
    """A qubit whose missing values make no noise; without T2, phases decay only as T1 makes them."""
    t1 = math.inf if t1 is None else t1
    return Qubit(t1, 2 * t1 if t2 is None else t2, r10 or 0.0, r01 or 0.0, min(p, 1.0), ns)


def read_json(text: str, table: Table) -> None:
    """A JSON file of IBM or Quafu."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"line {getattr(error, 'lineno', 1)}, column {getattr(error, 'colno', 1)}"
        raise InputError(f"{table.name}, {place}: this begins like JSON and is none.") from None
    if isinstance(data, dict) and isinstance(data.get("qubits_info"), dict):
        read_quafu(data, table)
    elif isinstance(data, dict) and isinstance(data.get("qubits"), list) and isinstance(data.get("gates"), list):
        read_ibm(data, table)
    else:
        raise InputError(
            f"{table.name} is JSON, but neither IBM's backend properties (qubits, gates) nor Quafu's chip_info "
            "(qubits_info, couplers_info): give one of those, or our CSV."
        )


def read_ibm(data: Mapping[str, Any], table: Table) -> None:
    """Backend properties."""
    given = Given(table)
    single: dict[int, dict[str, dict[str, Any]]] = {}
    for gate in data["gates"]:
        numbers = gate.get("qubits") if isinstance(gate, dict) else None
        if not isinstance(numbers, list) or not all(is_number(k) for k in numbers):
            raise InputError(f"{table.name}: a gate's qubits are {shown(numbers)}; they must be whole numbers.")
        values = named(gate.get("parameters"), table, f"gate {gate.get('gate')} on {numbers}")
        if len(numbers) == 1:
            single.setdefault(numbers[0], {})[str(gate.get("gate"))] = values
        elif len(numbers) == 2 and "gate_error" in values:
            place = f"gate {gate.get('gate')} on {numbers}"
            error = given.number(values["gate_error"][0], "the two-qubit gate error", place, 1.0)
            ns = 1000 * (time(values, "gate_length", given, "the two-qubit gate length", place) or 0.0)
            add_worse(table, (numbers[0], numbers[1]), Coupler(min(TWO_QUBITS * (error or 0), 1), ns), place)
    for number, entries in enumerate(data["qubits"]):
        place = f"qubit {number}"
        values = named(entries, table, place)
        pulse: dict[str, Any] = next((g for name in PULSES if (g := single.get(number, {}).get(name))), {})
        error = given.number(value_of(pulse, "gate_error"), "the one-qubit gate error", place, 1.0)
        ns = 1000 * (time(pulse, "gate_length", given, "the one-qubit gate length", place) or 0.0)
        assigned = value_of(values, "readout_error")
        r10, r01 = (
            given.number(value_of(values, name, assigned), "the error of reading", place, 1.0)
            for name in ("prob_meas1_prep0", "prob_meas0_prep1")
        )
        t1, t2 = (time(values, name, given, name, place) for name in ("T1", "T2"))
        if value_of(values, "operational") in (0, False):
            table.leave_out(number, "it is not operational")
        table.add_qubit(number, qubit_of(t1, t2, r10, r01, ONE_QUBIT * (error or 0), ns), place)
    unlisted(table, list(table.couplers))
    given.say()


def is_number(found: Any) -> bool:
    """A qubit's number."""
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= LARGEST_NUMBER


def named(entries: Any, table: Table, place: str) -> dict[str, tuple[Any, str]]:
    """IBM's list of {name, unit, value} by name."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "name" in entry for entry in entries):
        raise InputError(f"{table.name}, {place}: a list of values with name, unit and value is needed.")
    return {str(entry["name"]): (entry.get("value"), str(entry.get("unit") or "")) for entry in entries}


def value_of(values: Mapping[str, tuple[Any, str]], name: str, otherwise: Any = None) -> Any:
    """A value of IBM's list, without its unit."""
    found = values[name][0] if name in values else None
    return otherwise if found is None else found


def time(values: Mapping[str, tuple[Any, str]], name: str, given: Given, what: str, place: str) -> float | None:
    """A time in microseconds, whatever its unit."""
    found, unit = values.get(name, (None, "us"))
    if unit not in MICROSECONDS:
        raise InputError(f"{given.table.name}, {place}: {name} has the unit {shown(unit)}; it must be s, ms, us or ns.")
    number = given.number(found, what, place)
    return None if number is None else number * MICROSECONDS[unit]


def add_worse(table: Table, pair: tuple[int, int], coupler: Coupler, place: str) -> None:
    """A coupler, or the worse values where a chip has several gates on it (cx and cz)."""
    known = table.couplers.get(pair, coupler)
    table.couplers[pair] = Coupler(max(known.error, coupler.error), max(known.duration_ns, coupler.duration_ns))
    table.places.setdefault(pair, place)


def read_ibm_csv(head: list[str], lines: list[tuple[int, list[str]]], table: Table) -> None:
    """The calibrations that the site of IBM Quantum hands out."""
    given = Given(table)

    def column(*starts: str) -> int | None:
        return next((k for start in starts for k, name in enumerate(head) if name.startswith(start)), None)

    assigned = column("readout assignment error")
    where = {
        "t1": column("t1 (us)"),
        "t2": column("t2 (us)"),
        "r10": column("prob meas1 prep0"),
        "r01": column("prob meas0 prep1"),
        "error": column("√x (sx) error", "sx error", "pauli-x error", "single-qubit pauli-x error", "id error"),
        "ns": column("single-qubit gate length (ns)"),
        "pairs": column("cz error", "ecr error", "cnot error", "cx error"),
        "lengths": column("gate time (ns)", "gate length (ns)"),
        "up": column("operational"),
    }
    for number, cells in lines:
        place = f"line {number}"

        def cell(name: str, cells: list[str] = cells) -> str | None:
            columns = [where[name], assigned if name in ("r10", "r01") else None]
            texts = [cells[k] for k in columns if k is not None and k < len(cells)]
            return next((text for text in texts if text), None)

        found = QUBITS.fullmatch(cells[head.index("qubit")])
        if not found or found[2] or int(found[1]) > LARGEST_NUMBER:
            raise InputError(f"{table.name}, {place}, column Qubit: {shown(cells[0])} is no number of a qubit.")
        qubit = int(found[1])
        limits = {"t1": math.inf, "t2": math.inf, "r10": 1.0, "r01": 1.0, "error": 1.0, "ns": math.inf}
        titles = {"t1": "T1", "t2": "T2", "error": "the one-qubit gate error", "ns": "the one-qubit gate length"}
        t1, t2, r10, r01, error, ns = (
            given.number(cell(k), titles.get(k, "the error of reading"), place, high) for k, high in limits.items()
        )
        if (cell("up") or "yes").lower() not in ("yes", "true", "1"):
            table.leave_out(qubit, "it is not operational")
        table.add_qubit(qubit, qubit_of(t1, t2, r10, r01, ONE_QUBIT * (error or 0), ns or 0.0), place)
        lengths = dict(pairs_of(cell("lengths"), qubit, table, place))
        for pair, text in pairs_of(cell("pairs"), qubit, table, place):
            wrong = given.number(text, "the two-qubit gate error", place, 1.0)
            ns = given.number(lengths.get(pair), "the two-qubit gate length", place)
            add_worse(table, pair, Coupler(min(TWO_QUBITS * (wrong or 0), 1), ns or 0.0), place)
    unlisted(table, list(table.couplers))
    given.say()


def pairs_of(cell: str | None, qubit: int, table: Table, place: str) -> list[tuple[tuple[int, int], str]]:
    """'0_1:0.0071;0_2:0.008', or '1:0.0071' with this line's qubit as the first, as pairs and texts."""
    pairs = []
    for part in (cell or "").replace(",", ";").split(";"):
        if not part.strip():
            continue
        names, _, text = part.partition(":")
        found = QUBITS.fullmatch(names.strip())
        ends = [int(k) for k in found.groups() if k] if found else []
        pair = (qubit, *ends) if len(ends) == 1 else tuple(ends)
        if len(pair) != 2 or pair[0] == pair[1] or max(pair) > LARGEST_NUMBER:
            raise InputError(f"{table.name}, {place}: {shown(part)} is no gate's value like '0_1:0.0071'.")
        pairs.append(((pair[0], pair[1]), text.strip()))
    return pairs


def read_quafu(data: Mapping[str, Any], table: Table) -> None:
    """Quafu's chip_info."""
    given = Given(table)
    common, couplers = (
        part if isinstance(part := data.get(name), dict) else {} for name in ("global_info", "couplers_info")
    )
    for name, row in data["qubits_info"].items():
        place = f"qubit {shown(name)}"
        found = QUBITS.fullmatch(str(name))
        number = row.get("index") if isinstance(row, dict) and is_number(row.get("index")) else None
        number = int(found[1]) if found and not found[2] else number
        if not isinstance(row, dict) or number is None or number > LARGEST_NUMBER:
            raise InputError(f"{table.name}, {place}: a name like 'Q3' and an object of values are needed.")
        t1, t2 = (given.number(row.get(key), key, place) for key in ("T1", "T2"))
        error = infidelity(row.get("fidelity"), "the one-qubit gate fidelity", given, place)
        r10, r01 = (infidelity(row.get(f"readout {k}_fidelity"), "the fidelity of reading", given, place) for k in "ge")
        ns = nanoseconds(row.get("length", common.get("one_qubit_gate_length")), "one_qubit", given, place)
        table.add_qubit(number, qubit_of(t1, t2, r10, r01, ONE_QUBIT * (error or 0), ns), place)
    for name, row in couplers.items():
        place = f"coupler {shown(name)}"
        pair = row.get("qubits_index") if isinstance(row, dict) else None
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(is_number, pair)) or pair[0] == pair[1]:
            raise InputError(f"{table.name}, {place}: qubits_index is {shown(pair)}; two different qubits are needed.")
        error = infidelity(row.get("fidelity"), "the two-qubit gate fidelity", given, place)
        ns = nanoseconds(row.get("length", common.get("two_qubit_gate_length")), "two_qubit", given, place)
        table.add_coupler(pair[0], pair[1], Coupler(min(TWO_QUBITS * (error or 0), 1), ns), place)
    unlisted(table, list(table.couplers))
    given.say()


def infidelity(found: Any, what: str, given: Given, place: str) -> float | None:
    """1 - F of a fidelity from 0 to 1."""
    fidelity = given.number(found, what, place, 1.0)
    return None if fidelity is None else 1 - fidelity


def nanoseconds(found: Any, which: str, given: Given, place: str) -> float:
    """A gate length of Quafu, which is in seconds; 0 with a notice where it is not given or has another unit."""
    length = given.number(found, f"the {which} gate length", place)
    if length is not None and length > LONGEST_GATE:
        given.missing[f"the {which} gate length in seconds"] += 1
        return 0.0
    return round(1e9 * (length or 0.0), 6)
