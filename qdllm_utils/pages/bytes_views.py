"""The table, the sentences and the figure of the page on stored bytes."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.pages.bytes import FAMILIES, Panel, Stored, answer, conclusions
from qdllm_utils.show.html_table import HTML, below, group, plain_line, sentences, table
from qdllm_utils.show.plots import layout_of, style, watermark
from qdllm_utils.show.tables import OWN_DATA, measured, spread


def stored_table(stored: Stored) -> HTML:
    """A group for each task and teacher: every stored model from few bytes to many."""
    columns = ("Stored bytes", "States", "Acc", "On the front", "Seeds")
    body = []
    for panel in stored.panels:
        body.append(group(panel.title, 1 + len(columns)))
        for entry in sorted(panel.entries, key=lambda entry: entry.stored_bytes):
            accuracy = below(*measured(row.result["acc"] for row in entry.rows))
            on_front = "yes" if entry in panel.front else ""
            cells = [f"{entry.stored_bytes:,}", entry.states, accuracy, on_front, str(len(entry.rows))]
            body.append(plain_line(entry.title, f"{entry.family}; {entry.rows[0].result['size']}", cells))
    notes = [
        f"{OWN_DATA[stored.comparison.source_kind]}.".capitalize(),
        "Acc: test accuracy, mean ± standard deviation over seeds. Probes are trained at their bits, students rounded "
        "after training. Bytes: weights, and for int8 one scale a tensor; the frozen embedder, which all but TF-IDF "
        f"and the baselines read the text through ({stored.panels[0].reader}), is not counted. States: which of the "
        "reader's; the sentences above compare on the same states and at the same number format only, a probe trained "
        "at 8 bits with a student rounded to int8. Baselines: float32, the whole text model.",
        "Front: nothing with as few bytes is as good on validation.",
    ]
    notes += [
        f"{panel.title}: no rows of {', '.join(panel.absent)} in the store; Tables 4 to 6 make them."
        for panel in stored.panels
        if panel.absent
    ]
    return table(" ".join(notes), ["", *columns], body, stored.parameters.demo)


def stored_answer(stored: Stored) -> HTML:
    """The page's claim, counted over all cases."""
    return sentences([answer(stored)], stored.parameters.demo)


def stored_conclusions(stored: Stored) -> HTML:
    """A sentence on each task, teacher and preset."""
    return sentences(conclusions(stored), stored.parameters.demo)


def accuracy_against_bytes(panels: list[Panel], demo: bool) -> Any:
    """Test accuracy (mean and deviation over seeds) against stored bytes (logarithmic), a panel a task and teacher.

    The stepped line is the front, chosen on validation and drawn at its test accuracies; probes carry their bits.
    """
    style()
    looks = dict(zip(FAMILIES, zip("^*DoXsP", sns.color_palette("colorblind"), strict=False), strict=True))
    rows, columns = layout_of(len(panels))
    size = max(7.0, 4.6 * columns), 0.6 + 4.2 * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    shown: dict[str, Any] = {}
    for axis, panel in zip(axes.flat, panels, strict=False):
        for entry in panel.entries:
            marker, colour = looks[entry.family]
            centre, sd = spread(row.result["acc"] for row in entry.rows)
            shown[entry.family] = axis.errorbar(
                entry.stored_bytes, centre, yerr=sd or 0, marker=marker, color=colour, capsize=2, linestyle="none"
            )
            if entry.title.endswith("-bit probe"):
                bits = entry.title.removesuffix("-bit probe")
                axis.annotate(bits, (entry.stored_bytes, centre), textcoords="offset points", xytext=(6, 4), fontsize=9)
        front = [(entry.stored_bytes, entry.mean("acc")) for entry in panel.front]
        (shown["front, chosen on validation"],) = axis.step(
            *zip(*front, strict=True), where="post", color="0.35", linewidth=1
        )
        axis.set(xscale="log", xlabel="stored bytes of the student,\nwithout its embedder", title=panel.title)
    for axis in axes[:, 0]:
        axis.set_ylabel("test accuracy")
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, frameon=False)
    if demo:
        watermark(figure)
    return figure
