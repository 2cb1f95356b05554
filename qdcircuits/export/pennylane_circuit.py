"""The circuit read by PennyLane: the independent reference for every test, and the way to other devices."""

from typing import Any

import pennylane as qml

from qdcircuits.ansatz import Circuit
from qdcircuits.export import devices

OPERATIONS = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ, "RZZ": qml.IsingZZ, "CNOT": qml.CNOT}


def apply(circuit: Circuit, inputs: Any, weights: Any) -> None:
    """Queue the gates of the circuit in a PennyLane function.

    inputs: (n_inputs,) or, for PennyLane's own broadcasting, (n_inputs, B); weights: (n_weights,); radians.
    """
    for gate in circuit.gates:
        operation = OPERATIONS[gate.name]
        if gate.source == "none":
            operation(wires=gate.wires)
        else:
            operation((inputs if gate.source == "input" else weights)[gate.index], wires=gate.wires)


def qnode(circuit: Circuit, device: str = "default.qubit", **options: Any) -> qml.QNode:
    """A QNode f(inputs, weights) -> list of n <Z_j>, on a PennyLane device by name, or `auto` (see devices.py).

    options go to the QNode.
    """

    def function(inputs: Any, weights: Any) -> list[Any]:
        apply(circuit, inputs, weights)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(circuit.n_qubits)]

    return qml.QNode(function, devices.device(circuit.n_qubits, device), **options)
