"""The fast path of the simulator: the same <Z_j> and gradients as `simulator.Simulator`, compiled.

The circuit is brought to its canonical form once, the kernel of `passes` runs it forwards and
backwards, and one autograd Function stands between them and PyTorch. Everything a step costs is in two
calls of compiled code. The first call in a process compiles (some ten seconds, once a machine: numba
keeps the result) or loads what was kept (about a second).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qdcircuits.ansatz import Circuit
from qdcircuits.kernel import forward_backward
from qdcircuits.kernel.canonical import Canonical, canonical
from qdcircuits.kernel.registers import LANES, ROW
from qdcircuits.simulation import Simulator, checked_shapes

BLOCK = 64  # numbers: a multiple of what any vector register and any unrolled loop takes at once


class FastSimulator(nn.Module):
    """<Z_j> of every qubit, exact up to rounding, with exact gradients, on the CPU by a compiled kernel.

    forward(inputs (..., B, n_inputs), weights (..., n_weights)), in radians, float32 or float64, returns
    (..., B, n_qubits) in the same precision; leading axes are independent students, broadcast as in
    Simulator. One thread. Tensors on a CUDA device take the plain torch path, which runs there as it
    is. Gradients of gradients are not defined. Memory for a backward pass: (L + 1) * 2^n * 16 numbers
    for each eight samples.

    Raises InexpressibleError for a circuit that the kernel cannot run, ImportError without numba.
    """

    backend = "numba"

    def __init__(self, circuit: Circuit) -> None:
        """Work out the kernel's tables."""
        super().__init__()
        self.circuit = circuit
        self.canonical = canonical(circuit)
        self.encoder = torch.from_numpy(self.canonical.encoder)
        identity = torch.eye(circuit.n_qubits, dtype=self.encoder.dtype)
        self.identity = self.encoder.shape == identity.shape and bool(self.encoder.equal(identity))
        self.plain: Simulator | None = None

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """See the class."""
        leading = checked_shapes(self.circuit, inputs, weights)
        if inputs.device.type != "cpu" or weights.device.type != "cpu":
            self.plain = self.plain or Simulator(self.circuit)
            return self.plain.to(inputs.device)(inputs, weights)
        angles = inputs if self.identity else inputs @ self.encoder.to(inputs.dtype)
        if angles.dim() > 2:
            angles = angles.expand(*leading, *angles.shape[-2:])
        angles = angles.reshape(-1, *angles.shape[-2:])
        students = weights.expand(*leading, weights.shape[-1]).reshape(-1, weights.shape[-1])
        keep = torch.is_grad_enabled() and (angles.requires_grad or students.requires_grad)
        z = _Kernel.apply(angles, students, self.canonical, keep)
        return z.view(*leading, *z.shape[-2:])


class _Kernel(torch.autograd.Function):
    """Encoder angles (S or 1, B, n) and weights (S, n_weights) -> <Z_j> (S, B, n)."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, weights: Tensor, circuit: Canonical, keep: bool) -> Tensor:
        students, (batch, n), blocks = len(weights), angles.shape[-2:], circuit.blocks
        half = angles.new_zeros(students, blocks * (n + 1))
        phase = angles.new_zeros(students, blocks, max(2**n, LANES))
        weights = weights.contiguous()
        forward_backward.tables(
            weights.numpy(), circuit.rotations, circuit.phases, circuit.fixed, half.numpy(), phase.numpy()
        )
        ctx.tables = (cos_and_sin(angles / 2), cos_and_sin(half), cos_and_sin(phase))
        ctx.circuit = circuit
        ctx.scratch = angles.new_empty(4, 2**n * ROW).numpy()
        tiles = -(-batch // LANES)
        kept = (students, tiles, blocks + 1, 2**n * ROW) if keep else (0, 0, 0, 0)
        ctx.kept = angles.new_empty(kept).numpy()
        ctx.shapes = angles.shape, weights.shape
        z = angles.new_empty(students, batch, n)
        forward_backward.forward(*ctx.tables, circuit.kernel_tables, ctx.scratch, ctx.kept, z.numpy())
        return z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        circuit, (_, half, phase) = ctx.circuit, ctx.tables
        angles = torch.empty_like(gradient, memory_format=torch.contiguous_format)
        half_gradient = np.zeros(half.shape[1:], half.dtype)
        phase_gradient = np.zeros(phase.shape[1:], half.dtype)
        forward_backward.backward(
            gradient.contiguous().numpy(),
            *ctx.tables,
            circuit.kernel_tables,
            ctx.scratch,
            ctx.kept,
            angles.numpy(),
            half_gradient,
            phase_gradient,
        )
        angles_shape, weights_shape = ctx.shapes
        weights = gradient.new_zeros(weights_shape)
        forward_backward.table_gradients(
            circuit.rotations, circuit.phases, half_gradient, phase_gradient, weights.numpy()
        )
        return angles.sum_to_size(angles_shape), weights, None, None


def cos_and_sin(angles: Tensor) -> NDArray[Any]:
    """Both in one array, (2, S, ...), from angles (S, ...): torch's are vectorised.

    Each student's angles are padded to whole vector registers: the last few numbers of a tensor go through other code
    than the rest, and a student's result must not depend on how many others stand beside it.
    """
    students = angles.flatten(1)
    width = students.shape[1]
    padded = torch.nn.functional.pad(students, (0, -width % BLOCK))
    both = torch.stack([torch.cos(padded), torch.sin(padded)])
    return both[..., :width].reshape(2, *angles.shape).contiguous().numpy()
