"""Numbers that are no longer finite (NaN, infinity): where they began, copy by copy, and the sentence that says so."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdcircuits.errors import InputError


class NotFinite(InputError):
    """Copies of a student whose numbers are not finite; the other copies were trained to the end.

    copies: {number of the copy: what is not finite, and where}. fit: the `training.Fit` of all copies, of which those
    of `copies` mean nothing.
    """

    def __init__(self, label: str, copies: dict[int, str], fit: Any = None) -> None:
        """label: what was trained, in words."""
        self.copies, self.fit = copies, fit
        what = "; ".join(dict.fromkeys(copies.values()))
        super().__init__(f"{label}: {what}. No row is made of it: take a smaller learning rate, or check its inputs.")


def not_finite(student: Any, losses: Tensor, logits: Tensor, where: str) -> dict[int, str]:
    """{copy: what is not finite} of a student's S copies after an epoch; losses: (S,), logits: (S, N, C)."""
    found = {copy: f"the loss is not finite in {where}" for copy in copies_with(losses)}
    for name, values in student.state_dict().items():
        if values.is_floating_point():
            for copy in copies_with(values) if len(losses) > 1 else copies_with(values[None]):
                found.setdefault(copy, f"the weights are not finite ({name}) after {where}")
    for copy in copies_with(logits):
        found.setdefault(copy, f"the logits of the validation texts are not finite after {where}")
    return found


def copies_with(values: Tensor) -> list[int]:
    """The numbers of the copies, along the first axis, that hold a value that is not finite."""
    bad = ~torch.isfinite(values).reshape(len(values), -1).all(dim=1)
    return [int(number) for number in bad.nonzero().flatten()]


def check_rows(values: np.ndarray | None, what: str) -> None:
    """Raise InputError where an array (N, ...) is not finite, naming it and its first such row; None is none."""
    if values is None:
        return
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise InputError(
            f"{what} are not finite for {len(bad):,} of {len(values):,} texts (the first is text {bad[0]}): nothing is "
            "trained on them; compute them again (-p refresh True), or take another model."
        )
