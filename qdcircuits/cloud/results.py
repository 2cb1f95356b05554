"""Counts held against the order: the length and alphabet of the bit strings, whole numbers, and the shots.

One rule for every provider: a count is a whole number in any JSON form (1024, 1024.0, "1024"), a bit string has as many
characters as bits were measured, all of them 0 or 1, and the counts add up to the shots that were ordered.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from qdcircuits.errors import InputError

WHOLE = re.compile(r"\d{1,15}(\.0*)?", re.ASCII)


def whole(number: Any) -> int | None:
    """A whole number, 0 or more, in any JSON form; None for anything else."""
    if isinstance(number, bool):
        return None
    if isinstance(number, str):
        return int(number.strip().split(".")[0]) if WHOLE.fullmatch(number.strip()) else None
    if isinstance(number, int | float) and 0 <= number < 1e15 and float(number).is_integer():
        return int(number)
    return None


def read_counts(found: Any, n_bits: int) -> dict[str, int]:
    """Counts out of an answer: an object, or (pyquafu's clouds) its text with either kind of quote.

    Raises InputError that says what is wrong, without naming a task.
    """
    if isinstance(found, str):
        try:
            found = json.loads(found.replace("'", '"'))
        except (ValueError, RecursionError):
            raise InputError("The counts are a text that is no object.") from None
    if not isinstance(found, Mapping) or not found:
        raise InputError("The counts are empty." if not found else "The counts are no object of bits and numbers.")
    counts = {}
    for bits, number in found.items():
        count = whole(number)
        if not isinstance(bits, str) or len(bits) != n_bits or set(bits) - {"0", "1"} or count is None:
            shown = f"{str(bits)[:40]!r}: {str(number)[:40]!r}"
            raise InputError(f"The counts have an entry {shown}; {n_bits} bits and a whole number are needed.")
        counts[bits] = count
    return counts


def check_sum(counts: Mapping[str, int], shots: int) -> None:
    """Raise InputError unless the counts add up to the shots that were ordered."""
    total = sum(counts.values())
    if total != shots:
        raise InputError(f"The counts are of {total:,} shots and {shots:,} were ordered.")
