"""Fewer bytes: probes that are trained at 1, 2, 3, 4 or 8 bits a weight, and students rounded after training.

A probe's weights are quantised in every forward pass and the gradient goes straight through (Bengio et al. 2013), with
everything else the student's. For two classes one direction is enough: the logits are (0, s).
"""

import math

import torch
from torch import Tensor

from qdllm_utils.learning.copies import affine, each
from qdllm_utils.learning.training import Data
from qdllm_utils.students.controls import Linear
from qdllm_utils.students.quantum import QuantumStudents

BITS = (1, 2, 3, 4, 8)
LEAST_SPREAD = 1e-6  # what QuantumStudents.prepare puts for a feature that does not change
FORMS = {"float32": 32, "fp16": 16, "int8": 8}  # bits a number
TERNARY_THRESHOLD = 0.7  # of the mean absolute weight (Li and Liu 2016)


def quantise(weights: Tensor, bits: int) -> Tensor:
    """The weights (..., d, c) on the levels that `bits` bits hold, one scale for each (d, c) matrix.

    1: sign(w) mean|w| (Rastegari et al. 2016). 2: {-1, 0, 1} times the mean of the kept |w| (Li and Liu 2016).
    More: the nearest of 2^bits - 1 even steps between -max|w| and max|w|.
    """
    size = weights.abs()
    if bits == 1:
        return torch.where(weights < 0, -1.0, 1.0) * size.mean(dim=(-2, -1), keepdim=True)
    if bits == 2:
        kept = size > TERNARY_THRESHOLD * size.mean(dim=(-2, -1), keepdim=True)
        number = kept.sum(dim=(-2, -1), keepdim=True).clamp_min(1)
        return weights.sign() * kept * (size * kept).sum(dim=(-2, -1), keepdim=True) / number
    step = size.amax(dim=(-2, -1), keepdim=True).clamp_min(1e-12) / (2 ** (bits - 1) - 1)
    return torch.round(weights / step) * step


class QuantisedProbe(Linear):
    """E -> Linear(d, C) with weights of `bits` bits.

    Only the mean of each feature and one common spread are taken out of E, whatever the preset: the mean folds
    into the biases and the common spread into the scale, so neither is stored. Nor is the scale: divided out of
    the biases, it leaves the largest logit the largest.
    """

    bits: int

    def prepare(self, features: Tensor) -> None:
        """Learn each feature's mean and the spread of all features together from the training rows (N, d)."""
        self.centre[:] = features.mean(dim=0)
        self.spread[:] = features.std(dim=0).square().mean().sqrt().clamp_min(1e-6)

    def standardised(self, features: Tensor) -> Tensor:
        """E centred, over one number, (S, B, d)."""
        return (features - self.centre[:, None]) / self.spread[:, None]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """One direction for two classes, else one a class."""
        outputs = 1 if self.classes == 2 else self.classes
        return {"head_weight": (self.dimension, outputs), "head_bias": (outputs,)}

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        rounded = each(lambda weight: quantise(weight, self.bits), self.head_weight.detach())
        weights = self.head_weight + (rounded - self.head_weight.detach())
        scores = affine(self.standardised(batch["features"]), weights, self.head_bias)
        return torch.cat([torch.zeros_like(scores), scores], dim=-1) if self.classes == 2 else scores

    def stored_bytes(self) -> int:
        """The weights' bits, packed, and a float32 for each bias."""
        return math.ceil(self.head_weight[0].numel() * self.bits / 8) + 4 * self.head_bias[0].numel()

    def describe(self) -> str:
        """The size in words."""
        return f"{self.dimension} x {self.head_weight.shape[-1]} at {self.bits} bits"


PROBES: dict[str, type[QuantisedProbe]] = {
    f"probe_{bits}bit": type(
        f"Probe{bits}Bit",
        (QuantisedProbe,),
        {
            "bits": bits,
            "name": f"probe_{bits}bit",
            "title": f"{bits}-bit probe",
            "__doc__": f"The probe at {bits} bits.",
        },
    )
    for bits in BITS
}


@torch.no_grad()
def store_as(student: QuantumStudents, form: str) -> int:
    """Round all parameters of trained students to one of FORMS, in place; returns the bytes of one student.

    Mean and spread of the features are first folded into the linear layer that reads them. int8: 255 even steps
    and one float32 scale for each tensor of each student.
    """
    layer = "reduce" if "reduce_weight" in student.shapes() else "head"
    weight, bias = student.get_parameter(f"{layer}_weight"), student.get_parameter(f"{layer}_bias")
    weight.div_(student.spread[:, :, None])  # (S, d, n) over (S, d, 1)
    weight[student.spread <= LEAST_SPREAD] = 0  # features that never changed: of no use, and huge once folded
    bias.sub_((student.centre[:, None] @ weight)[:, 0])
    student.centre.zero_()
    student.spread.fill_(1.0)
    stored = 0
    for values in student.parameters():
        if form == "int8":
            values.copy_(quantise(values.flatten(1).unsqueeze(-1), 8).view_as(values))
            stored += 4
        elif form == "fp16":
            values.copy_(values.half().float())
        stored += values[0].numel() * FORMS[form] // 8
    return stored
