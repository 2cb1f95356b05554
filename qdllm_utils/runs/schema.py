"""What a row of each kind must hold, checked when it is read, and that its numbers are finite, checked when written."""

from typing import Any

import numpy as np

from qdcircuits.errors import InputError

NUMBER = (int, float)
SCORES: dict[str, Any] = {"acc": NUMBER, "p": NUMBER, "r": NUMBER, "f1": NUMBER, "parameters": int}
# {kind: {field of the result: type}}; a field that came later is checked where it stands
FIELDS: dict[str, dict[str, Any]] = {
    "student": {**SCORES, "validation": NUMBER, "size": str},
    "teacher": {**SCORES, "name": str, "classes": list, "cleaning": str, "rows": dict, "validation": dict},
    "embedding": {"dimension": int},
    "labels": {"test": str},
    "pooling": {"tried": dict, "chosen": str},
}
LATER: dict[str, dict[str, Any]] = {
    "student": {"best_epoch": int, "history": list, "epoch_seconds": NUMBER, "predicted": str, "stored_bytes": int},
    "teacher": {"predicted": str, "lora_parameters": int},
}
ARRAYS = {"teacher": ("logits",)}  # of a student they are published for some rows only


def wrong_with(identity: dict[str, Any], result: Any) -> str | None:
    """What is wrong with the result of a row, in words; None where nothing is."""
    if not isinstance(result, dict):
        return "its result is no table of names and values"
    kind = str(identity.get("kind"))
    for name, allowed in FIELDS.get(kind, {}).items():
        if name not in result:
            return f"its result has no {name!r}"
        if not isinstance(result[name], allowed) or isinstance(result[name], bool):
            return f"its {name!r} is of another type"
    for name, allowed in LATER.get(kind, {}).items():
        if name in result and (not isinstance(result[name], allowed) or isinstance(result[name], bool)):
            return f"its {name!r} is of another type"
    for name in ("acc", "p", "r", "f1"):
        if name in FIELDS.get(kind, {}) and not 0 <= result[name] <= 1:
            return f"its {name!r} is not between 0 and 1"
    return None


def missing_array(identity: dict[str, Any], arrays: dict[str, np.ndarray]) -> str | None:
    """The name of an array that a row of this kind must have and that is not there."""
    needed = (identity.get("pooling"),) if identity.get("kind") == "embedding" else ARRAYS.get(identity["kind"], ())
    return next((name for name in needed if name not in arrays), None)


def check_finite(identity: dict[str, Any], result: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Raise InputError for a row with a number that is not finite, naming it; it is not stored."""
    bad = first_not_finite(result, "result")
    for name, values in arrays.items():
        if bad is None and np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
            bad = f"array {name}"
    if bad:
        whole = identity.get("of", identity)
        what = ", ".join(str(whole[name]) for name in ("kind", "student", "model", "seed") if name in whole)
        raise InputError(
            f"The row of {what} has a number that is not finite ({bad}) and was not stored: check the inputs of that "
            "run, or take a smaller learning rate."
        )


def first_not_finite(value: Any, name: str) -> str | None:
    """Where, in nested lists and dictionaries, the first number stands that is not finite."""
    if isinstance(value, float):
        return None if np.isfinite(value) else name
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return next((found for key, part in inner if (found := first_not_finite(part, f"{name}.{key}"))), None)
