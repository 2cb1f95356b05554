"""The headline page's sentences, table and figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages.controls_views import line, sentences
from qdllm_utils.pages.headline import PROBE, STUDENTS, TUNED, Headline, Ladder, papers
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.show.html_table import HTML, group, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.show.tables import READERS, TEACHER_NAMES


def percent(difference: Difference) -> str:
    """'87.6 [85.1, 90.1]'."""
    return f"{difference.mean:.1f} [{difference.low:.1f}, {difference.high:.1f}]"


def headline_table(headline: Headline) -> HTML:
    """A group for each task: the paper's value, then each reader's students."""
    columns = ("Accuracy, %", "Without near-repeats", "Trained parameters", "Feature", "Seeds")
    body = []
    for task, teacher in headline.teachers.items():
        body.append(group(TASKS[task].title, 1 + len(columns)))
        if not headline.parameters.demo:
            body.append(
                line("the paper's QD-LLM", "mean over its five teachers; printed", [f"{papers(task):.1f}"] + [""] * 4)
            )
        name, size = teacher.result["name"], f"{teacher.result['parameters']:,}"
        body.append(
            line("the teacher", f"{name}, fine-tuned", [f"{100 * teacher.result['acc']:.1f}", "", size, "", "1"])
        )
        for cell in headline.cells:
            if cell.task == task:
                row = cell.outcome.rows[0]
                values = [percent(cell.accuracy), percent(cell.apart), f"{row.result['parameters']:,}"]
                values += [row.identity["knobs"]["pooling"], str(len(cell.outcome.rows))]
                body.append(line(cell.student, f"reads {READERS.get(cell.reader, cell.reader)}", values))
    notes = (
        "Test accuracy in percent, mean over seeds, with its 95% interval over seeds and texts. "
        "Near-repeats: test texts with a training text of which they share half the character 5-grams "
        f"({repeated(headline)} of the test texts). Feature: which states "
        "of the frozen reader the student reads; in preset tuned the one that a logistic regression prefers on "
        "validation, the same for every student. Trained parameters leave the reader out, which every student needs at "
        "inference (MiniLM 22.7 million, MPNet 109.5 million, Qwen 1.54 billion)."
    )
    return table(notes, ["", *columns], body, headline.parameters.demo)


def repeated(headline: Headline) -> str:
    """'emotion analysis 1%, ...'."""
    return ", ".join(f"{TASKS[task].title.lower()} {100 * share:.0f}%" for task, share in headline.repeats.items())


def answers(headline: Headline) -> list[str]:
    """What the rows say, a sentence a question."""
    tasks = list(headline.teachers)
    of_task = {task: [cell for cell in headline.cells if cell.task == task] for task in tasks}
    best = {task: max(cells, key=lambda cell: cell.outcome.validation) for task, cells in of_task.items()}
    readers = dict.fromkeys(cell.reader for cell in headline.cells)
    reader = max(readers, key=lambda name: sum(c.reader == name for c in best.values()))
    shown = [(task, headline.cell(task, reader, TUNED), headline.cell(task, reader, PROBE)) for task in tasks]
    places = {"above it": 0, "level with it": 0, "below it": 0}
    for task, cell, _ in shown:
        if cell:
            low, high = cell.accuracy.low, cell.accuracy.high
            places["above it" if low > papers(task) else "below it" if high < papers(task) else "level with it"] += 1
    counts = ", ".join(f"{place} on {count}" for place, count in places.items() if count)
    numbers = "; ".join(
        f"{TASKS[task].title.lower()} {percent(cell.accuracy)}%, the paper {papers(task):.1f}%, a linear probe "
        f"{probe.accuracy.mean:.1f}%"
        for task, cell, probe in shown
        if cell and probe
    )
    made = [
        summary(headline, reader, counts),
        f"Is the paper's accuracy reached? With tuned training, on frozen states of {READERS.get(reader, reader)}, "
        f"QD-LLM is {counts} of {len(tasks)} tasks ({numbers}).",
        f"Does the circuit help? {against(headline.circuit, reader, 'itself with a plain cosine for the circuit')} "
        f"{against(headline.probe, reader, 'a linear probe of the same states')}",
    ]
    both = [name for name in ("minilm", "mpnet") if all(headline.cell(task, name, TUNED) for task in tasks)]
    if len(both) == 2:
        gains = []
        for task in tasks:
            small, large = (headline.cell(task, name, TUNED) for name in both)
            assert small and large
            gains.append(f"{TASKS[task].title.lower()} {large.accuracy.mean - small.accuracy.mean:+.1f}")
        made.append(
            "What decides? The reader of the text: from MiniLM to MPNet, a frozen encoder of BERT-base's shape, the "
            f"same student gains {', '.join(gains)} points."
        )
    if headline.ladders:
        made.append(better_teachers(headline.ladders))
    return made


def better_teachers(ladders: list[Ladder]) -> str:
    """Whether a better teacher makes a better student, then what each gives, task by task."""
    better = [
        gain.verdict == "ahead"
        for ladder in ladders
        for name, gain in ladder.gains.items()
        if ladder.teachers[name].result["acc"] > next(iter(ladder.teachers.values())).result["acc"]
    ]
    count = {0: "none makes", 1: "one makes"}.get(sum(better), f"{sum(better)} make")
    told = [
        f"Does a better teacher make a better student? Of {len(better)} teachers that are better than the first of "
        f"their task {count} QD-LLM certainly better."
    ]
    for ladder in ladders:
        steps = ", ".join(
            f"{TEACHER_NAMES.get(name, name)} (itself {100 * ladder.teachers[name].result['acc']:.1f}%) gives "
            f"{percent(accuracy)}"
            for name, accuracy in ladder.accuracies.items()
        )
        against = "; ".join(
            f"{TEACHER_NAMES.get(name, name)} {gain.mean:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}], {gain.verdict}"
            for name, gain in ladder.gains.items()
        )
        first = TEACHER_NAMES.get(next(iter(ladder.teachers)), next(iter(ladder.teachers)))
        told.append(
            f"{TASKS[ladder.task].title}, on {READERS.get(ladder.reader, ladder.reader)}: {steps}. "
            f"Against the student of {first}: {against}."
        )
    return " ".join(told)


def summary(headline: Headline, reader: str, counts: str) -> str:
    """The answer in one sentence; counts: on how many tasks QD-LLM is above, level with and below the paper."""
    named = counts.replace(" it ", " the paper's accuracy ", 1)
    ahead = [
        sum(each.verdict == "ahead" for (_, name), each in found.items() if name == reader)
        for found in (headline.circuit, headline.probe)
    ]
    return (
        f"On states of {READERS.get(reader, reader)} tuned QD-LLM is {named} of "
        f"{len(headline.teachers)} tasks; its circuit helps on {ahead[0]} of them, and it beats a linear probe on "
        f"{ahead[1]}."
    )


def against(differences: dict[tuple[str, str], Difference], reader: str, other: str) -> str:
    """'Against <other> QD-LLM is certainly ahead on 0 and behind on 1 of 3 tasks (... points).'"""
    found = [difference for (_, name), difference in differences.items() if name == reader]
    verdicts = [difference.verdict for difference in found]
    shown = ", ".join(f"{each.mean:+.1f} [{each.low:+.1f}, {each.high:+.1f}]" for each in found)
    return (
        f"Against {other} QD-LLM is certainly ahead on {verdicts.count('ahead')} and certainly behind on "
        f"{verdicts.count('behind')} of {len(found)} tasks ({shown} points)."
    )


def answer_box(headline: Headline) -> HTML:
    """The sentences."""
    return sentences(answers(headline), headline.parameters.demo)


def accuracies_figure(headline: Headline) -> Any:
    """Accuracy of each student with its interval, a panel a task, a colour a reader; the paper's value hollow."""
    style()
    frame, tasks = headline.frame, list(headline.teachers)
    readers = list(dict.fromkeys(frame["reader"]))
    colours = dict(zip(readers, sns.color_palette("colorblind"), strict=False))
    figure, axes = plt.subplots(
        1, len(tasks), figsize=(3.4 + 3.1 * len(tasks), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    names, shown = list(STUDENTS), {}
    for axis, task in zip(axes[0], tasks, strict=True):
        for shift, reader in enumerate(readers):
            part = frame[(frame["task"] == task) & (frame["reader"] == reader)]
            places = np.array([names.index(name) for name in part["student"]]) + 0.22 * (shift - (len(readers) - 1) / 2)
            errors = [part["accuracy"] - part["low"], part["high"] - part["accuracy"]]
            shown[READERS.get(reader, reader)] = axis.errorbar(
                part["accuracy"], places, xerr=errors, fmt="o^sD"[shift], color=colours[reader], capsize=3
            )
        teacher = headline.teachers[task].result["acc"]
        shown["teacher"] = axis.axvline(100 * teacher, color="0.45", linestyle=":", linewidth=1.2)
        if not headline.parameters.demo:
            (shown["the paper's QD-LLM"],) = axis.plot(
                papers(task), 0, marker="o", markersize=10, fillstyle="none", color="0.2", linestyle="none"
            )
        axis.set(title=TASKS[task].title, xlabel="test accuracy, %", yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    if headline.parameters.demo:
        watermark(figure)
    return figure
