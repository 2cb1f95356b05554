"""The circuit as data: a list of gates that the simulator, PennyLane and the drawing all read.

Nothing else in the project repeats a gate list. A circuit knows which angles come from the text (the
encoder's inputs) and which are trained (the weights); it does not know how it is simulated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Literal

ROTATIONS = {"RX": "X", "RY": "Y", "RZ": "Z", "RZZ": "ZZ"}
WIRES = {"RX": 1, "RY": 1, "RZ": 1, "RZZ": 2, "CNOT": 2}
MAX_QUBITS = 20

Source = Literal["input", "weight", "none"]


@dataclass(frozen=True)
class Gate:
    """One gate. Rotations are exp(-i angle/2 P) with P the Pauli word of the name (RZZ: Z on both wires).

    wires: the qubits, control first for CNOT. source: where the angle comes from; index: which one.
    """

    name: str
    wires: tuple[int, ...]
    source: Source = "none"
    index: int = -1


@dataclass(frozen=True)
class Circuit:
    """Gates in time order on `n_qubits` qubits, all starting in |0>; <Z_j> of every qubit is read out.

    n_inputs and n_weights: how many encoder angles and trained angles it takes, in radians.
    """

    n_qubits: int
    gates: tuple[Gate, ...]

    def __post_init__(self) -> None:
        """Refuse a gate that no reader could draw or simulate."""
        if not 2 <= self.n_qubits <= MAX_QUBITS:
            raise ValueError(f"{self.n_qubits} qubits: a circuit takes 2 to {MAX_QUBITS} qubits.")
        for gate in self.gates:
            if gate.name not in WIRES:
                raise ValueError(f"Unknown gate {gate.name!r}: choose one of {', '.join(WIRES)}.")
            if len(set(gate.wires)) != WIRES[gate.name] or len(gate.wires) != WIRES[gate.name]:
                needed = WIRES[gate.name]
                raise ValueError(f"{gate.name} acts on {needed} different qubits, not {gate.wires}.")
            if not all(0 <= wire < self.n_qubits for wire in gate.wires):
                raise ValueError(f"{gate.name} on {gate.wires}: qubits are 0 to {self.n_qubits - 1}.")
            if (gate.source == "none") == (gate.name in ROTATIONS):
                raise ValueError(f"{gate.name} takes {'an' if gate.name in ROTATIONS else 'no'} angle.")

    @cached_property
    def n_inputs(self) -> int:
        """The number of encoder angles."""
        return 1 + max((gate.index for gate in self.gates if gate.source == "input"), default=-1)

    @cached_property
    def n_weights(self) -> int:
        """The number of trained angles."""
        return 1 + max((gate.index for gate in self.gates if gate.source == "weight"), default=-1)


def angle_encoder(n_qubits: int, rotation: str = "RX") -> Iterator[Gate]:
    """A rotation by z_j on qubit j; RX in the paper (eqs. 5 and 6), RY gives real amplitudes."""
    for wire in range(n_qubits):
        yield Gate(rotation, (wire,), "input", wire)


def qdllm_layer(n_qubits: int, first_weight: int = 0) -> Iterator[Gate]:
    """One layer of the ansatz, in the released order (paper, eqs. 7 to 12).

    For n = 11: three RY on qubits 0 to 9, RZZ on the pairs (j+1, j+2), three RZ on every qubit, then
    CNOT(10 -> 0) and CNOT(k -> k+1), CNOT(k -> k-1) for k = 1 to 8. For another n the same pattern.
    The paper draws the three rotations as one of the summed angle; the released code has three
    parameters, and only that gives the printed 9,275: so three it is.
    """
    weight = first_weight
    for wire in range(n_qubits - 1):
        for _ in range(3):
            yield Gate("RY", (wire,), "weight", weight)
            weight += 1
        if wire != n_qubits - 2:
            yield Gate("RZZ", (wire + 1, wire + 2), "weight", weight)
            weight += 1
    for wire in range(n_qubits):
        for _ in range(3):
            yield Gate("RZ", (wire,), "weight", weight)
            weight += 1
    yield Gate("CNOT", (n_qubits - 1, 0))
    for wire in range(1, n_qubits - 2):
        yield Gate("CNOT", (wire, wire + 1))
        yield Gate("CNOT", (wire, wire - 1))


def layer_weights(n_qubits: int) -> int:
    """Trained angles of one layer: 3(n-1) RY + (n-2) RZZ + 3n RZ; 72 for n = 11."""
    return 3 * (n_qubits - 1) + (n_qubits - 2) + 3 * n_qubits


def qdllm_circuit(n_qubits: int = 11, layers: int = 11) -> Circuit:
    """The student's circuit: the RX encoder and `layers` layers of the ansatz (paper, eq. 13)."""
    return layered_circuit("qdllm", n_qubits, layers)


def unentangled_layer(n_qubits: int, first_weight: int = 0) -> Iterator[Gate]:
    """The qdllm layer without its RZZ and CNOT: a control, whose <Z_j> depends on qubit j alone."""
    weight = count(first_weight)
    for gate in qdllm_layer(n_qubits):
        if len(gate.wires) == 1:
            yield replace(gate, index=next(weight))


def hardware_efficient_layer(n_qubits: int, first_weight: int = 0) -> Iterator[Gate]:
    """RX, RY, RZ on every qubit, then a ring of CNOT(j -> j+1); 3n weights (cf. Kandala et al. 2017)."""
    weight = count(first_weight)
    for wire in range(n_qubits):
        for rotation in ("RX", "RY", "RZ"):
            yield Gate(rotation, (wire,), "weight", next(weight))
    for wire in range(n_qubits):
        yield Gate("CNOT", (wire, (wire + 1) % n_qubits))


def strongly_entangling_layer(n_qubits: int, first_weight: int = 0) -> Iterator[Gate]:
    """RZ, RY, RZ on every qubit, then CNOT(j -> j+r) (Schuld et al. 2020); 3n weights.

    The range r is 1, 2, ..., n-1 and again, from layer to layer, as in PennyLane's StronglyEntanglingLayers,
    whose weights (layers, n, 3), flattened, are these.
    """
    weight = count(first_weight)
    reach = first_weight // (3 * n_qubits) % (n_qubits - 1) + 1
    for wire in range(n_qubits):
        for rotation in ("RZ", "RY", "RZ"):
            yield Gate(rotation, (wire,), "weight", next(weight))
    for wire in range(n_qubits):
        yield Gate("CNOT", (wire, (wire + reach) % n_qubits))


ANSATZE: dict[str, Callable[[int, int], Iterator[Gate]]] = {
    "qdllm": qdllm_layer,
    "unentangled": unentangled_layer,
    "hardware_efficient": hardware_efficient_layer,
    "strongly_entangling": strongly_entangling_layer,
}


def layered_circuit(ansatz: str, n_qubits: int, layers: int, encoder: str = "RX", reuploading: bool = False) -> Circuit:
    """An encoder and `layers` layers of one of ANSATZE.

    encoder: the rotation that takes the inputs, RX or RY. reuploading: encode the same inputs again
    before every layer, not before the first only (Perez-Salinas et al. 2020).
    Raises ValueError for an unknown ansatz or encoder, or fewer than one layer.
    """
    if ansatz not in ANSATZE:
        raise ValueError(f"Unknown ansatz {ansatz!r}: choose one of {', '.join(ANSATZE)}.")
    if encoder not in ("RX", "RY"):
        raise ValueError(f"Unknown encoder {encoder!r}: choose RX or RY.")
    if layers < 1:
        raise ValueError(f"{layers} layers: the circuit takes 1 layer or more.")
    gates: list[Gate] = []
    weights = 0
    for layer in range(layers):
        if layer == 0 or reuploading:
            gates += angle_encoder(n_qubits, encoder)
        added = list(ANSATZE[ansatz](n_qubits, weights))
        weights += sum(gate.source == "weight" for gate in added)
        gates += added
    return Circuit(n_qubits, tuple(gates))


def fused(circuit: Circuit) -> tuple[Circuit, list[list[int]]]:
    """The same circuit with rotations in a row on the same qubits drawn as one (paper, eqs. 8 and 11).

    Returns the smaller circuit and, for each of its weights, the weights of `circuit` whose sum it is.
    """
    gates: list[Gate] = []
    sums: list[list[int]] = []
    for gate in circuit.gates:
        if gate.source != "weight":
            gates.append(gate)
            continue
        last = gates[-1] if gates else None
        if last and last.source == "weight" and (last.name, last.wires) == (gate.name, gate.wires):
            sums[-1].append(gate.index)
        else:
            gates.append(replace(gate, index=len(sums)))
            sums.append([gate.index])
    return Circuit(circuit.n_qubits, tuple(gates)), sums
