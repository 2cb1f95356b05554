"""The exact simulator: from angles to <Z_j>, batched, differentiable.

`simulator(circuit)` chooses between two paths with the same results: `Simulator`, below, in plain
PyTorch, readable, on any device; and `fast.FastSimulator`, compiled by numba, on the CPU.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

import torch
from torch import Tensor, nn

from qdcircuits.ansatz import Circuit, Gate
from qdcircuits.steps import Step, cnot_gather, program, signs

GROUP = 6  # neighbouring qubits whose 2 x 2 matrices are multiplied out into one 64 x 64 matrix
SAMPLE_GROUP = 2  # the same where each sample has matrices of its own, which no fast matrix product serves
BACKENDS = ("auto", "numba", "torch")

log = logging.getLogger(__name__)


class Simulator(nn.Module):
    """<Z_j> of every qubit of a circuit, exact up to rounding, with gradients by autograd.

    forward(inputs (..., B, n_inputs), weights (..., n_weights)), both in radians, float32 or float64,
    returns (..., B, n_qubits) in the same precision. Leading axes are independent parameter sets
    (students); they are broadcast. The phases and matrices of steps with the same gates, which layers
    repeat, are worked out at once; then the steps are applied one after the other to the states of the
    whole batch, (..., 2^n, B), complex. Memory grows as B * 2^n for each step.
    """

    backend = "torch"

    def __init__(self, circuit: Circuit) -> None:
        """Work out the program of the circuit and its index tables."""
        super().__init__()
        self.circuit = circuit
        self.steps = program(circuit)
        self.equal: dict[Any, list[int]] = {}
        for number, step in enumerate(self.steps):
            gates = tuple((gate.name, gate.wires, gate.source) for gate in step.gates)
            self.equal.setdefault((number == 0, gates), []).append(number)
        table = signs(circuit.n_qubits)
        self.register_buffer("signs", table.float(), persistent=False)
        for first, *_ in self.equal.values():
            step = self.steps[first]
            if step.kind == "diagonal":
                constant = -0.5 * torch.stack([table[:, gate.wires].prod(dim=1) for gate in step.gates])
            elif step.kind == "rotation":
                constant = merging(step)
            else:
                constant = cnot_gather(circuit.n_qubits, step.gates)
            self.register_buffer(f"constant_{first}", constant, persistent=False)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """See the class."""
        states = self.states(inputs, weights)
        probabilities = states.real**2 + states.imag**2
        return probabilities.mT @ self.get_buffer("signs").to(probabilities.dtype)

    def states(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """The amplitudes before the measurement, (..., 2^n, B), complex; the arguments are forward's."""
        n_qubits = self.circuit.n_qubits
        leading = checked_shapes(self.circuit, inputs, weights)
        states = torch.zeros(
            *leading, 2**n_qubits, inputs.shape[-2], dtype=inputs.dtype.to_complex(), device=inputs.device
        )
        states[..., 0, :] = 1
        operators = self.operators(inputs, weights)
        for number, (step, operator) in enumerate(zip(self.steps, operators, strict=True)):
            if number == 0 and step.kind == "rotation":
                states = operator.to(states.dtype).expand_as(states)
            elif step.kind == "permutation":
                states = Permute.apply(states, operator)
            elif step.kind == "diagonal":
                states = states * operator
            else:
                states = rotate(states, operator)
        return states

    def operators(self, inputs: Tensor, weights: Tensor) -> list[Any]:
        """What each step needs: the encoder's state or phases, (..., 2^n, 1 or B), matrices, or a gather."""
        found: list[Any] = [None] * len(self.steps)
        for numbers in self.equal.values():
            steps = [self.steps[k] for k in numbers]
            constant = self.get_buffer(f"constant_{numbers[0]}")
            operators: Sequence[Any]
            if steps[0].kind == "permutation":
                operators = [constant] * len(steps)
            else:
                angles = step_angles(steps, inputs, weights) @ constant.to(inputs.dtype)
                if steps[0].kind == "diagonal":
                    operators = torch.complex(angles.cos(), angles.sin()).mT.unbind(-3)
                else:
                    matrices = wire_matrices(merged_gates(steps[0]), angles, self.circuit.n_qubits)
                    if numbers[0] == 0:
                        operators = product_state(matrices).unbind(-3)
                    else:
                        split = [(first, block.unbind(-4)) for first, block in group_matrices(matrices)]
                        operators = [[(first, block[k]) for first, block in split] for k in range(len(steps))]
            for number, operator in zip(numbers, operators, strict=True):
                found[number] = operator
        return found


def checked_shapes(circuit: Circuit, inputs: Tensor, weights: Tensor) -> torch.Size:
    """The students' axes that inputs (..., B, n_inputs) and weights (..., n_weights) are broadcast to.

    Raises ValueError where the circuit takes other numbers of angles, or the two are not of one precision.
    """
    if inputs.dim() < 2 or inputs.shape[-1] != circuit.n_inputs or weights.shape[-1] != circuit.n_weights:
        raise ValueError(
            f"The circuit takes inputs (..., B, {circuit.n_inputs}) and weights (..., {circuit.n_weights}), "
            f"not {tuple(inputs.shape)} and {tuple(weights.shape)}."
        )
    if inputs.dtype != weights.dtype or inputs.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"Inputs and weights are both float32 or both float64, not {inputs.dtype} and {weights.dtype}."
        )
    return torch.broadcast_shapes(inputs.shape[:-2], weights.shape[:-1])


def step_angles(steps: list[Step], inputs: Tensor, weights: Tensor) -> Tensor:
    """The angles of equal steps, (..., steps, 1 or B, gates): without the batch where they are weights."""
    indices = torch.tensor([[gate.index for gate in step.gates] for step in steps], device=weights.device)
    if steps[0].gates[0].source == "weight":
        return weights[..., indices].unsqueeze(-2)
    return inputs[..., indices].movedim(-2, -3)


def merged_gates(step: Step) -> list[Gate]:
    """The rotations of a step, one where several in a row turn the same qubit about the same axis."""
    merged: list[Gate] = []
    for gate in step.gates:
        on_wire = [other for other in merged if other.wires == gate.wires]
        if not on_wire or on_wire[-1].name != gate.name:
            merged.append(gate)
    return merged


def merging(step: Step) -> Tensor:
    """Half of each angle added into its merged rotation, (gates, merged)."""
    merged = merged_gates(step)
    table = torch.zeros(len(step.gates), len(merged), dtype=torch.float64)
    row = {}
    for number, gate in enumerate(step.gates):
        if gate in merged:
            row[gate.wires] = merged.index(gate)
        table[number, row[gate.wires]] = 0.5
    return table


class Permute(torch.autograd.Function):
    """states[..., gather, :]; its gradient is relabelled back, where autograd would scatter and add."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, gather: Tensor) -> Tensor:
        """Relabel the basis states."""
        ctx.save_for_backward(gather)
        return states.index_select(-2, gather)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Relabel them back."""
        (gather,) = ctx.saved_tensors
        return torch.empty_like(gradient).index_copy_(-2, gather, gradient), None


def wire_matrices(gates: list[Gate], half: Tensor, n_qubits: int) -> list[Tensor]:
    """For each qubit the product of its rotations, (..., 2, 2); real where all are RY.

    RX(angle) = exp(-i angle/2 X), RY(angle) = exp(-i angle/2 Y); half: (..., gates), angle/2.
    """
    cos, sin = torch.cos(half), torch.sin(half)
    table = {"RY": torch.stack([cos, -sin, sin, cos], dim=-1)}
    if any(gate.name == "RX" for gate in gates):
        zero = torch.zeros_like(cos)
        diagonal, other = torch.complex(cos, zero), torch.complex(zero, -sin)
        table["RX"] = torch.stack([diagonal, other, other, diagonal], dim=-1)
        table["RY"] = table["RY"].to(diagonal.dtype)
    split = {name: entries.unflatten(-1, (2, 2)).unbind(-3) for name, entries in table.items()}
    matrices: dict[int, Tensor] = {}
    for number, gate in enumerate(gates):
        matrix, wire = split[gate.name][number], gate.wires[0]
        matrices[wire] = matrix @ matrices[wire] if wire in matrices else matrix
    identity = torch.eye(2, dtype=matrix.dtype, device=half.device).expand_as(matrix)
    return [matrices.get(wire, identity) for wire in range(n_qubits)]


def product_state(matrices: list[Tensor]) -> Tensor:
    """A matrix on each qubit of |0...0>: the Kronecker product of their first columns, (..., 2^n, B)."""
    return reduce(kronecker, [matrix[..., :1] for matrix in matrices]).squeeze(-1).mT


def group_matrices(matrices: list[Tensor]) -> list[tuple[int, Tensor]]:
    """The matrices multiplied out over neighbouring qubits, (..., 1 or B, g, g), after the first of them."""
    size = GROUP if all(matrix.shape[-3] == 1 for matrix in matrices) else SAMPLE_GROUP
    return [(first, reduce(kronecker, matrices[first : first + size])) for first in range(0, len(matrices), size)]


def rotate(states: Tensor, blocks: list[tuple[int, Tensor]]) -> Tensor:
    """Matrices (..., 1 or B, g, g), each on the qubits from its number on; states: (..., 2^n, B)."""
    shape = states.shape
    for first, block in blocks:
        split = states.reshape(*shape[:-2], 2**first, block.shape[-1], -1, shape[-1])
        if block.shape[-3] > 1:  # a matrix for each sample
            states = torch.einsum("...bij,...xjyb->...xiyb", block.to(states.dtype), split).reshape(shape)
            continue
        columns = split.flatten(-2)
        if not block.is_complex():  # real and imaginary parts side by side: half the work
            columns = torch.view_as_real(columns).flatten(-2)
        columns = block @ columns
        if not block.is_complex():
            columns = torch.view_as_complex(columns.unflatten(-1, (-1, 2)))
        states = columns.reshape(shape)
    return states


def kronecker(left: Tensor, right: Tensor) -> Tensor:
    """The Kronecker product of the last two axes, batched over the others."""
    product = left[..., :, None, :, None] * right[..., None, :, None, :]
    return product.flatten(-4, -3).flatten(-2, -1)


@lru_cache(maxsize=32)
def simulator(circuit: Circuit, backend: str = "auto") -> nn.Module:
    """The simulator of a circuit, worked out once for each; its attribute `backend` names the path taken.

    backend: 'numba' (compiled, CPU), 'torch' (plain), or 'auto': numba where it is installed and can run
    the circuit, else torch, and a logged sentence says why. Raises ValueError for another name, or where
    'numba' is asked for and cannot run the circuit; ImportError where it is asked for and not installed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"Unknown backend {backend!r}: choose one of {', '.join(BACKENDS)}.")
    if backend != "torch":
        try:
            from qdcircuits.kernel.fast import FastSimulator  # here, so that numba may be absent

            return FastSimulator(circuit)
        except (ImportError, ValueError) as error:
            if backend == "numba":
                raise
            log.warning("The plain torch simulator runs this circuit, not the compiled one: %s.", error)
    return Simulator(circuit)
