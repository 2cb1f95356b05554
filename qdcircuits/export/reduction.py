"""Gates that cannot matter, found in the circuit's description, and CNOTs that can be done after the measurement.

Both follow the measured Z_j backwards through the circuit. What they touch on a wire is nothing, I or Z only
(diagonal), or anything. A gate is dead where it commutes with all of that.
"""

from collections.abc import Iterable

from qdcircuits.ansatz import Circuit, Gate

NOTHING, DIAGONAL, ANYTHING = range(3)


def without_dead_gates(circuit: Circuit, measured: Iterable[int] | None = None) -> Circuit:
    """The circuit without gates that leave every <Z_j> of the `measured` qubits (default: all) as it is.

    Dead are gates outside all light cones, and diagonal gates that meet only diagonal operators: for QD-LLM the last
    layer's RZ and every RZ on the last qubit. Angles keep their numbers, so the same weights fit.
    """
    wires = range(circuit.n_qubits)
    reach = [NOTHING] * circuit.n_qubits
    for wire in wires if measured is None else measured:
        reach[wire] = DIAGONAL
    kept: list[Gate] = []
    for gate in reversed(circuit.gates):
        after = spread(gate, reach)
        if after is not None:
            kept.append(gate)
            reach = after
    return Circuit(circuit.n_qubits, tuple(reversed(kept)))


def spread(gate: Gate, reach: list[int]) -> list[int] | None:
    """What the operators touch before `gate`, given what they touch after it; None where the gate is dead."""
    after = list(reach)
    if gate.name == "CNOT":
        control, target = gate.wires
        if reach[control] != ANYTHING and reach[target] == NOTHING:
            return None
        # Z of the target becomes Z Z, X of the control becomes X X
        after[control] = max(reach[control], DIAGONAL)
        after[target] = ANYTHING if reach[control] == ANYTHING else reach[target]
    elif gate.name in ("RZ", "RZZ"):
        if all(reach[wire] != ANYTHING for wire in gate.wires):
            return None
        for wire in gate.wires:
            after[wire] = max(reach[wire], DIAGONAL)
    else:
        if reach[gate.wires[0]] == NOTHING:
            return None
        after[gate.wires[0]] = ANYTHING
    return after


def without_final_cnots(circuit: Circuit) -> tuple[Circuit, tuple[tuple[int, ...], ...]]:
    """The circuit without the CNOTs at its end, and for each Z_j the bits whose parity stands for it afterwards.

    CNOTs before a measurement only relabel the bits: Z_j is the product of the Z of `parities[j]`, exactly. With
    readout errors a product of many bits is worse than one bit, so this is a trade and not always a gain.
    """
    kept: list[Gate] = []
    cut: list[Gate] = []
    blocked: set[int] = set()
    for gate in reversed(circuit.gates):
        if gate.name == "CNOT" and not blocked & set(gate.wires):
            cut.append(gate)
        else:
            kept.append(gate)
            blocked |= set(gate.wires)
    parities = []
    for qubit in range(circuit.n_qubits):
        bits = {qubit}
        for gate in cut:  # the last in time first
            if gate.wires[1] in bits:
                bits ^= {gate.wires[0]}
        parities.append(tuple(sorted(bits)))
    return Circuit(circuit.n_qubits, tuple(reversed(kept))), tuple(parities)


def two_qubit_gates(circuit: Circuit) -> int:
    """Two-qubit gates of a chip: one for a CNOT, two for an RZZ."""
    return sum({"CNOT": 1, "RZZ": 2}.get(gate.name, 0) for gate in circuit.gates)
