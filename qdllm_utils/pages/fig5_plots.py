"""Figure 5's figures."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from qdllm_utils.pages.fig5 import ERROR_CURVE, SHOT_CURVE
from qdllm_utils.pages.fig5_paired import CONDITIONS
from qdllm_utils.pages.fig5_views import Figure5, printed
from qdllm_utils.show import paper
from qdllm_utils.show.plots import style, watermark


def condition_figure(figure: Figure5) -> Any:
    """Test texts whose class differs from the exact circuit's, by condition, a panel for each study."""
    style()
    count = len(figure.rows)
    columns = min(count, 3)
    shape = (-(-count // columns), columns)
    panels, axes = plt.subplots(
        *shape, figsize=(max(6.4, 3.8 * columns), 4.2 * shape[0]), sharey=True, squeeze=False, layout="constrained"
    )
    names = CONDITIONS[1:]
    for axis, study, row in zip(axes.flat, figure.studies, figure.rows, strict=False):
        texts, bottom = row.result["test_texts"], np.zeros(len(names))
        other = {name: row.result["flips"][name] for name in names}
        parts = {
            "right before, wrong now": [other[name]["lost"] for name in names],
            "wrong before, right now": [other[name]["won"] for name in names],
            "wrong before and now": [other[n]["flipped"] - other[n]["lost"] - other[n]["won"] for n in names],
        }
        for place, (label, values) in enumerate(parts.items()):
            heights = 100 * np.array(values) / texts
            hatch = ("//", "..", "")[place]
            axis.bar(range(len(names)), heights, bottom=bottom, label=label, color=f"C{place}", hatch=hatch)
            bottom += heights
        axis.set_title(textwrap.fill(f"{figure.name(study)} ({texts:,} texts)", 30))
        axis.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    for axis in list(axes.flat)[count:]:
        axis.remove()
    axes[0, 0].set(ylabel="test texts with another class (%)")
    panels.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    if figure.demo:
        watermark(panels)
    return panels


def curves(figure: Figure5) -> Any:
    """Accuracy against shots and against the two-qubit error; the error of <Z> of each qubit."""
    style()
    panels, (left, middle, right) = plt.subplots(1, 3, figsize=(12.5, 4.6), layout="constrained")
    for number, (study, row) in enumerate(zip(figure.studies, figure.rows, strict=True)):
        look = {"color": f"C{number % 10}", "marker": "osD^vP*X<"[number % 9]}
        left.plot(SHOT_CURVE, [row.result["by_shots"][str(n)] for n in SHOT_CURVE], label=figure.name(study), **look)
        errors = [100 * scale * row.result["median_error"] for scale in ERROR_CURVE]
        middle.plot(errors, [row.result["by_error"][str(scale)] for scale in ERROR_CURVE], **look)
    left.set(xscale="log", xlabel="shots a circuit", ylabel="accuracy, simulated noise", title="the subset")
    low, high = (paper.number(printed(f"{end} accuracy")) for end in ("lowest", "highest"))
    middle.axhspan(low, high, color="0.85", label="the paper's range on hardware")
    classes = {study.subject.classes for study in figure.studies}
    for number in sorted(classes):
        middle.axhline(1 / number, linestyle=":", color="0.35")
    middle.set(
        xlabel="two-qubit error (%), median of the line", ylabel="accuracy, infinite shots", title="all test texts"
    )
    for place, name in enumerate(CONDITIONS[1:]):
        values = np.mean([row.result["error"][name] for row in figure.rows], axis=0)
        right.plot(values, color=f"C{place}", marker="osD^v"[place], label=name)
    right.set(xlabel="qubit", ylabel="error of <Z> (rms over texts)", title="mean over the studies", yscale="log")
    right.set_xticks(range(len(values)))
    right.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    for axis in (left, middle):
        axis.set_ylim(0, 1)
    panels.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    if figure.demo:
        watermark(panels)
    return panels
