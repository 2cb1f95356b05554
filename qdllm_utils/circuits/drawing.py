"""The circuit drawn from its description, by PennyLane's drawer."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pennylane as qml

from qdllm_utils.circuits.ansatz import Circuit, fused, qdllm_circuit
from qdllm_utils.circuits.pennylane_circuit import qnode


def draw(circuit: Circuit) -> Any:
    """A matplotlib figure of a circuit; rotations in a row on a qubit are drawn as one of the summed angle."""
    small, _ = fused(circuit)
    figure, _ = qml.draw_mpl(qnode(small), style="black_white")(np.zeros(small.n_inputs), np.zeros(small.n_weights))
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
