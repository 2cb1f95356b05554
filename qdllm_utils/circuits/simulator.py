"""The exact simulator: from angles to <Z_j>, batched, differentiable, in plain PyTorch.

The circuit is first turned into a short program of three kinds of step, once, from its description:

    diagonal      RZ and RZZ that stand together: one phase for each basis state
    rotation      RX and RY that stand together: a Kronecker product of 2 x 2 matrices
    permutation   CNOTs that stand together: a relabelling of the basis states

Gates are moved past one another only where they commute (different qubits, or both diagonal). The
program is then applied to the whole batch. Qubit 0 is the most significant bit of a basis state.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from qdllm_utils.circuits.ansatz import Circuit, Gate

KINDS = {"RX": "rotation", "RY": "rotation", "RZ": "diagonal", "RZZ": "diagonal", "CNOT": "permutation"}
GROUP = 5  # neighbouring qubits whose 2 x 2 matrices are multiplied out into one 32 x 32 matrix


@dataclass
class Step:
    """Gates of one kind that stand together, in time order."""

    kind: str
    gates: list[Gate]

    def commutes(self, gate: Gate) -> bool:
        """Whether `gate` may pass this step: no shared qubit, or both diagonal."""
        if self.kind == "diagonal" == KINDS[gate.name]:
            return True
        return not any(set(gate.wires) & set(other.wires) for other in self.gates)


def program(circuit: Circuit) -> list[Step]:
    """The circuit's gates gathered into steps, each gate as early as commuting allows.

    Inputs and weights are not mixed in a step: the encoder stays by itself.
    """
    steps: list[Step] = []
    for gate in circuit.gates:
        kind, home, earliest = KINDS[gate.name], None, 0
        for number in reversed(range(len(steps))):
            if steps[number].kind == kind and steps[number].gates[0].source == gate.source:
                home = steps[number]
            if not steps[number].commutes(gate):
                earliest = number + 1
                break
        if home is None:
            home = Step(kind, [])
            steps.insert(earliest, home)
        home.gates.append(gate)
    return steps


def signs(n_qubits: int) -> Tensor:
    """The eigenvalue of Z_j on each basis state x, (2^n, n): +1 where bit j of x is 0, -1 where it is 1."""
    states = torch.arange(2**n_qubits)
    bits = torch.stack([(states >> (n_qubits - 1 - j)) & 1 for j in range(n_qubits)], dim=1)
    return 1 - 2 * bits


def cnot_gather(n_qubits: int, gates: list[Gate]) -> Tensor:
    """The index g, (2^n,), with new_state[x] = old_state[g[x]] after the CNOTs in time order."""
    source = torch.arange(2**n_qubits)
    for gate in reversed(gates):
        control, target = (n_qubits - 1 - wire for wire in gate.wires)
        source = source ^ (((source >> control) & 1) << target)
    return source


class Simulator(nn.Module):
    """<Z_j> of every qubit of a circuit, exact up to rounding, with gradients by autograd.

    forward(inputs (..., B, n_inputs), weights (..., n_weights)), both in radians, float32 or float64,
    returns (..., B, n_qubits) in the same precision. Leading axes are independent parameter sets
    (students); they are broadcast. Memory grows as B * 2^n for each step.
    """

    def __init__(self, circuit: Circuit) -> None:
        """Work out the program of the circuit and its index tables."""
        super().__init__()
        self.circuit = circuit
        self.steps = program(circuit)
        table = signs(circuit.n_qubits)
        self.register_buffer("signs", table, persistent=False)
        for number, step in enumerate(self.steps):
            if step.kind == "permutation":
                constant = cnot_gather(circuit.n_qubits, step.gates)
                self.register_buffer(f"inverse_{number}", constant.argsort(), persistent=False)
            elif step.kind == "diagonal":
                columns = [table[:, list(gate.wires)].prod(dim=1) for gate in step.gates]
                constant = -0.5 * torch.stack(columns)
            else:
                constant = merging(step)
            self.register_buffer(f"constant_{number}", constant, persistent=False)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """See the class."""
        circuit = self.circuit
        leading = checked_shapes(circuit, inputs, weights)
        weights = weights.unsqueeze(-2)
        real = inputs.new_zeros(*leading, inputs.shape[-2], 2**circuit.n_qubits)
        real[..., 0] = 1
        states = torch.complex(real, torch.zeros_like(real))
        for number, step in enumerate(self.steps):
            if step.kind == "permutation":
                gather = getattr(self, f"constant_{number}")
                states = Permute.apply(states, gather, getattr(self, f"inverse_{number}"))
                continue
            angles = step_angles(step, inputs, weights) @ getattr(self, f"constant_{number}").to(inputs.dtype)
            if step.kind == "diagonal":
                states = states * torch.polar(torch.ones_like(angles), angles)
            else:
                matrices = wire_matrices(merged_gates(step), angles)
                apply = product_state if number == 0 else rotate
                states = apply(states, matrices, circuit.n_qubits)
        probabilities = states.real**2 + states.imag**2
        return probabilities @ self.signs.to(probabilities.dtype)


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


def step_angles(step: Step, inputs: Tensor, weights: Tensor) -> Tensor:
    """The angles of a step's gates, (..., 1 or B, gates): without the batch where no input is among them."""
    indices = [gate.index for gate in step.gates]
    if all(gate.source == "weight" for gate in step.gates):
        return weights[..., indices]
    columns = [(inputs if gate.source == "input" else weights)[..., gate.index] for gate in step.gates]
    return torch.stack(torch.broadcast_tensors(*columns), dim=-1)


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
    """states[..., gather]; its gradient is the inverse gather, where autograd would scatter and add."""

    @staticmethod
    def forward(ctx, states: Tensor, gather: Tensor, inverse: Tensor) -> Tensor:
        """Relabel the basis states."""
        ctx.save_for_backward(inverse)
        return states.index_select(-1, gather)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Relabel them back."""
        (inverse,) = ctx.saved_tensors
        return gradient.index_select(-1, inverse), None, None


def wire_matrices(gates: list[Gate], half: Tensor) -> dict[int, Tensor]:
    """For each qubit touched, the product of its rotations, (..., 2, 2); real where all are RY.

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
    return matrices


def product_state(states: Tensor, matrices: dict[int, Tensor], n_qubits: int) -> Tensor:
    """2 x 2 matrices on |0...0>: a Kronecker product of n vectors, in the shape of states."""
    zero = torch.eye(2, dtype=states.dtype, device=states.device)
    product = torch.ones_like(states[..., :1])
    for wire in range(n_qubits):
        vector = matrices.get(wire, zero)[..., 0]
        product = (product[..., :, None] * vector[..., None, :]).flatten(-2)
    return product


def rotate(states: Tensor, matrices: dict[int, Tensor], n_qubits: int) -> Tensor:
    """2 x 2 matrices on their qubits, `GROUP` neighbours at a time. states: (..., B, 2^n)."""
    dtype = next(iter(matrices.values())).dtype
    identity = torch.eye(2, dtype=dtype, device=states.device)
    shape = states.shape
    for first in range(0, n_qubits, GROUP):
        wires = range(first, min(first + GROUP, n_qubits))
        if not any(wire in matrices for wire in wires):
            continue
        block = matrices.get(first, identity)
        for wire in wires[1:]:
            block = kronecker(block, matrices.get(wire, identity))
        split = states.reshape(*shape[:-1], 2**first, block.shape[-1], -1)
        if block.is_complex():
            product = block.unsqueeze(-3) @ split
        else:  # a real matrix on real and imaginary parts side by side: half the work
            product = block.unsqueeze(-3) @ torch.view_as_real(split).flatten(-2)
            product = torch.view_as_complex(product.unflatten(-1, (-1, 2)))
        states = product.reshape(shape)
    return states


def kronecker(left: Tensor, right: Tensor) -> Tensor:
    """The Kronecker product of the last two axes, batched over the others."""
    product = left[..., :, None, :, None] * right[..., None, :, None, :]
    return product.flatten(-4, -3).flatten(-2, -1)


@lru_cache(maxsize=32)
def simulator(circuit: Circuit) -> Simulator:
    """The simulator of a circuit, worked out once for each circuit."""
    return Simulator(circuit)
