"""The ceiling page's sentences, table and figure."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages.ceiling import STUDENTS, TRUE, WEAK, Ceiling
from qdllm_utils.runs.statistics import PLACES
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.plots import reach, style, watermark
from qdllm_utils.show.tables import READERS, how_taught, model_name


def answers(ceiling: Ceiling) -> list[str]:
    """One sentence in all, then one a task: what the true labels reach on each reader, and what more texts would."""
    made = [summary(ceiling)]
    for task in dict.fromkeys(task for task, _ in ceiling.teachers):
        readers = [reader for of, reader in ceiling.curves if of == task]
        best = {reader: ceiling.find(task, reader, TRUE).accuracy for reader in readers}
        printed = paper.qdllm_percent(task)
        told = ", ".join(f"{best[name].percent}% reading {READERS.get(name, name)}" for name in readers)
        places = {reader: best[reader].beside(printed) for reader in readers}
        verdict = "; ".join(
            f"{place} the paper's {printed:.1f}% on {' and '.join(READERS.get(name, name) for name in names)}"
            for place in PLACES
            if (names := [reader for reader in readers if places[reader] == place])
        )
        if set(places.values()) == {"below"}:
            verdict += ", so no teacher could bring it there"
        first = max(readers, key=lambda name: ceiling.find(task, name, TRUE).outcome.validation)
        weak = [ceiling.find(task, first, WEAK, student) for student in STUDENTS]
        others = ", ".join(f"{STUDENTS[each.student]} {each.accuracy.percent}%" for each in weak[1:])
        found = ceiling.curves[task, first]
        made.append(
            f"{TASKS[task].title}: with the true labels for a teacher QD-LLM gets {told}: {verdict}. On "
            f"{READERS.get(first, first)} a teacher that is right on 70% of the texts still gives it "
            f"{weak[0].accuracy.percent}% ({others}). With the paper's {found.at:,} training texts for our "
            f"{found.texts[-1]:,} a power law of the error would give {found.there[0]:.1f}% [{found.there[1]:.1f}, "
            f"{found.there[2]:.1f}]."
        )
    return made


def summary(ceiling: Ceiling) -> str:
    """On how many tasks each reader's states reach the paper's accuracy under the true labels."""
    readers = list(dict.fromkeys(reader for _, reader in ceiling.curves))
    counts = []
    for reader in readers:
        tasks = [task for task, of in ceiling.curves if of == reader]
        best = {task: ceiling.find(task, reader, TRUE).accuracy for task in tasks}
        reached = sum(accuracy.beside(paper.qdllm_percent(task)) != "below" for task, accuracy in best.items())
        counts.append(f"{READERS.get(reader, reader)} on {reached} of {len(tasks)}")
    return f"Taught by the true labels QD-LLM is level with the paper or above it reading {', '.join(counts)} tasks."


def answer_box(ceiling: Ceiling) -> HTML:
    """The sentences."""
    return sentences(answers(ceiling), ceiling.parameters.demo)


def name_of(teacher: str) -> str:
    """'true labels, right on 80%' or the model's name."""
    if teacher.startswith("labels-"):
        return f"true labels, right on {teacher.removeprefix('labels-')}%"
    return model_name(teacher)


def ceiling_table(ceiling: Ceiling) -> HTML:
    """A group for each task and reader, a line for each teacher, a column for each student."""
    columns = list(STUDENTS.values())
    body = []
    for task, reader in ceiling.curves:
        body.append(group(f"{TASKS[task].title}, reading with {READERS.get(reader, reader)}", 1 + len(columns)))
        for teacher in (name for of, name in ceiling.teachers if of == task):
            taught = ceiling.teachers[task, teacher]
            own = f"itself {100 * taught.result['acc']:.1f}% on the test texts"
            found = [ceiling.find(task, reader, teacher, student).accuracy for student in STUDENTS]
            shown = [cell(f"{each.mean:.1f}", f"[{each.low:.1f}, {each.high:.1f}]") for each in found]
            body.append(line(head(name_of(teacher), own, *how_taught(taught)), shown))
    seeds = len(ceiling.cells[0].outcome.rows)
    notes = (
        f"Test accuracy in percent, mean over {seeds} seeds, with its 95% interval over seeds and texts. Preset tuned "
        "at its own learning rate for every student; each reader's states are those that validation prefers. A teacher "
        "of true labels gives its class a probability of 0.9 and is wrong on texts drawn at random; labels themselves "
        "have a tenth of the loss under every teacher."
    )
    return table(notes, ["Teacher", *columns], body, ceiling.parameters.demo)


def ceiling_figure(ceiling: Ceiling) -> Any:
    """Above, accuracy against that of the teacher; below, against the number of training texts; a column a task."""
    style()
    frame = ceiling.frame[ceiling.frame["student"] == STUDENTS["quantum"]]
    tasks = list(dict.fromkeys(frame["task"]))
    readers = list(dict.fromkeys(frame["reader"]))
    colours = dict(zip(readers, sns.color_palette("colorblind"), strict=False))
    figure, axes = plt.subplots(
        2, len(tasks), figsize=(1.6 + 4.4 * len(tasks), 7.6), sharey="col", squeeze=False, layout="constrained"
    )
    shown: dict[str, Any] = {}
    for column, task in enumerate(tasks):
        upper, lower = axes[:, column]
        for reader, marker in zip(readers, "o^sD", strict=False):
            part = frame[(frame["task"] == task) & (frame["reader"] == reader) & (frame["share"] == 1)]
            for is_model, fill in ((False, "full"), (True, "none")):
                chosen = part[part["teacher"].str.startswith("labels-") != is_model].sort_values("teacher_accuracy")
                label = f"{READERS.get(reader, reader)}, {'a model teaches' if is_model else 'labels teach'}"
                shown[label] = upper.errorbar(
                    chosen["teacher_accuracy"],
                    chosen["accuracy"],
                    yerr=reach(chosen["accuracy"], chosen["low"], chosen["high"]),
                    color=colours[reader],
                    marker=marker,
                    fillstyle=fill,
                    linestyle="none" if is_model else "-",
                    capsize=3,
                )
            if (task, reader) in ceiling.curves:
                found = ceiling.curves[task, reader]
                means, spread = found.accuracies.mean(axis=0), found.accuracies.std(axis=0)
                lower.errorbar(found.texts, means, yerr=spread, color=colours[reader], marker=marker, capsize=3)
                middle, low, high = found.there
                lower.errorbar(
                    found.at,
                    middle,
                    yerr=reach(middle, low, high),
                    color=colours[reader],
                    marker=marker,
                    fillstyle="none",
                    capsize=3,
                )
        limits = upper.get_xlim()
        shown["as good as its teacher"] = upper.plot(limits, limits, color="0.5", linestyle=":", linewidth=1.2)[0]
        upper.set(title=TASKS[task].title, xlabel="test accuracy of the teacher, %", xlim=limits)
        sizes = sorted(
            {size for (of, _), found in ceiling.curves.items() if of == task for size in (*found.texts, found.at)}
        )
        lower.set(xscale="log", xlabel="training texts (hollow: power law)")
        lower.set_xticks(sizes, [f"{size:,}" for size in sizes])
        lower.minorticks_off()
        for axis in (upper, lower):
            if not ceiling.parameters.demo:
                shown["the paper's QD-LLM"] = axis.axhline(
                    paper.qdllm_percent(task), color="0.2", linestyle="--", linewidth=1.2
                )
            axis.set_ylabel("test accuracy of QD-LLM, %")
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, frameon=False)
    if ceiling.parameters.demo:
        watermark(figure)
    return figure
