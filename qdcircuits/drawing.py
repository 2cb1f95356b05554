"""The circuit drawn from its description: gate by gate by PennyLane's drawer, whole as a map of its gates."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pennylane as qml
import seaborn as sns

from qdcircuits.ansatz import Circuit, Gate, angle_encoder, fused, qdllm_circuit
from qdcircuits.export.pennylane_circuit import qnode


def draw(circuit: Circuit) -> Any:
    """A matplotlib figure of a circuit; rotations in a row on a qubit are drawn as one of the summed angle."""
    small, _ = fused(circuit)
    figure, _ = qml.draw_mpl(qnode(small), style="black_white")(np.zeros(small.n_inputs), np.zeros(small.n_weights))
    return figure


def draw_encoder(n_qubits: int) -> Any:
    """The encoder alone: RX(z_j) on every qubit, then its measurement."""
    return draw(Circuit(n_qubits, tuple(angle_encoder(n_qubits))))


def columns(gates: tuple[Gate, ...], n_qubits: int) -> list[int]:
    """The column of each gate: the first that is free on its qubits and on those between them, in the gates' order."""
    free = [0] * n_qubits
    placed = []
    for gate in gates:
        span = range(min(gate.wires), max(gate.wires) + 1)
        placed.append(max(free[wire] for wire in span))
        for wire in span:
            free[wire] = placed[-1] + 1
    return placed


def draw_map(circuit: Circuit) -> Any:
    """The whole circuit, however long: a qubit a line, a colour for each kind of gate, time to the right.

    Rotations in a row count as one; a CNOT has a filled circle on its control and a cross on its target.
    """
    small, _ = fused(circuit)
    steps = columns(small.gates, small.n_qubits)
    kinds = list(dict.fromkeys(gate.name for gate in small.gates))
    colours = dict(zip(kinds, sns.color_palette("colorblind"), strict=False))
    depth = 1 + max(steps)
    figure, axis = plt.subplots(figsize=(min(16.0, 2 + 0.16 * depth), 0.32 * small.n_qubits + 1), layout="constrained")
    points: dict[str, list[tuple[int, int]]] = {kind: [] for kind in kinds}
    for gate, step in zip(small.gates, steps, strict=True):
        points[gate.name] += [(step, wire) for wire in gate.wires]
        if len(gate.wires) == 2:
            axis.plot([step, step], gate.wires, color=colours[gate.name], linewidth=1, zorder=1)
    for kind, placed in points.items():
        marked = [("o", placed[::2]), ("x", placed[1::2])] if kind == "CNOT" else [("s", placed)]
        for marker, chosen in marked:
            label = {"o": "CNOT (dot: control)", "x": None, "s": kind}[marker]
            across, down = zip(*chosen, strict=True)
            axis.scatter(across, down, s=14, marker=marker, color=[colours[kind]], label=label)
    axis.set(xlabel="column", ylabel="qubit", yticks=range(small.n_qubits), xlim=(-1, depth))
    axis.grid(False, axis="x")
    axis.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=len(kinds), frameon=False, markerscale=2)
    return figure


def save_drawing(path: Path) -> None:
    """Write the introduction's picture, the encoder and one layer, as an SVG that is the same at every run."""
    with plt.rc_context({"svg.hashsalt": "qdllm", "backend": "agg"}):
        figure = draw(qdllm_circuit(11, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
        plt.close(figure)


if __name__ == "__main__":
    save_drawing(Path("book/figures/circuit.svg"))
