"""The headline page's sentences, table and figure."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages.headline import PROBE, STUDENTS, TUNED, Headline, Ladder
from qdllm_utils.runs.statistics import PLACES, Difference
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, plain_line, sentences, table
from qdllm_utils.show.plots import reach, style, watermark
from qdllm_utils.show.tables import READERS, how_taught, model_name


def headline_table(headline: Headline) -> HTML:
    """A group for each task: the paper's value, then each reader's students."""
    columns = ("Accuracy, %", "Without near-repeats", "Trained parameters", "Feature", "Seeds")
    body = []
    for task, teacher in headline.teachers.items():
        body.append(group(TASKS[task].title, 1 + len(columns)))
        if not headline.parameters.demo:
            printed = [f"{paper.qdllm_percent(task):.1f}", *[""] * 4]
            body.append(plain_line("the paper's QD-LLM", "mean over its five teachers; printed", printed))
        name, size = teacher.result["name"], f"{teacher.result['parameters']:,}"
        body.append(
            plain_line("the teacher", f"{name}, fine-tuned", [f"{100 * teacher.result['acc']:.1f}", "", size, "", "1"])
        )
        for shown in headline.cells:
            if shown.task == task:
                row = shown.outcome.rows[0]
                values = [shown.accuracy.percent, shown.apart.percent, f"{row.result['parameters']:,}"]
                values += [row.identity["knobs"]["pooling"], str(len(shown.outcome.rows))]
                body.append(plain_line(shown.student, f"reads {READERS.get(shown.reader, shown.reader)}", values))
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
    found = [cell.accuracy.beside(paper.qdllm_percent(task)) for task, cell, _ in shown if cell]
    counts = ", ".join(f"{place} it on {found.count(place)}" for place in PLACES if place in found)
    numbers = "; ".join(
        f"{TASKS[task].title.lower()} {cell.accuracy.percent}%, the paper {paper.qdllm_percent(task):.1f}%, a linear "
        f"probe {probe.accuracy.mean:.1f}%"
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
    """Whether a better teacher makes a better student, and what each other teacher's student gains."""
    better: list[str] = []
    others: list[str] = []
    for ladder in ladders:
        least = next(iter(ladder.teachers.values())).result["acc"]
        for name, gain in ladder.gains.items():
            (better if ladder.teachers[name].result["acc"] > least else others).append(gain.verdict)
    made = f"Of {len(better)} teachers that are better than the first of their task {makes(better, 'ahead')} QD-LLM "
    made += "certainly better"
    if others:
        made += f", of {len(others)} that are not {makes(others, 'behind')} it certainly worse"
    gains = "; ".join(
        f"{TASKS[ladder.task].title.lower()}, "
        + ", ".join(f"{model_name(name)} {gain.signed}" for name, gain in ladder.gains.items())
        for ladder in ladders
    )
    firsts = {next(iter(ladder.teachers)) for ladder in ladders}
    first = model_name(firsts.pop()) if len(firsts) == 1 else "each task's first teacher"
    return f"Does a better teacher make a better student? {made} ({gains} points beside the student of {first})."


def makes(verdicts: list[str], which: str) -> str:
    """'none makes', 'one makes', '2 make': how many verdicts are `which`."""
    number = verdicts.count(which)
    return {0: "none makes", 1: "one makes"}.get(number, f"{number} make")


def ladder_table(headline: Headline) -> HTML | None:
    """A group for each task with several teachers: each teacher's own accuracy and its student's; None without one."""
    columns = (
        "The teacher itself, %",
        "Its parameters",
        "QD-LLM taught by it, %",
        "Less the first's, points",
        "Verdict",
    )
    body = []
    for ladder in headline.ladders:
        reader = READERS.get(ladder.reader, ladder.reader)
        body.append(group(f"{TASKS[ladder.task].title}, on states of {reader}", 1 + len(columns)))
        for name, teacher in ladder.teachers.items():
            own = [f"{100 * teacher.result['acc']:.1f}", f"{teacher.result['parameters']:,}"]
            gain = ladder.gains.get(name)
            gained = [gain.signed, gain.verdict] if gain else ["reference", ""]
            shown = [*own, ladder.accuracies[name].percent, *gained]
            body.append(line(head(model_name(name), *how_taught(teacher)), map(cell, shown)))
    family = sum(len(ladder.gains) for ladder in headline.ladders)
    notes = (
        "One student, preset tuned, taught by one teacher after another: test accuracy with its 95% interval over "
        f"seeds and texts; the difference is paired, its interval at 0.05 / {family}, all teachers that are held "
        "against the first of their task."
    )
    return table(notes, ["", *columns], body, headline.parameters.demo) if body else None


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
    shown = ", ".join(each.signed for each in found)
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
            errors = reach(part["accuracy"], part["low"], part["high"])
            shown[READERS.get(reader, reader)] = axis.errorbar(
                part["accuracy"], places, xerr=errors, fmt="o^sD"[shift], color=colours[reader], capsize=3
            )
        teacher = headline.teachers[task].result["acc"]
        shown["teacher"] = axis.axvline(100 * teacher, color="0.45", linestyle=":", linewidth=1.2)
        if not headline.parameters.demo:
            (shown["the paper's QD-LLM"],) = axis.plot(
                paper.qdllm_percent(task), 0, marker="o", markersize=10, fillstyle="none", color="0.2", linestyle="none"
            )
        axis.set(title=TASKS[task].title, xlabel="test accuracy, %", yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    if headline.parameters.demo:
        watermark(figure)
    return figure
