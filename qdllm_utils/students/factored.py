"""The student with a first layer of fewer numbers: a tensor train, or a product of two thin matrices.

Linear(d, n) holds nine tenths of the student's parameters. As a tensor train of two cores (the TT-layer of Novikov et
al. 2015, "Tensorizing neural networks"), with d = d1 d2, its matrix is

    W[(i1, i2), o] = sum_r A[i1, r, o] B[i2, r],

a sum of r Kronecker products of a d1 x n with a d2 x 1 matrix. All n outputs are in the first core, since 11 is prime.
At d1 = 1 it is a plain low-rank matrix, which serves as the control of equal size.
"""

import math

import torch
from torch import Tensor

from qdllm_utils.learning.copies import affine
from qdllm_utils.students.controls import Cosine
from qdllm_utils.students.quantum import QuantumStudents

LOW_RANK = 2  # the width of the low-rank layer, to whose size the tensor train's rank is fitted


class TensorTrain(QuantumStudents):
    """The circuit behind a tensor-train layer of (about) as many numbers as a low-rank layer of width LOW_RANK."""

    name = "tt_quantum"
    title = "tensor train, circuit"

    def modes(self) -> tuple[int, int]:
        """(d1, d2) with d1 d2 = d, as near to a square as d allows: 24 and 32 for 768; d1 <= d2."""
        first = next(m for m in range(math.isqrt(self.dimension), 0, -1) if self.dimension % m == 0)
        return first, self.dimension // first

    def rank(self) -> int:
        """r, so that the two cores have as many numbers as the low-rank layer has, to the nearest; at least 1."""
        first, second = self.modes()
        wanted = LOW_RANK * (self.dimension + self.knobs.qubits)
        return max(1, round(wanted / (first * self.knobs.qubits + second)))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The student's, with the cores B (d2, r) and A (d1 r, n) in place of the first layer's matrix."""
        first, second = self.modes()
        rank = self.rank()
        cores: dict[str, tuple[int, ...]] = {"inner": (second, rank), "outer": (first * rank, self.knobs.qubits)}
        rest = {name: shape for name, shape in super().shapes().items() if name != "reduce_weight"}
        return cores | rest

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Cores N(0, s^2) so that W has the variance 1 / (3 d) of the student's first layer; the rest as there."""
        if name in ("inner", "outer"):
            return (3 * self.dimension * self.rank()) ** -0.25 * torch.randn(shape, generator=generator)
        if name == "reduce_bias":
            return (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(self.dimension)
        return super().initial(name, shape, generator)

    def reduce(self, features: Tensor) -> Tensor:
        """W^T E + bias, (S, B, n), core by core: W itself is never made."""
        copies, rows = features.shape[:2]
        first, second = self.modes()
        seen = self.standardised(features).reshape(copies, rows * first, second)
        inner = affine(seen, self.get_parameter("inner")).reshape(copies, rows, -1)
        return affine(inner, self.get_parameter("outer"), self.reduce_bias)

    def describe(self) -> str:
        """The size in words."""
        first, second = self.modes()
        return f"first layer {first} x {second} by rank {self.rank()}, {self.knobs.qubits} angles"


class TensorTrainCosine(TensorTrain, Cosine):
    """Its classical twin: cos in the circuit's place."""

    name = "tt_cosine"
    title = "tensor train, cos"


class LowRank(TensorTrain):
    """The circuit behind Linear(d, 2) -> Linear(2, n): a tensor train of one mode."""

    name = "low_rank_quantum"
    title = "low rank, circuit"

    def modes(self) -> tuple[int, int]:
        """The features unfolded."""
        return 1, self.dimension

    def rank(self) -> int:
        """LOW_RANK."""
        return LOW_RANK


class LowRankCosine(LowRank, Cosine):
    """The same with cos in the circuit's place."""

    name = "low_rank_cosine"
    title = "low rank, cos"
