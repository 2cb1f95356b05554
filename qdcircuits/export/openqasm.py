"""The circuit as OpenQASM 2 and 3 text, for other simulators and for hardware.

Rotations in a row on a qubit are written as one of the summed angle. Angles are fixed-point numbers: some parsers
(pyquafu's) refuse an exponent. <Z_j> of the parsed text agrees with ours to 1e-9.
"""

import math
from collections.abc import Sequence

import numpy as np

from qdcircuits.ansatz import Circuit, Gate, fused
from qdcircuits.errors import InputError, choose

Angles = Sequence[float] | np.ndarray

DIGITS = 15  # after the point; rad
RZZ = ("keep", "decompose")
NATIVE = {"RX": "rx", "RY": "ry", "RZ": "rz", "RZZ": "rzz", "CNOT": "cx"}
DEFINITION = "gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }"


def fixed_point(angle: float) -> str:
    """An angle in rad with DIGITS digits after the point, never with an exponent or as -0."""
    if not math.isfinite(angle):
        raise InputError(
            f"An angle of the circuit is {angle}: only a student whose training converged can be exported."
        )
    text = f"{float(angle):.{DIGITS}f}".rstrip("0")
    text += "0" if text.endswith(".") else ""
    return "0.0" if text == "-0.0" else text


def summed(circuit: Circuit, weights: Angles) -> tuple[Circuit, list[float]]:
    """The circuit with rotations in a row drawn as one, and the angles of those, in rad."""
    if len(weights) != circuit.n_weights:
        raise InputError(f"The circuit takes {circuit.n_weights} trained angles, not {len(weights)}.")
    small, groups = fused(circuit)
    return small, [math.fsum(float(weights[k]) for k in group) for group in groups]


def openqasm2(circuit: Circuit, weights: Angles, inputs: Angles, rzz: str = "decompose") -> str:
    """OpenQASM 2 with every qubit measured, qubit j into bit j.

    weights (n_weights,), inputs (n_inputs,): rad; OpenQASM 2 has no named parameters outside a gate's definition.
    rzz: 'decompose' writes cx, rz, cx, which every parser reads; 'keep' writes rzz(angle), which pyquafu and other
    parsers with a later qelib1.inc know. Raises InputError for angles that are missing or not finite.
    """
    small, angles = summed(circuit, weights)
    check_inputs(circuit, inputs)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{small.n_qubits}];", f"creg c[{small.n_qubits}];"]
    choose(rzz, RZZ, "rzz")
    values = {"input": inputs, "weight": angles}
    for gate in small.gates:
        angle = "" if gate.source == "none" else fixed_point(values[gate.source][gate.index])
        lines += statements(gate, angle, rzz)
    lines += [f"measure q[{qubit}] -> c[{qubit}];" for qubit in range(small.n_qubits)]
    return "\n".join(lines) + "\n"


def openqasm3(circuit: Circuit, weights: Angles, inputs: Angles | None = None, rzz: str = "decompose") -> str:
    """OpenQASM 3 with every qubit measured, qubit j into bit j; without `inputs` the encoder's angles stay free.

    They are then `input float z0;`, `input float z1;` ... in rad. rzz: as in openqasm2; stdgates.inc has none, so
    'keep' defines it first.
    """
    small, angles = summed(circuit, weights)
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    if choose(rzz, RZZ, "rzz") == "keep":
        lines.append(DEFINITION)
    if inputs is None:
        lines += [f"input float z{index};" for index in range(small.n_inputs)]
    else:
        check_inputs(circuit, inputs)
    lines += [f"qubit[{small.n_qubits}] q;", f"bit[{small.n_qubits}] c;"]
    for gate in small.gates:
        if gate.source == "input":
            angle = f"z{gate.index}" if inputs is None else fixed_point(inputs[gate.index])
        else:
            angle = fixed_point(angles[gate.index]) if gate.source == "weight" else ""
        lines += statements(gate, angle, rzz)
    lines += [f"c[{qubit}] = measure q[{qubit}];" for qubit in range(small.n_qubits)]
    return "\n".join(lines) + "\n"


def check_inputs(circuit: Circuit, inputs: Angles) -> None:
    """As many encoder angles as the circuit takes."""
    if len(inputs) != circuit.n_inputs:
        raise InputError(f"The circuit takes {circuit.n_inputs} encoder angles, not {len(inputs)}.")


def statements(gate: Gate, angle: str, rzz: str) -> list[str]:
    """The lines of one gate."""
    wires = [f"q[{wire}]" for wire in gate.wires]
    if gate.name == "RZZ" and rzz == "decompose":
        return [f"cx {wires[0]},{wires[1]};", f"rz({angle}) {wires[1]};", f"cx {wires[0]},{wires[1]};"]
    return [f"{NATIVE[gate.name]}{f'({angle})' if angle else ''} {','.join(wires)};"]
