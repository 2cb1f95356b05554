"""The circuit in the one form that the compiled kernel runs, worked out from the simulator's program.

    encoder     one real product state: RY(angle_j)|0> on every qubit j, the angles sums of inputs
    L blocks    y[x] = exp(i phase[x]) X[gather[x]], then X = RY on some of the qubits of y
    readout     <Z_i> = sum over x of |X[gather[x]]|^2 s_i(x)

Three rewritings bring a circuit there. An RX is an RY between two fixed RZ, RX(t) = RZ(-pi/2) RY(t)
RZ(pi/2) (so the RX encoder is real, and its (-i)^popcount goes into the first phase). A phase moves
through a CNOT with its Z word changed: Z on the target becomes Z on target and control. A phase that
is followed by no rotation does not reach <Z>, so it is dropped. A Z word is written as a bit mask.
"""

from dataclasses import dataclass, field
from math import pi

import numpy as np
from numpy.typing import NDArray

from qdcircuits.ansatz import Circuit, Gate
from qdcircuits.steps import cnot_gather, program

Integers = NDArray[np.int32]


class InexpressibleError(ValueError):
    """The circuit is none that the compiled kernel can run; the message says why."""


@dataclass(frozen=True)
class Canonical:
    """The kernel's tables. Rotation slots: qubit j of block l is l * (n + 1) + j; slot n of a block is idle.

    encoder: (n_inputs, n), 1 where an input adds to a qubit's angle.
    gathers: (L + 1, 2^n), the last one before the readout.
    turns: (pairs of rotated qubits, 4), as the two strides in rows and the two slots; larger stride first.
    first_turn: (L + 1,), where each block's turns begin.
    rotations: (k, 2), weight and slot of every trained RY or RX.
    phases: (k, 3), weight (-1: none), block and mask of every phase exp(-i angle/2 Z..Z) that matters.
    fixed: (k,), the part of each of these angles that no weight moves, in radians.
    """

    n_qubits: int
    encoder: NDArray[np.float64]
    gathers: Integers
    turns: Integers
    first_turn: Integers
    rotations: Integers
    phases: Integers
    fixed: NDArray[np.float64]

    @property
    def blocks(self) -> int:
        """The number of blocks, L."""
        return len(self.first_turn) - 1

    @property
    def kernel_tables(self) -> tuple[Integers, Integers, Integers]:
        """What the kernel reads at every block."""
        return self.gathers, self.turns, self.first_turn


@dataclass
class _Block:
    """Phases as (mask, weight or -1, angle), CNOTs, then rotations: axis and weights by qubit."""

    phases: list[tuple[int, int, float]] = field(default_factory=list)
    cnots: list[Gate] = field(default_factory=list)
    turned: dict[int, tuple[str, list[int]]] = field(default_factory=dict)


def canonical(circuit: Circuit) -> Canonical:
    """Bring a circuit into the kernel's form.

    Raises InexpressibleError where the text's angles enter anywhere but in one first layer of RX or RY.
    """
    n = circuit.n_qubits
    encoder = np.zeros((circuit.n_inputs, n))
    axes: dict[int, str] = {}
    blocks = [_Block()]
    for number, step in enumerate(program(circuit)):
        for gate in step.gates:
            if gate.source == "input":
                wire = gate.wires[0]
                if number > 0 or step.kind != "rotation" or axes.get(wire, gate.name) != gate.name:
                    reason = f"{gate.name} of an input on qubit {wire} comes after the first layer"
                    raise InexpressibleError(reason)
                if gate.name == "RX" and wire not in axes:
                    _add_phase(blocks[-1], n, (wire,), -1, -pi / 2)
                axes[wire] = gate.name
                encoder[gate.index, wire] += 1
            elif step.kind == "permutation":
                _pass_cnot(blocks[-1], n, gate)
            elif step.kind == "diagonal":
                _add_phase(blocks[-1], n, gate.wires, gate.index, 0.0)
        if step.kind == "rotation" and step.gates[0].source != "input":
            _turn(blocks, n, step.gates)
    if len(blocks) == 1:
        _open(blocks, n, [])
    return _tables(circuit, encoder, blocks)


def _add_phase(block: _Block, n: int, wires: tuple[int, ...], weight: int, angle: float) -> None:
    """A rotation about a Z word, exp(-i/2 angle Z..Z), put behind the block's CNOTs."""
    block.phases.append((sum(1 << (n - 1 - wire) for wire in wires), weight, angle))


def _pass_cnot(block: _Block, n: int, gate: Gate) -> None:
    """Let a CNOT stand before the phases: Z on its target becomes Z on target and control."""
    control, target = (1 << (n - 1 - wire) for wire in gate.wires)
    block.phases = [(m ^ control if m & target else m, weight, angle) for m, weight, angle in block.phases]
    block.cnots.append(gate)


def _turn(blocks: list[_Block], n: int, gates: list[Gate]) -> None:
    """Close blocks with a step of trained rotations; a qubit turned about both axes takes two blocks."""
    after: list[int] = []
    for gate in gates:
        wire = gate.wires[0]
        turned = blocks[-1].turned
        if wire in turned and turned[wire][0] != gate.name:
            _open(blocks, n, after)
            turned = blocks[-1].turned
        if wire not in turned:
            turned[wire] = (gate.name, [])
            if gate.name == "RX":
                _add_phase(blocks[-1], n, (wire,), -1, pi / 2)
                after.append(wire)
        turned[wire][1].append(gate.index)
    _open(blocks, n, after)


def _open(blocks: list[_Block], n: int, after: list[int]) -> None:
    """Begin a new block, with the phases that the RXs of the last one leave behind."""
    blocks.append(_Block())
    for wire in after:
        _add_phase(blocks[-1], n, (wire,), -1, -pi / 2)
    after.clear()


def _tables(circuit: Circuit, encoder: NDArray[np.float64], blocks: list[_Block]) -> Canonical:
    """The blocks as index tables. The last one has no rotations: its CNOTs belong to the readout."""
    n = circuit.n_qubits
    fixed: list[float] = []
    rotations: list[tuple[int, int]] = []
    phases: list[tuple[int, int, int]] = []
    turns: list[tuple[int, int, int, int]] = []
    first_turn = [0]
    for number, block in enumerate(blocks[:-1]):
        for mask, weight, angle in block.phases:
            fixed.append(angle)
            phases.append((weight, number, mask))
        for wire, (_, weights) in block.turned.items():
            rotations += [(weight, number * (n + 1) + wire) for weight in weights]
        turns += _pairs(sorted(block.turned), n, number * (n + 1))
        first_turn.append(len(turns))
    return Canonical(
        n_qubits=n,
        encoder=encoder,
        gathers=np.stack([cnot_gather(n, block.cnots).numpy() for block in blocks]).astype(np.int32),
        turns=np.array(turns, dtype=np.int32).reshape(-1, 4),
        first_turn=np.array(first_turn, dtype=np.int32),
        rotations=np.array(rotations, dtype=np.int32).reshape(-1, 2),
        phases=np.array(phases, dtype=np.int32).reshape(-1, 3),
        fixed=np.array(fixed),
    )


def _pairs(wires: list[int], n: int, slot: int) -> list[tuple[int, int, int, int]]:
    """Rotated qubits two by two, small strides first; an odd one is paired with an idle (zero) rotation."""
    slots = {wire: slot + wire for wire in wires}
    if len(wires) % 2:
        idle = next((wire for wire in range(n) if wire not in slots), None)
        if idle is None:  # every qubit is rotated: the zero rotation goes on top of another's own
            with_idle = slots | {wires[0]: slot + n}
            return [_pair(wires[-1], wires[0], n, with_idle), *_pairs(wires[:-1], n, slot)]
        slots[idle] = slot + n
    ordered = sorted(slots, reverse=True)
    return [_pair(ordered[k], ordered[k + 1], n, slots) for k in range(0, len(ordered), 2)]


def _pair(low: int, high: int, n: int, slots: dict[int, int]) -> tuple[int, int, int, int]:
    """Two qubits as strides and slots."""
    return 1 << (n - 1 - high), 1 << (n - 1 - low), slots[high], slots[low]
