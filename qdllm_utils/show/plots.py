"""The figures; one style for all: colour-blind safe, SVG, a watermark on whatever is only a demo."""

import math
import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython import get_ipython
from matplotlib_inline.backend_inline import set_matplotlib_formats

from qdllm_utils.runs.comparison import Comparison
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.show import paper
from qdllm_utils.show.tables import READERS, STUDENT_NAMES, TEACHER_NAMES, WIDE_NAMES, spread

MARKERS = dict(zip(STUDENTS, "osD^*", strict=True))


def style() -> None:
    """The project's matplotlib style; in a notebook figures are SVG, which a reader can enlarge."""
    if get_ipython() is not None:
        set_matplotlib_formats("svg")
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette="colorblind",
        rc={
            "figure.dpi": 100,
            "savefig.bbox": "tight",
            "svg.fonttype": "path",
            "svg.hashsalt": "qdllm",
            "axes.titlesize": "medium",
        },
    )


def layout_of(panels: int) -> tuple[int, int]:
    """Rows and columns of so many panels: at most three side by side, four as a square."""
    columns = 2 if panels == 4 else min(3, panels)
    return -(-panels // columns), columns


def reach(middle: Any, low: Any, high: Any) -> Any:
    """The two lengths of error bars from `middle` to `low` and `high`, (2, N) for numbers or arrays (N,).

    None is negative: a mean of equal numbers can lie a last bit beyond them, which matplotlib refuses.
    """
    return np.clip([np.atleast_1d(middle - low), np.atleast_1d(high - middle)], 0, None)


def watermark(figure: Any) -> None:
    """'demo' across a figure that shows no result."""
    figure.text(0.5, 0.5, "demo", fontsize=70, color="0.5", alpha=0.18, ha="center", va="center", rotation=25)


def paper_parameters(student: str) -> float:
    """A student's size as the paper's Table 3 prints it."""
    printed = paper.table("parameters").set_index("name")["parameters"][student]
    return float(printed.removesuffix("M")) * 1e6 if printed.endswith("M") else float(printed.replace(",", ""))


def accuracy_against_parameters(comparison: Comparison) -> Any:
    """Test accuracy against trainable parameters (logarithmic), a panel for each teacher.

    Filled: measured, mean and standard deviation over seeds. Hollow: the paper's value for the same
    teacher (its overall mean where the paper has no such teacher). Dashed: the teacher's own accuracy.
    """
    style()
    runs = comparison.runs
    colours = dict(zip(STUDENTS, sns.color_palette("colorblind"), strict=False))
    figure, axes = plt.subplots(
        1,
        len(runs),
        figsize=(max(6.4, 3.4 * len(runs)), 4.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, run in zip(axes[0], runs, strict=True):
        for student in STUDENTS:
            if student not in run.students:
                continue  # its run failed; the table says why
            rows = run.students[student]
            centre, sd = spread(row.result["acc"] for row in rows)
            style_of = {
                "color": colours[student],
                "marker": MARKERS[student],
                "markersize": 9,
                "linestyle": "none",
            }
            axis.errorbar(
                rows[0].result["parameters"],
                centre,
                yerr=sd or 0,
                capsize=3,
                label=STUDENT_NAMES[student],
                **style_of,
            )
            printed = paper.compression(comparison.task, run.name, student, "acc") or paper.compression(
                comparison.task, "overall", student, "acc"
            )
            if printed:
                axis.plot(paper_parameters(student), float(printed), markerfacecolor="none", **style_of)
        for name, rows in run.others.items():
            centre, sd = spread(row.result["acc"] for row in rows)
            axis.errorbar(
                rows[0].result["parameters"],
                centre,
                yerr=sd or 0,
                capsize=3,
                label=f"{STUDENT_NAMES['quantum']} reading with {READERS.get(name, name)}",
                color=colours["quantum"],
                marker="P",
                markersize=8,
                linestyle="none",
            )
        for student, rows in run.wide.items():
            axis.plot(
                rows[0].result["parameters"],
                spread(row.result["acc"] for row in rows)[0],
                label=WIDE_NAMES[student],
                color=colours[student.removesuffix("_768")],
                marker="X",
                markersize=9,
                linestyle="none",
            )
        axis.axhline(run.teacher.result["acc"], linestyle="--", color="0.35", linewidth=1, label="the teacher itself")
        axis.set(
            xscale="log", xlabel="trainable parameters", title=TEACHER_NAMES.get(run.name, run.teacher.result["name"])
        )
    axes[0, 0].set_ylabel("test accuracy")
    named = {label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        title="filled: measured (± sd over seeds); hollow: the paper",
    )
    if comparison.parameters.demo:
        watermark(figure)
    return figure


VERDICT_STYLES = {"ahead": ("o", 0), "behind": ("s", 1), "inconclusive": ("D", 7)}  # marker, colour-blind palette


FAR = 2.0  # a comparison that reaches this many times as far as three quarters of its family is not fitted in


def range_of(family: list[Difference], far: float = FAR) -> tuple[float, float]:
    """Both ends of the x-axis, in points, of a family of forests: 0 and all intervals but those that reach `far`."""
    ends = np.nan_to_num([(one.low, one.mean, one.high) for one in family])
    reach = np.abs(ends).max(axis=1)
    kept = ends[reach <= far * np.quantile(reach, 0.75)]
    low, high = min(0.0, float(kept.min())), max(0.0, float(kept.max()))
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def forest(groups: dict[str, dict[str, Difference]], reference: str, demo: bool, far: float = FAR) -> Any:
    """A forest plot: paired differences in points of accuracy with 95% intervals, a panel for each group.

    groups: {panel's title: {name: difference}}; a name that a group lacks is an empty line there.
    Marker and colour tell the verdict. The grey bar of a comparison holds what it could not have told from 0. All
    panels have one x-axis; a difference beyond it is an arrow at its edge, with its value.
    """
    style()
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    rows, columns = layout_of(len(groups))
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.4 + 3.1 * columns, (1.0 + 0.32 * len(names)) * rows + 0.6),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(groups) :]:
        axis.set_visible(False)
    shown: dict[str, Any] = {}
    left, right = range_of([difference for group in groups.values() for difference in group.values()], far)
    for axis, (title, group) in zip(axes.flat, groups.items(), strict=False):
        axis.set_xlim(left, right)
        axis.axvline(0, color="0.35", linewidth=1)
        for name, difference in group.items():
            place = names.index(name)
            marker, colour = VERDICT_STYLES[difference.verdict]
            unseen = difference.detectable
            if math.isfinite(unseen):
                bar = axis.barh(place, 2 * unseen, left=-unseen, height=0.7, color="0.5", alpha=0.18, linewidth=0)
                shown["not detectable"] = bar
            shown[difference.verdict] = axis.errorbar(
                difference.mean,
                place,
                xerr=reach(difference.mean, difference.low, difference.high)
                if difference.low == difference.low
                else None,
                marker=marker,
                color=sns.color_palette("colorblind")[colour],
                capsize=3,
                linestyle="none",
            )
            edge = 0.02 * (right - left)  # a marker that the edge would cut is told as one beyond it
            if not left + edge <= difference.mean <= right - edge:
                at_left, colour = difference.mean < (left + right) / 2, sns.color_palette("colorblind")[colour]
                axis.plot(left if at_left else right, place, marker="<>"[not at_left], color=colour, clip_on=False)
                axis.annotate(
                    f"{difference.mean:+.1f}",
                    (left if at_left else right, place),
                    xytext=(8 if at_left else -8, 0),
                    textcoords="offset points",
                    ha="left" if at_left else "right",
                    va="center",
                    fontsize="small",
                )
        axis.set(title=textwrap.fill(title, 34), xlabel=f"accuracy − {reference}, points")
        axis.set(yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=len(shown), frameon=False)
    if demo:
        watermark(figure)
    return figure
