"""What each gate does, on the circuit diagram: live, merged and dead gates, a panel for each kind of layer."""

from itertools import groupby
from typing import Any

from matplotlib.patches import Patch
from pennylane.drawer import MPLDrawer

from qdcircuits.anatomy import Anatomy
from qdcircuits.ansatz import Gate

NAMES = {"RX": "RX", "RY": "RY", "RZ": "RZ", "RZZ": "ZZ"}
# colour-blind safe, and told apart by hatching and outline where there is no colour
BOXES: dict[str, dict[str, Any]] = {
    "input": {"facecolor": "white", "edgecolor": "black", "linewidth": 1.2},
    "live": {"facecolor": "#0173b2", "edgecolor": "#0173b2", "linewidth": 1.2},
    "merged": {"facecolor": "#fbd9a5", "edgecolor": "#a85a00", "linewidth": 1.2, "hatch": "////"},
    "dead": {"facecolor": "white", "edgecolor": "#8a8a8a", "linewidth": 1.2, "linestyle": ":"},
}
TEXTS = {"input": "black", "live": "white", "merged": "black", "dead": "#6f6f6f"}
MEANINGS = {
    "input": "angle from the text",
    "live": "live: an angle of its own",
    "merged": "merged: adds to the angle of an earlier gate",
    "dead": "dead: gradient identically zero",
}


def draw_roles(anatomy: Anatomy, layers: int) -> Any:
    """A matplotlib figure of a circuit of equal layers; runs of layers whose gates play the same roles are one panel.

    Unlike `drawing.draw` it shows every trained rotation, since the question is what each of them does.
    """
    circuit = anatomy.circuit
    n = circuit.n_qubits
    titles, bodies = zip(*_panels(anatomy, layers), strict=True)
    panels = [placed(gates) for gates in bodies]
    width = max(column for panel in panels for column, _ in panel) + 1
    wires = {(panel, wire): panel * (n + 2) + wire for panel in range(len(panels)) for wire in range(n)}
    height = len(panels) * (n + 2)
    drawer = MPLDrawer(
        width,
        wires,
        figsize=(0.42 * (width + 3), 0.42 * (height + 0.7)),
        wire_options={"linewidth": 0.8, "color": "0.45"},
    )
    axis = drawer.ax
    axis.set_ylim(height - 1.5, -2.2)
    for panel, title in enumerate(titles):
        top = panel * (n + 2)
        axis.text(-1.5, top - 1, title, ha="left", va="center", fontsize=12)
        for wire in range(n):
            axis.text(-1.2, top + wire, str(wire), ha="right", va="center", fontsize=9)
        for column, gate in panels[panel]:
            _draw(drawer, column, tuple(top + wire for wire in gate.wires), gate, _role(anatomy, gate))
    handles = [Patch(**BOXES[role], label=meaning) for role, meaning in MEANINGS.items()]
    axis.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=10)
    return drawer.fig


def _role(anatomy: Anatomy, gate: Gate) -> str:
    return anatomy.roles[gate.index] if gate.source == "weight" else gate.source


def _panels(anatomy: Anatomy, layers: int) -> list[tuple[str, list[Gate]]]:
    """Titles and gates, one for each run of layers with equal roles; the encoder stands before the first."""
    size = anatomy.circuit.n_weights // layers
    encoder = [gate for gate in anatomy.circuit.gates if gate.source == "input"]
    bodies: list[list[Gate]] = [[] for _ in range(layers)]
    layer = 0
    for gate in anatomy.circuit.gates:
        if gate.source == "weight":
            layer = gate.index // size
        if gate.source != "input":
            bodies[layer].append(gate)
    panels = []
    for _, group in groupby(range(layers), key=lambda number: [_role(anatomy, gate) for gate in bodies[number]]):
        run = list(group)
        title = f"layer {run[0] + 1}" if len(run) == 1 else f"layers {run[0] + 1} to {run[-1] + 1}, all alike"
        panels.append((title, (encoder if run[0] == 0 else []) + bodies[run[0]]))
    return panels


def placed(gates: list[Gate]) -> list[tuple[int, Gate]]:
    """Each gate with the first column where no gate before it is in the way, those that its line crosses included."""
    free: dict[int, int] = {}
    found = []
    for gate in gates:
        span = range(min(gate.wires), max(gate.wires) + 1)
        column = max(free.get(wire, 0) for wire in span)
        free.update(dict.fromkeys(span, column + 1))
        found.append((column, gate))
    return found


def _draw(drawer: MPLDrawer, column: int, wires: tuple[int, ...], gate: Gate, role: str) -> None:
    if gate.name == "CNOT":
        drawer.CNOT(column, wires, options={"color": "black", "linewidth": 0.9})
        return
    text = {"color": TEXTS[role], "fontsize": 8, "ha": "center", "va": "center"}
    drawer.box_gate(column, wires, NAMES[gate.name], box_options=BOXES[role], text_options=text, autosize=False)
