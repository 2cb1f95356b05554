"""The tables and figures of the page that takes the circuit apart."""

import html
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from qdcircuits.anatomy import TOLERANCE, anatomy
from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.drawing_roles import draw_roles
from qdllm_utils.config import TASKS, knobs
from qdllm_utils.pages.anatomy import DRAWS, SMALL, Study
from qdllm_utils.show import origin
from qdllm_utils.show.html_table import DEMO, HTML, cell, group, line, sentences, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.students.quantum import QuantumStudents

WIDTHS = {"minilm": 384, "bert": 768}  # of the embedders, as in their configurations
CONE_DEPTHS = (1, 2, 3)
ANSATZ_NAMES = {
    "qdllm": "QD-LLM's ansatz",
    "unentangled": "the same without RZZ, CNOT",
    "hardware_efficient": "hardware-efficient",
    "strongly_entangling": "strongly entangling",
}


def answer_box(study: Study) -> HTML:
    """How many of the angles matter, in one sentence."""
    last, own = study.row.result["depths"][-1], study.row.result["untouched"]
    layers = f"{last['layers']} layer{'s' if last['layers'] > 1 else ''}"
    said = f"Of the {last['weights']:,} angles of {layers} {last['dead']} are dead, {last['independent']} independent"
    if own:
        said += f"; no trained angle reaches output {', '.join(own)} of {study.knobs.qubits}"
    return sentences([f"{said}."], demo=False)


def counts_table(study: Study) -> HTML:
    """What is left of the angles, by depth: dead ones, effective ones, independent ones, the Jacobian's rank."""
    head = ["layers", "weights", "dead", "effective", "independent", "rank", "gradients of dead", "singular values"]
    lines = []
    for row in study.row.result["depths"]:
        numbers = [f"{row[name]:,}" for name in ("weights", "dead", "effective", "independent", "rank")]
        cut = f"{row['above']:.0e} | {row['below']:.0e}"
        lines.append(line(str(row["layers"]), map(cell, [*numbers, f"≤ {row['dead_gradient']:.0e}", cut])))
    own = study.row.result["untouched"]
    names = " and ".join(f"⟨Z<sub>{output}</sub>⟩ = cos z<sub>{output}</sub>" for output in own)
    alone = f" No trained angle reaches output {', '.join(own)}: {names} (simulated: to {max(own.values()):.0e})."
    text = (
        f"{study.knobs.qubits} qubits. Dead, effective (rotations in a row summed, dead ones dropped) and independent "
        "(summed wherever commuting brings two together) are read from the circuit's description. Confirmed by "
        f"autograd in float64: the largest gradient of a dead angle over {DRAWS} random draws of all angles; the "
        "rank of the Jacobian of all outputs over random inputs, with the relative singular values on either side of "
        f"the cut at {TOLERANCE:.0e}."
    )
    return table(HTML(html.escape(text) + (alone if own else "")), head, lines)


def shares_table(study: Study) -> HTML:
    """Where a student's trained parameters are: the linear layer, the circuit, the head."""
    head = ["student", "trained", "linear layer", "circuit", "of them independent", "head"]
    lines = []
    for embedder, width in WIDTHS.items():
        lines.append(group(f"{embedder}, {width} dimensions", len(head)))
        for preset, layers in (("paper", 11), ("released", 2)):
            for classes in sorted({len(task.classes) for task in TASKS.values()}):
                student = QuantumStudents(width, classes, knobs(preset), [0])
                total = student.trainable()
                linear = student.reduce_weight.numel() + student.reduce_bias.numel()
                circuit = student.angles.numel()
                independent = len(anatomy(student.circuit()).independent)
                cells = [linear, circuit, independent, total - linear - circuit]
                shown = [f"{number:,} ({number / total:.1%})" for number in cells]
                lines.append(line(f"L = {layers}, {classes} classes", map(cell, [f"{total:,}", *shown])))
    return table("Trained parameters of one student (11 qubits), and their share of it.", head, lines)


def diagram(study: Study) -> Any:
    """The student's circuit with the role of each gate."""
    return draw_roles(study.anatomy, study.knobs.layers)


def cones(study: Study) -> Any:
    """The light cones: which inputs, and how many trained angles, each output depends on."""
    style()
    n = study.knobs.qubits
    figure, axes = plt.subplots(1, len(CONE_DEPTHS), figsize=(4.1 * len(CONE_DEPTHS), 4.4), layout="constrained")
    for axis, layers in zip(axes, CONE_DEPTHS, strict=True):
        found = anatomy(qdllm_circuit(n, layers))
        axis.pcolormesh(found.inputs, cmap="Blues", vmin=0, vmax=1.3, edgecolors="0.8", linewidth=0.8)
        axis.set(title=f"{layers} layer{'s' if layers > 1 else ''}", xlabel="depends on input z of qubit")
        axis.set_xticks(np.arange(n) + 0.5, range(n))
        axis.set_yticks(np.arange(n) + 0.5, [f"{j} ({k})" for j, k in enumerate(found.weights.sum(axis=1))])
        axis.invert_yaxis()
        axis.set_aspect("equal")
        axis.grid(False)
    axes[0].set_ylabel("output ⟨Z⟩ of qubit (trained angles in its cone)")
    return figure


def sampled(study: Study) -> Any:
    """Expressibility, entangling capability and gradient variance, over random angles."""
    style()
    result = study.row.result
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.8), layout="constrained")
    colours = sns.color_palette("colorblind")
    dimension = 2**SMALL
    for (ansatz, rows), colour, marker in zip(result["ansatze"].items(), colours, "osD^", strict=False):
        layers = [row["layers"] for row in rows]
        for axis, name in zip(axes, ("expressibility", "entangling"), strict=False):
            values = [row[name] for row in rows]
            axis.plot(layers, values, color=colour, marker=marker, label=ANSATZ_NAMES[ansatz])
    axes[0].axhline(result["floor"], color="0.3", linestyle="--", label="Haar-random states")
    axes[1].axhline((dimension - 2) / (dimension + 1), color="0.3", linestyle="--")
    axes[0].set(yscale="log", ylabel="KL from Haar (nats)", title="Expressibility (the lower, the more)")
    axes[1].set(ylim=(-0.03, 1), ylabel="mean Meyer-Wallach Q", title="Entangling capability")
    for axis in axes[:2]:
        axis.set_xlabel(f"layers ({SMALL} qubits)")
    depths = sorted({row["layers"] for row in result["plateau"]})
    for layers, colour, marker in zip(depths, sns.color_palette("viridis", len(depths)), "osD^", strict=False):
        rows = [row for row in result["plateau"] if row["layers"] == layers]
        qubits, variances = ([row[name] for row in rows] for name in ("qubits", "variance"))
        label = f"{layers} layer{'s' if layers > 1 else ''}"
        axes[2].plot(qubits, variances, color=colour, marker=marker, label=label)
    halving = [variances[-1] * 0.5 ** (n - qubits[-1]) for n in qubits]
    axes[2].plot(qubits, halving, color="0.3", linestyle="--", label="halved with each qubit")
    axes[2].set(yscale="log", xlabel="qubits (QD-LLM's ansatz)", ylabel="variance of d⟨Z⟩/d angle", title="Gradients")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False)
    axes[2].legend(fontsize="small", loc="lower left")
    if study.parameters.demo:
        watermark(figure)
    return figure


def sampled_note(study: Study) -> HTML:
    """What the sampled figure was drawn from, the student's own values, and whether this is a demo."""
    own, knobs_ = study.row.result["own"], study.knobs
    dimension = 2**knobs_.qubits
    text = (
        f"{study.row.identity['samples']:,} pairs of random states for each point on the left (dashed: what so many "
        f"Haar-random pairs score), a fifth as many states in the middle; {own['draws']:,} draws for each point on "
        f"the right. The preset's own circuit, "
        f"{knobs_.qubits} qubits and {knobs_.layers} layers: KL from Haar {own['expressibility']:.3f} nats over bins "
        f"of equal Haar probability ({own['draws']:,} pairs; so many Haar-random pairs score {own['floor']:.3f}), mean "
        f"Q {own['entangling']:.3f} (Haar {(dimension - 2) / (dimension + 1):.3f})."
    )
    return HTML(f"<p>{html.escape(text)}{DEMO if study.parameters.scale == 'demo' else ''}</p>")


def provenance_strip(study: Study) -> HTML:
    """Where the row comes from."""
    return origin.of_rows([study.row], study.store, study.parameters.scale)
