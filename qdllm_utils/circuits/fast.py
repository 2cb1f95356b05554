"""The fast path of the simulator: the same <Z_j> and gradients as `simulator.Simulator`, compiled.

The circuit is brought to its canonical form once, the kernel of `kernels` runs it forwards and
backwards, and one autograd Function stands between them and PyTorch. Everything a step costs is in two
calls of compiled code. The first call in a process compiles (some ten seconds, once a machine: numba
keeps the result) or loads what was kept (under a second).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qdllm_utils.circuits import kernels
from qdllm_utils.circuits.ansatz import Circuit
from qdllm_utils.circuits.canonical import Canonical, canonical
from qdllm_utils.circuits.simulator import Simulator, checked_shapes


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
        encoder = torch.from_numpy(self.canonical.encoder)
        self.identity = encoder.shape[0] == encoder.shape[1] and bool(encoder.equal(torch.eye(len(encoder))))
        self.register_buffer("encoder", encoder, persistent=False)
        self.plain = Simulator(circuit)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """See the class."""
        leading = checked_shapes(self.circuit, inputs, weights)
        if inputs.device.type != "cpu" or weights.device.type != "cpu":
            return self.plain(inputs, weights)
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
        students, batch, n = len(weights), *angles.shape[-2:]
        dtype = angles.detach().numpy().dtype
        half = np.zeros((students, circuit.blocks * (n + 1)), dtype)
        phase = np.zeros((students, circuit.blocks, 2**n), dtype)
        kernels.tables(
            weights.detach().contiguous().numpy(),
            circuit.rotations,
            circuit.phases,
            circuit.fixed,
            half,
            phase,
        )
        ctx.tables = (cos_and_sin(angles / 2), cos_and_sin(half), cos_and_sin(phase))
        ctx.circuit = circuit
        shape = (students, -(-batch // kernels.LANES), circuit.blocks + 1, 2**n * kernels.ROW)
        ctx.kept = np.empty(shape if keep else (0, 0, 0, 0), dtype)
        ctx.shapes = angles.shape, weights.shape
        z = np.empty((students, batch, n), dtype)
        kernels.forward(*ctx.tables, circuit.kernel_tables, ctx.kept, z)
        return torch.from_numpy(z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        circuit = ctx.circuit
        encoder, half, phase = ctx.tables
        angles = np.empty(gradient.shape, half.dtype)
        half_gradient, phase_gradient = np.zeros(half.shape[1:], half.dtype), np.zeros(phase.shape[1:], half.dtype)
        kernels.backward(
            gradient.contiguous().numpy(),
            *ctx.tables,
            circuit.kernel_tables,
            ctx.kept,
            angles,
            half_gradient,
            phase_gradient,
        )
        weights = np.zeros(ctx.shapes[1], half.dtype)
        kernels.table_gradients(circuit.rotations, circuit.phases, half_gradient, phase_gradient, weights)
        if ctx.shapes[0][0] != len(angles):
            angles = angles.sum(axis=0, keepdims=True)
        return torch.from_numpy(angles), torch.from_numpy(weights), None, None


def cos_and_sin(angles: Tensor | np.ndarray) -> np.ndarray:
    """Both in one array, (2, ...), by torch, whose sine is vectorised."""
    angles = torch.as_tensor(angles).detach()
    return torch.stack([torch.cos(angles), torch.sin(angles)]).numpy()
