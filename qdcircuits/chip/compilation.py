"""A trained circuit made ready for a chip: dead gates removed, put on a line of good qubits, routed, in native gates.

Routing and decomposition are Qiskit's. Native here: CZ, RY and RZ, with RX for the encoder; RZ is a change of frame
that takes no time and makes no error, as on superconducting chips.
"""

from dataclasses import dataclass
from typing import Any

from qdcircuits.ansatz import Circuit, Gate
from qdcircuits.chip.calibration import Calibration, best_line
from qdcircuits.export.openqasm import Angles, fixed_point, summed
from qdcircuits.export.reduction import two_qubit_gates, without_dead_gates, without_final_cnots

BASIS = ["cz", "u"]  # u(theta, phi, lambda) is RZ(lambda), RY(theta), RZ(phi) in time order
ROUTING_SEEDS = 8  # Qiskit's routing is a heuristic with random choices: the best of so many fixed seeds is taken


@dataclass(frozen=True)
class Native:
    """One native gate on positions of the line. angle: rad, None for CZ and for an encoder gate, which has `index`."""

    name: str
    wires: tuple[int, ...]
    angle: float | None = None
    index: int = -1


@dataclass(frozen=True)
class Compiled:
    """A circuit on a line of a chip.

    line: the chip's number of each position. gates: the encoder's first. bits: the position that bit j of the result
    is read from; parities: the bits whose parity is output j.
    stages: (what, two-qubit gates, depth) on the way here; a depth counts native gates, RZ and measurement free.
    """

    line: tuple[int, ...]
    gates: tuple[Native, ...]
    bits: tuple[int, ...]
    parities: tuple[tuple[int, ...], ...]
    stages: tuple[tuple[str, int, int], ...]

    @property
    def two_qubit(self) -> int:
        """How many CZ there are."""
        return sum(gate.name == "CZ" for gate in self.gates)

    def openqasm2(self, inputs: Angles, fold: int = 1, own_numbers: bool = False) -> str:
        """OpenQASM 2, bit j measured where it ends; inputs (n_inputs,) in rad.

        fold: an odd number of times that each CZ is done, for zero-noise extrapolation. own_numbers: qubits counted
        along the line from 0, for a service that is told the chip's numbers beside it; else the chip's own numbers.
        """
        numbers = tuple(range(len(self.line))) if own_numbers else self.line
        lines = [
            "OPENQASM 2.0;",
            'include "qelib1.inc";',
            f"qreg q[{max(numbers) + 1}];",
            f"creg c[{len(self.bits)}];",
        ]
        for gate in self.gates:
            angle = inputs[gate.index] if gate.index >= 0 else gate.angle
            wires = ",".join(f"q[{numbers[wire]}]" for wire in gate.wires)
            text = f"{gate.name.lower()}{'' if angle is None else f'({fixed_point(angle)})'} {wires};"
            lines += [text] * (fold if gate.name == "CZ" else 1)
        lines += [f"measure q[{numbers[position]}] -> c[{bit}];" for bit, position in enumerate(self.bits)]
        return "\n".join(lines) + "\n"


def compile_for(circuit: Circuit, weights: Angles, calibration: Calibration, cut_final_cnots: bool = True) -> Compiled:
    """Compile a trained circuit whose inputs come in one encoder at its start; the same every time.

    weights: (n_weights,) in rad. cut_final_cnots: leave the CNOTs before the measurement to the reading of the bits
    (see reduction.py). Raises ValueError for a circuit that encodes its inputs more than once.
    """
    from qiskit import transpile
    from qiskit.transpiler import CouplingMap

    n_qubits = circuit.n_qubits
    live = without_dead_gates(circuit)
    parities: tuple[tuple[int, ...], ...] = tuple((qubit,) for qubit in range(n_qubits))
    steps = [("as described", circuit), ("without dead gates", live)]
    if cut_final_cnots:
        live, parities = without_final_cnots(live)
        steps.append(("final CNOTs left to the readout", live))
    stages = [(what, two_qubit_gates(step), 1 + native(step, weights).depth()) for what, step in steps]
    description = qiskit_circuit(live, weights)
    description.measure(range(n_qubits), range(n_qubits))
    coupling = CouplingMap.from_line(n_qubits)
    candidates = [
        transpile(description, coupling_map=coupling, basis_gates=BASIS, optimization_level=3, seed_transpiler=seed)
        for seed in range(ROUTING_SEEDS)
    ]
    routed = min(candidates, key=lambda found: (found.num_nonlocal_gates(), found.depth()))
    start = routed.layout.initial_index_layout(filter_ancillas=True)
    gates = [Native(gate.name, (start[gate.wires[0]],), index=gate.index) for gate in split_encoder(live)[0]]
    bits = [-1] * n_qubits
    for instruction in routed.data:
        wires = tuple(routed.find_bit(qubit).index for qubit in instruction.qubits)
        if instruction.operation.name == "measure":
            bits[routed.find_bit(instruction.clbits[0]).index] = wires[0]
        elif instruction.operation.name == "cz":
            gates.append(Native("CZ", wires))
        else:
            theta, phi, lam = map(float, instruction.operation.params)
            turns = [Native("RZ", wires, lam), Native("RY", wires, theta), Native("RZ", wires, phi)]
            gates += [turn for turn in turns if turn.angle]
    routed.remove_final_measurements()
    stages.append((f"routed on a line of {n_qubits} qubits", routed.num_nonlocal_gates(), 1 + routed.depth()))
    return Compiled(best_line(calibration, n_qubits), tuple(gates), tuple(bits), parities, tuple(stages))


def split_encoder(circuit: Circuit) -> tuple[list[Gate], Circuit]:
    """The encoder's gates and the rest of the circuit."""
    encoder = [gate for gate in circuit.gates if gate.source == "input"]
    if len({gate.wires for gate in encoder}) != len(encoder) or list(circuit.gates[: len(encoder)]) != encoder:
        raise ValueError("Only a circuit with one encoder, at its start, can be compiled.")
    return encoder, Circuit(circuit.n_qubits, circuit.gates[len(encoder) :])


def qiskit_circuit(circuit: Circuit, weights: Angles) -> Any:
    """The trained gates of a circuit, without its encoder, as Qiskit's QuantumCircuit with n_qubits classical bits.

    A reduced circuit may have no use for the last of the weights.
    """
    from qiskit import QuantumCircuit

    _, ansatz = split_encoder(circuit)
    small, angles = summed(ansatz, list(weights)[: ansatz.n_weights])
    built = QuantumCircuit(circuit.n_qubits, circuit.n_qubits)
    for gate in small.gates:
        if gate.source == "none":
            built.cx(*gate.wires)
        else:
            getattr(built, gate.name.lower())(angles[gate.index], *gate.wires)
    return built


def native(circuit: Circuit, weights: Angles) -> Any:
    """The trained gates in native gates, every pair of qubits coupled and nothing optimised across gates."""
    from qiskit import transpile

    return transpile(qiskit_circuit(circuit, weights), basis_gates=BASIS, optimization_level=1)
