"""Figure 1: the pipeline, drawn from the knobs and the circuit that are trained."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.patches import FancyBboxPatch

from qdcircuits.ansatz import Circuit, layer_weights, qdllm_circuit
from qdllm_utils.config import Knobs
from qdllm_utils.show import plots
from qdllm_utils.show.html_table import HTML, sentences

WIDTH, HEIGHT = 2.1, 1.05
SCALING_WORDS = {"minmax": "rows to 0…10 rad", "tanh": "π/2 (1 + tanh z)"}

Point = tuple[float, float]


def boxes(knobs: Knobs, dimension: int, classes: int) -> dict[str, tuple[Point, str, str]]:
    """{name: (centre, words, kind)} of every box; kind: text, frozen, trained, circuit or loss."""
    circuit = qdllm_circuit(knobs.qubits, knobs.layers)
    soft = knobs.soft.upper().replace("+", " + ")
    share = f"{1 - knobs.alpha:g} CE + {knobs.alpha:g} ({soft})"
    return {
        "text": ((0, 1.2), "text and\nits label", "text"),
        "llm": ((3, 2.6), "LLM, LoRA\nmerged in", "frozen"),
        "teacher": ((6, 2.6), f"softmax over\n{classes} classes", "frozen"),
        "embedder": ((3, 0), f"embedder\nE in R^{dimension}", "frozen"),
        "reduce": ((6, 0), f"Linear {dimension} → {circuit.n_inputs}\n{SCALING_WORDS[knobs.scaling]}", "trained"),
        "encoder": ((9, 0), f"encoder: RX(z_j)\non {circuit.n_qubits} qubits", "circuit"),
        "ansatz": ((12, 0), f"ansatz: {knobs.layers} layers\nof {layer_weights(knobs.qubits)} angles", "trained"),
        "measure": ((15, 0), f"<Z_j> of all\n{circuit.n_qubits} qubits", "circuit"),
        "head": ((15, 2.6), f"Linear {circuit.n_qubits} → {classes}\nsoftmax", "trained"),
        "loss": ((10.5, 2.6), f"loss (labels in CE), T = {knobs.temperature:g}\n{share}", "loss"),
    }


ARROWS = (
    ("text", "llm"),
    ("text", "embedder"),
    ("llm", "teacher"),
    ("teacher", "loss"),
    ("embedder", "reduce"),
    ("reduce", "encoder"),
    ("encoder", "ansatz"),
    ("ansatz", "measure"),
    ("measure", "head"),
    ("head", "loss"),
)
KINDS = {
    "text": "text and labels",
    "frozen": "frozen",
    "trained": "trained",
    "circuit": "fixed part of the circuit",
    "loss": "loss (training only)",
}


def draw(knobs: Knobs, dimension: int = 768, classes: int = 2) -> Any:
    """The pipeline as a matplotlib figure. dimension: of the embedding; classes: of the task."""
    plots.style()
    palette = dict(zip(KINDS, sns.color_palette("colorblind", len(KINDS)), strict=True))
    placed = boxes(knobs, dimension, classes)
    figure, axis = plt.subplots(figsize=(12.5, 4), layout="constrained")
    for name, (centre, words, kind) in placed.items():
        half = half_size(name)
        corner = (centre[0] - half[0], centre[1] - half[1])
        colour = palette[kind]
        axis.add_patch(
            FancyBboxPatch(
                corner,
                2 * half[0],
                2 * half[1],
                boxstyle="round,pad=0.02,rounding_size=0.12",
                facecolor=(*colour, 0.22),
                edgecolor=colour,
                linewidth=2,
                linestyle="--" if kind == "frozen" else "-",
            )
        )
        axis.text(*centre, words, ha="center", va="center", fontsize=10.5)
    for start, end in ARROWS:
        arrow = {"arrowstyle": "-|>", "color": "0.25", "linewidth": 1.4}
        axis.annotate("", edge(placed, end, start), edge(placed, start, end), arrowprops=arrow)
    axis.text(4.5, 3.5, "teacher: only its class probabilities go on", ha="center", fontsize=10, color="0.3")
    axis.text(9, -1.05, "student", ha="center", fontsize=10, color="0.3")
    handles = [
        plt.Line2D([], [], color=palette[kind], linewidth=6, alpha=0.6, label=words) for kind, words in KINDS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(KINDS), frameon=False)
    axis.set(xlim=(-1.4, 16.6), ylim=(-1.3, 3.8), aspect="equal")
    axis.axis("off")
    return figure


def answer_box(knobs: Knobs, dimension: int, classes: int) -> HTML:
    """What is trained, in one sentence."""
    circuit = qdllm_circuit(knobs.qubits, knobs.layers)
    first, last = (dimension + 1) * circuit.n_inputs, (circuit.n_qubits + 1) * classes
    said = (
        f"The student trains {first + circuit.n_weights + last:,} numbers: {first:,} in its first linear layer, "
        f"{circuit.n_weights:,} angles, {last:,} in its last; teacher and embedder are frozen."
    )
    return sentences([said], demo=False)


def circuit_sentence(circuit: Circuit) -> HTML:
    """How large a circuit is, in one sentence."""
    two = sum(len(gate.wires) == 2 for gate in circuit.gates)
    said = (
        f"The circuit has {circuit.n_qubits} qubits, {circuit.n_weights:,} trained angles and {len(circuit.gates):,} "
        f"gates, {two:,} of them on two qubits."
    )
    return sentences([said], demo=False)


def half_size(name: str) -> Point:
    """Half the width and height of a box; the loss holds a formula."""
    return (1.95 if name == "loss" else WIDTH / 2 + 0.1, HEIGHT / 2)


def edge(placed: dict[str, tuple[Point, str, str]], name: str, towards: str) -> Point:
    """Where the line from the middle of a box towards another one's leaves it."""
    (x, y), (other_x, other_y) = placed[name][0], placed[towards][0]
    half_width, half_height = half_size(name)
    dx, dy = other_x - x, other_y - y
    reach = min(half_width / abs(dx) if dx else float("inf"), half_height / abs(dy) if dy else float("inf"))
    return x + reach * dx, y + reach * dy
