"""The splits page's sentences, table and figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages.splits import STUDENTS, Splits, reference
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.plots import reach, style, watermark
from qdllm_utils.show.tables import READERS

WORDS = {"ahead": "ahead of", "behind": "behind", "inconclusive": "not to be told from"}


def tasks_and_readers(found: Splits) -> tuple[list[str], list[str]]:
    """What the page was asked for, in order."""
    return list(dict.fromkeys(found.frame["task"])), list(dict.fromkeys(found.frame["reader"]))


def answers(found: Splits) -> list[str]:
    """A sentence for each of the first page's comparisons, over all tasks, on the last reader asked for."""
    tasks, readers = tasks_and_readers(found)
    reader = readers[-1]
    made = [summary(found, tasks, reader)]
    for name in ("paper", "cosine", "linear", "reader"):
        shown = [
            (task, found.differences[task, reader, name]) for task in tasks if (task, reader, name) in found.differences
        ]
        if not shown:
            continue
        told = "; ".join(
            f"{TASKS[task].title.lower()} {each.signed} points ({WORDS[each.verdict]} it; above it in "
            f"{int((each.values > 0).sum())})"
            for task, each in shown
        )
        made.append(
            f"QD-LLM reading {READERS.get(reader, reader)} against {reference(name, readers[0])}, over {found.splits} "
            f"splits: {told}."
        )
    spread = "; ".join(
        f"{TASKS[task].title.lower()} {found.values(task, reader, 'quantum').std(ddof=1):.1f} points" for task in tasks
    )
    made.append(f"From split to split (and seed to seed) QD-LLM's accuracy has a standard deviation of {spread}.")
    return made


def summary(found: Splits, tasks: list[str], reader: str) -> str:
    """How many tasks have a certain difference over the splits, in one sentence."""
    words, behind = [], 0
    for name in ("paper", "cosine", "linear"):
        known = [found.differences[task, reader, name] for task in tasks if (task, reader, name) in found.differences]
        if known:
            words.append(f"{reference(name, '')} on {sum(each.verdict == 'ahead' for each in known)}")
            behind += sum(each.verdict == "behind" for each in known)
    return (
        f"Over {found.splits} random splits of {len(tasks)} task{'s' if len(tasks) > 1 else ''} QD-LLM is certainly "
        f"ahead of {', of '.join(words)}; it is certainly behind in {behind} of these comparisons."
    )


def answer_box(found: Splits) -> HTML:
    """The sentences."""
    return sentences(answers(found), found.parameters.demo)


def splits_table(found: Splits) -> HTML:
    """A group a task and reader: the accuracy of each student over the splits, and QD-LLM minus each of the others."""
    tasks, readers = tasks_and_readers(found)
    columns = ("Accuracy, %", "Least and most", "QD-LLM minus it, points", "Splits above it")
    body = []
    for task in tasks:
        for reader in readers:
            body.append(group(f"{TASKS[task].title}, reading with {READERS.get(reader, reader)}", 1 + len(columns)))
            for student, title in STUDENTS.items():
                values = found.values(task, reader, student)
                cells = [found.accuracy(task, reader, student).percent, f"{values.min():.1f} to {values.max():.1f}"]
                body.append(line(head(title), map(cell, cells + against(found, task, reader, student))))
            if (task, reader, "paper") in found.differences:
                shown = [f"{paper.qdllm_percent(task):.1f}", "", *against(found, task, reader, "paper")]
                body.append(line(head("the paper's QD-LLM", "printed, overall"), map(cell, shown)))
            if (task, reader, "reader") in found.differences:
                shown = [found.accuracy(task, readers[0], "quantum").percent, ""]
                title = reference("reader", readers[0])
                body.append(line(head(title), map(cell, shown + against(found, task, reader, "reader"))))
    notes = (
        f"{found.splits} random splits 6:2:2 of the same texts, split seeds and student seeds 1 to {found.splits}; the "
        "true labels teach; preset tuned at its own learning rate for every student; the states that validation "
        "prefers on each split. In brackets the 95% interval over splits with the corrected variance of Nadeau and "
        "Bengio, for the differences at 0.05 / 4: four comparisons a task."
    )
    return table(notes, ["", *columns], body, found.parameters.demo)


def against(found: Splits, task: str, reader: str, name: str) -> list[str]:
    """The two cells of a comparison; empty where there is none."""
    difference = found.differences.get((task, reader, name))
    if difference is None:
        return ["", ""]
    return [difference.signed, f"{int((difference.values > 0).sum())} of {found.splits}"]


def splits_figure(found: Splits) -> Any:
    """A column a task: each split's difference as a dot, its mean with the corrected interval beside it."""
    style()
    tasks, readers = tasks_and_readers(found)
    names = [name for name in ("paper", "cosine", "linear", "reader") if any(name == n for *_, n in found.differences)]
    height = 1.4 + 0.42 * len(names) * len(readers)
    figure, axes = plt.subplots(
        1,
        len(tasks),
        figsize=(2.2 + 3.6 * len(tasks), height),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    colours = dict(zip(readers, sns.color_palette("colorblind"), strict=False))
    generator = np.random.default_rng(0)  # moves the dots apart
    for axis, task in zip(axes[0], tasks, strict=True):
        axis.axvline(0, color="0.4", linewidth=1)
        for place, name in enumerate(names):
            for shift, reader in zip(
                np.linspace(-0.2, 0.2, len(readers)) if len(readers) > 1 else [0], readers, strict=True
            ):
                difference = found.differences.get((task, reader, name))
                if difference is None:
                    continue
                heights = place + shift + generator.uniform(-0.07, 0.07, len(difference.values))
                axis.plot(difference.values, heights, ".", color=colours[reader], alpha=0.45, markersize=5)
                axis.errorbar(
                    difference.mean,
                    place + shift,
                    xerr=reach(difference.mean, difference.low, difference.high),
                    color=colours[reader],
                    marker="D",
                    markeredgecolor="0.1",
                    capsize=4,
                    label=READERS.get(reader, reader),
                )
        axis.set(title=TASKS[task].title, xlabel="QD-LLM minus it, points")
        axis.set_yticks(range(len(names)), [reference(name, readers[0]) for name in names])
    axes[0, 0].invert_yaxis()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    by_reader = dict(zip(labels, handles, strict=True))
    figure.legend(by_reader.values(), by_reader.keys(), loc="outside lower center", ncols=3, frameon=False)
    if found.parameters.demo:
        watermark(figure)
    return figure
