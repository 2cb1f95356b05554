"""Counts of one circuit in the formats of Qiskit, Braket, IQM and Quafu.

Qiskit    {"0101": 7}, spaces between registers, {"0x5": 7}, or {"data": {"counts": ...}} of a result's JSON
Braket    measurement_counts {"0101": 7}; {"measurements": [[0, 1], ...], "measuredQubits": [...]}
IQM       {"counts": {"0101": 7}, "measurement_keys": [...]}, {"m": [[0, 1], ...]}, a key a bit
Quafu     {"count": {...}}, {"counts": {...}}, {"res": "{'0101': 7}"}
"""

import re
from collections import Counter
from typing import Any

from qdcircuits.cloud.results import read_counts, whole
from qdcircuits.errors import InputError

HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}", re.ASCII)
INSIDE = ("counts", "count", "measurement_counts", "measurementCounts", "res", "data", "result")


def counts_in(item: Any, n_bits: int, name: str) -> dict[str, int]:
    """The counts {bits: times} of one circuit, the bits in the provider's own order; raises InputError."""
    try:
        found = plain(item, n_bits, 0)
        counts = read_counts(found, n_bits)
        if not sum(counts.values()):
            raise InputError("The counts are of no shot.")
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return counts


def plain(item: Any, n_bits: int, depth: int) -> Any:
    """The object of bits and numbers inside what a provider hands out."""
    if not isinstance(item, dict) or depth > 4:
        return from_shots(item, None, n_bits) if isinstance(item, list) else item
    if "measurements" in item:
        measured = item.get("measuredQubits") or item.get("measured_qubits")
        return from_shots(item["measurements"], measured, n_bits)
    for key in INSIDE:
        if key in item:
            return plain(item[key], n_bits, depth + 1)
    if item and all(isinstance(value, list) for value in item.values()):
        return from_keys(item, n_bits)
    joined: Counter[str] = Counter()
    for bits, times in item.items():
        text = str(bits).replace(" ", "")
        if HEXADECIMAL.fullmatch(text):
            text = f"{int(text, 16):0{n_bits}b}"
        count = whole(times)
        if count is None:
            return item
        joined[text] += count
    return dict(joined)


def from_shots(shots: Any, measured: Any, n_bits: int) -> dict[str, int]:
    """A list of shots, a list of bits each; measured: the qubit of each column."""
    columns = list(range(n_bits))
    if isinstance(measured, list):
        if not all(isinstance(k, int) for k in measured) or len(set(measured)) != n_bits:
            raise InputError(f"The measured qubits must be {n_bits} different numbers.")
        columns = sorted(columns, key=lambda k: measured[k])
    if not isinstance(shots, list) or not shots:
        raise InputError("The list of shots is empty or none.")
    found: Counter[str] = Counter()
    for shot in shots:
        if not isinstance(shot, list) or len(shot) != n_bits or any(whole(bit) not in (0, 1) for bit in shot):
            raise InputError(f"A shot is {str(shot)[:40]}; {n_bits} bits, each 0 or 1, are needed.")
        found["".join(str(whole(shot[k])) for k in columns)] += 1
    return dict(found)


def from_keys(item: dict[str, list[Any]], n_bits: int) -> dict[str, int]:
    """IQM's results: one key with all bits of a shot, or a key a bit, in the order of the numbers in the keys."""
    if len(item) == 1:
        return from_shots(next(iter(item.values())), None, n_bits)
    keys = sorted(item, key=lambda key: [int(part) for part in re.findall(r"\d+", key)])
    lengths = {len(shots) for shots in item.values()}
    if len(keys) != n_bits or len(lengths) != 1:
        raise InputError(f"{len(keys)} keys of {sorted(lengths)} shots; {n_bits} of the same number are needed.")
    rows = zip(*(item[key] for key in keys), strict=True)
    return from_shots([[bit[0] if isinstance(bit, list) and bit else bit for bit in row] for row in rows], None, n_bits)
