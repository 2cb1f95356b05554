"""The few-labels page's sentences, table and figure."""

from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages.few_labels import STUDENTS, Few
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.plots import reach, style, watermark
from qdllm_utils.show.tables import READERS

TEACHER = "teacher"
SHORT = {"quantum": "QD-LLM", "cosine": "without circuit (cos)", "linear": "linear probe"}


def counted(differences: list[Difference]) -> str:
    """'ahead in 3, behind in 0, inconclusive in 1'."""
    verdicts = [each.verdict for each in differences]
    return ", ".join(f"{word} in {verdicts.count(word)}" for word in ("ahead", "behind", "inconclusive"))


def answers(few: Few) -> list[str]:
    """One sentence in all, then one a task: what the teacher's labels bring and what the circuit brings."""
    made = [summary(few)]
    for task in few.tasks:
        small, large = few.sizes[0], few.sizes[-1]
        gains = [few.difference(task, size, "quantum, taught", "quantum, alone") for size in few.sizes]
        circuit = [few.difference(task, size, "quantum, taught", "cosine, taught") for size in few.sizes]
        alone = [few.difference(task, size, "quantum, alone", "cosine, alone") for size in few.sizes]
        probe = [few.difference(task, size, "quantum, taught", "linear, taught") for size in few.sizes]
        own = few.outcomes[task, small, TEACHER].accuracy.mean, few.outcomes[task, large, TEACHER].accuracy.mean
        made.append(
            f"{TASKS[task].title}, reading {READERS.get(few.reader, few.reader)}: taught on the unlabelled texts, "
            f"QD-LLM gains {gains[0].signed} points at {small} labelled texts a class and {gains[-1].signed} at "
            f"{large} (over the {len(few.sizes)} sizes: {counted(gains)}); the teacher itself has {own[0]:.1f} and "
            f"{own[1]:.1f}%. Against itself without its circuit it is, taught, {counted(circuit)}, and on the labelled "
            f"texts alone {counted(alone)}; against a linear probe, taught, {counted(probe)}."
        )
    return made


def summary(few: Few) -> str:
    """In how many cases the teacher and the circuit certainly help, over all tasks and sizes."""
    cases = [(task, size) for task in few.tasks for size in few.sizes]
    taught = [few.difference(*case, "quantum, taught", "quantum, alone") for case in cases]
    circuit = [
        few.difference(*case, f"quantum, {how}", f"cosine, {how}") for case in cases for how in ("taught", "alone")
    ]
    return (
        f"With {few.sizes[0]} to {few.sizes[-1]} labelled texts a class a teacher of the unlabelled ones makes QD-LLM "
        f"certainly better in {counts(taught)}, its circuit in {counts(circuit)}."
    )


def counts(differences: list[Difference]) -> str:
    """'4 of 8 cases (worse in 0)'."""
    ahead, behind = (sum(each.verdict == word for each in differences) for word in ("ahead", "behind"))
    return f"{ahead} of {len(differences)} cases (worse in {behind})"


def answer_box(few: Few) -> HTML:
    """The sentences."""
    return sentences(answers(few), few.parameters.demo)


def few_labels_table(few: Few) -> HTML:
    """A group a task, a line the teacher and each student, taught and alone; a column a number of labelled texts."""
    names: dict[str, tuple[str, str]] = {
        TEACHER: ("the teacher", f"logistic regression on {READERS.get(few.teacher, few.teacher)}")
    }
    for student, called in STUDENTS.items():
        names |= {
            f"{student}, taught": (called, "taught on all texts"),
            f"{student}, alone": (called, "labelled texts alone"),
        }
    body = []
    for task in few.tasks:
        body.append(
            group(f"{TASKS[task].title}, students read with {READERS.get(few.reader, few.reader)}", 1 + len(few.sizes))
        )
        for name, title in names.items():
            body.append(
                line(head(*title), [cell(few.outcomes[task, size, name].accuracy.percent) for size in few.sizes])
            )
        for other, words in (("quantum, alone", "taught minus alone"), ("cosine, taught", "taught, minus cos")):
            cells = [few.difference(task, size, "quantum, taught", other) for size in few.sizes]
            body.append(line(head("QD-LLM", words), [cell(each.signed, each.verdict) for each in cells]))
    notes = (
        f"Test accuracy in percent, mean over {few.draws} draws of the labelled texts (each with its own seed), with "
        f"its 95% interval over draws and texts; differences in points at 0.05 / {len(few.sizes)}, the sizes of a "
        "task. Preset tuned at its own learning rate, states at half depth. Taught: every training text, with the "
        "teacher's class where the true one is not known. Alone: the labelled texts only, for as many steps, at "
        "most 1,000 epochs. For both, the teacher's classes of the validation texts choose the epoch. No other "
        "label is used but those of the test texts, to score."
    )
    return table(notes, ["", *(f"{size} a class" for size in few.sizes)], body, few.parameters.demo)


def few_labels_figure(few: Few) -> Any:
    """A panel a task: accuracy against labelled texts a class; full lines taught, broken lines alone."""
    style()
    frame = few.frame
    figure, axes = plt.subplots(
        1, len(few.tasks), figsize=(1.5 + 4.4 * len(few.tasks), 4.8), squeeze=False, layout="constrained"
    )
    colours = dict(zip([*STUDENTS, TEACHER], sns.color_palette("colorblind"), strict=False))
    for axis, task in zip(axes[0], few.tasks, strict=True):
        for place, name in enumerate(dict.fromkeys(frame["name"])):
            student, _, how = name.partition(", ")
            part = frame[(frame["task"] == task) & (frame["name"] == name)]
            label = "the teacher" if name == TEACHER else f"{SHORT[student]}, {how}"
            axis.errorbar(
                part["labelled"] * (1 + 0.02 * (place - 3)),  # side by side
                part["accuracy"],
                yerr=reach(part["accuracy"], part["low"], part["high"]),
                color="0.35" if name == TEACHER else colours[student],
                linestyle={"alone": "--", "taught": "-"}.get(how, ":"),
                marker={"quantum": "o", "cosine": "s", "linear": "^"}.get(student, "D"),
                fillstyle="none" if how == "alone" else "full",
                capsize=3,
                label=label,
            )
        means = frame[frame["task"] == task]["accuracy"]
        axis.set_ylim(max(0, means.min() - 12), min(100, means.max() + 12))  # two draws have intervals beyond 0 and 100
        axis.set(xscale="log", title=TASKS[task].title, xlabel="labelled texts a class", ylabel="test accuracy, %")
        axis.set_xticks(few.sizes, [str(size) for size in few.sizes])
        axis.minorticks_off()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    if few.parameters.demo:
        watermark(figure)
    return figure
