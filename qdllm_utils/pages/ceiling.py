"""Could any teacher reach the paper's accuracy? The student under teachers of every quality, on every reader's states.

A teacher made of the true labels is right on as many texts as one likes (`texts/label_teachers.py`), so its student
shows what the reader's states and the released texts allow, whoever teaches. Every cell is trained alike, at preset
`tuned` without a search of the learning rate, and a linear probe of the same states beside it.
"""

from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS, knobs
from qdllm_utils.pages.controls_views import sentences
from qdllm_utils.pages.headline import papers, percent, readers_of
from qdllm_utils.parameters import Parameters, check_teacher, commas
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, number_of_seeds, tasks_of, train
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, cell, group, head, line, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.show.tables import READERS, TEACHER_NAMES
from qdllm_utils.texts.sources import Source

STUDENTS = {"quantum": "QD-LLM", "cosine": "the same without its circuit (cos)", "linear": "linear probe"}
RIGHT = (50, 60, 70, 80, 90, 100)  # the percent of texts on which a teacher of true labels is right
TRUE, WEAK = "labels-100", "labels-70"
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training texts
DEMO_RIGHT, DEMO_SHARES = (70, 100), (0.5, 1.0)


@dataclass(frozen=True)
class Cell:
    """One student on one reader's states under one teacher; share: of the training texts that it had."""

    task: str
    reader: str
    teacher: str
    student: str
    share: float
    outcome: Outcome
    accuracy: Difference


@dataclass(frozen=True)
class Curve:
    """Accuracy against the number of training texts, and where a power law of the error would be at the paper's size.

    texts: numbers of training texts; accuracies: (seeds, sizes) in percent. at: the paper's number of training texts;
    there: the accuracy that the law gives, and its 95% interval over seeds (not over laws).
    """

    texts: list[int]
    accuracies: np.ndarray
    at: int
    there: tuple[float, float, float]


@dataclass(frozen=True)
class Ceiling:
    """What the page shows. teachers: {(task, name): row}; curves: {(task, reader): of QD-LLM under the true labels}."""

    parameters: Parameters
    cells: list[Cell]
    teachers: dict[tuple[str, str], Row]
    curves: dict[tuple[str, str], Curve]
    store: Store

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: task, reader, teacher and its accuracy, student, share, accuracy, interval; in percent."""
        return pd.DataFrame(
            {
                "task": each.task,
                "reader": each.reader,
                "teacher": each.teacher,
                "teacher_accuracy": 100 * self.teachers[each.task, each.teacher].result["acc"],
                "student": STUDENTS[each.student],
                "share": each.share,
                "accuracy": each.accuracy.mean,
                "low": each.accuracy.low,
                "high": each.accuracy.high,
                "seeds": len(each.outcome.rows),
            }
            for each in self.cells
        )

    def find(self, task: str, reader: str, teacher: str, student: str = "quantum") -> Cell:
        """The cell of all training texts."""
        asked = (task, reader, teacher, student, 1.0)
        return next(c for c in self.cells if (c.task, c.reader, c.teacher, c.student, c.share) == asked)


def real_teachers(parameters: Parameters) -> list[str]:
    """The models among the teachers asked for."""
    names = commas(parameters.values["teachers"])
    for name in names:
        check_teacher(name)
    if not names:
        raise InputError("teachers is empty: name at least one, such as minilm.")
    return list(names)


def run(parameters: Parameters) -> Ceiling:
    """Every task, reader and teacher asked for; what the store lacks is trained. qwen reads hiding detection only."""
    store, seeds = Store(refresh=parameters.refresh), number_of_seeds(parameters)
    cells: list[Cell] = []
    teachers: dict[tuple[str, str], Row] = {}
    curves = {}
    real = real_teachers(parameters)
    right, shares = (DEMO_RIGHT, DEMO_SHARES) if parameters.demo else (RIGHT, SHARES)
    for task in tasks_of(parameters):
        for reader in readers_of(parameters):
            if reader == "qwen" and task != "hiding":
                continue
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            plain = Experiment(source, scale, TRUE, knobs("tuned"), store)
            for name in (*(f"labels-{share}" for share in right), *real):
                experiment = replace(plain, teacher=name)
                teachers[task, name] = experiment.teacher_row()
                cells += cells_of(experiment, seeds, tuple(STUDENTS))
            for share in shares[:-1]:
                cells += cells_of(replace(plain, train_share=share), seeds, ("quantum",))
            whole = teachers[task, TRUE].result["rows"]["train"]
            curves[task, reader] = curve([c for c in cells if (c.task, c.reader) == (task, reader)], whole, task)
    return Ceiling(parameters, cells, teachers, curves, store)


def cells_of(experiment: Experiment, seeds: range, students: tuple[str, ...]) -> list[Cell]:
    """The students of one experiment, at the preset's learning rate."""
    found = train(experiment, [Arm(student) for student in students], seeds, "fixed rate")
    labels, task = experiment.test_labels(), experiment.source.task
    where = task, experiment.scale.embedder, experiment.teacher
    return [
        Cell(*where, arm.student, experiment.train_share, outcome, compared(100.0 * (outcome.predicted == labels)))
        for arm, outcome in found.items()
    ]


def paper_texts(task: str) -> int:
    """The training texts of the paper: six in ten of the texts that its Table 1 counts."""
    printed = paper.table("datasets").query("task == @task and place == 'Table 1'")["texts"].iloc[0]
    return round(0.6 * paper.number(str(printed)))


def curve(cells: list[Cell], whole: int, task: str) -> Curve:
    """The learning curve of QD-LLM under the true labels; whole: how many training texts there are."""
    chosen = {each.share: each for each in cells if each.teacher == TRUE and each.student == "quantum"}
    texts = [round(share * whole) for share in sorted(chosen)]
    accuracies = np.array([chosen[share].outcome.accuracies for share in sorted(chosen)]).T * 100
    at = paper_texts(task)
    generator = np.random.default_rng(0)
    draws = [accuracies[generator.integers(0, len(accuracies), len(accuracies))] for _ in range(2000)]
    at_paper = [power_law(texts, draw.mean(axis=0), at) for draw in draws]
    low, high = np.percentile(at_paper, [2.5, 97.5])
    return Curve(texts, accuracies, at, (power_law(texts, accuracies.mean(axis=0), at), float(low), float(high)))


def power_law(texts: list[int], accuracies: np.ndarray, at: int) -> float:
    """Accuracy in percent at `at` texts, if the error falls as a power of their number (least squares of the logs)."""
    slope, start = np.polyfit(np.log(texts), np.log(100 - accuracies), 1)
    return float(100 - np.exp(start + slope * np.log(at)))


def answers(ceiling: Ceiling) -> list[str]:
    """A sentence a task: what the true labels reach on each reader, and what more texts would bring."""
    made = []
    for task in dict.fromkeys(task for task, _ in ceiling.teachers):
        readers = [reader for of, reader in ceiling.curves if of == task]
        best = {reader: ceiling.find(task, reader, TRUE).accuracy for reader in readers}
        printed = papers(task)
        reached = [reader for reader in readers if best[reader].mean >= printed]
        told = ", ".join(f"{percent(best[name])}% reading {READERS.get(name, name)}" for name in readers)
        verdict = (
            f"the paper's {printed:.1f}% is reached on {' and '.join(READERS.get(name, name) for name in reached)}"
            if reached
            else f"the paper's {printed:.1f}% is reached on none of them, so no teacher could bring it there"
        )
        first = max(readers, key=lambda name: ceiling.find(task, name, TRUE).outcome.validation)
        weak = [ceiling.find(task, first, WEAK, student) for student in STUDENTS]
        others = ", ".join(f"{STUDENTS[each.student]} {percent(each.accuracy)}%" for each in weak[1:])
        found = ceiling.curves[task, first]
        made.append(
            f"{TASKS[task].title}: with the true labels for a teacher QD-LLM gets {told}; {verdict}. On "
            f"{READERS.get(first, first)} a teacher that is right on 70% of the texts still gives it "
            f"{percent(weak[0].accuracy)}% ({others}). With the paper's {found.at:,} training texts for our "
            f"{found.texts[-1]:,} a power law of the error would give {found.there[0]:.1f}% [{found.there[1]:.1f}, "
            f"{found.there[2]:.1f}]."
        )
    return made


def answer_box(ceiling: Ceiling) -> HTML:
    """The sentences."""
    return sentences(answers(ceiling), ceiling.parameters.demo)


def name_of(teacher: str) -> str:
    """'true labels, right on 80%' or the model's name."""
    if teacher.startswith("labels-"):
        return f"true labels, right on {teacher.removeprefix('labels-')}%"
    return TEACHER_NAMES.get(teacher, teacher)


def ceiling_table(ceiling: Ceiling) -> HTML:
    """A group for each task and reader, a line for each teacher, a column for each student."""
    columns = list(STUDENTS.values())
    body = []
    for task, reader in ceiling.curves:
        body.append(group(f"{TASKS[task].title}, reading with {READERS.get(reader, reader)}", 1 + len(columns)))
        for teacher in (name for of, name in ceiling.teachers if of == task):
            own = 100 * ceiling.teachers[task, teacher].result["acc"]
            found = [ceiling.find(task, reader, teacher, student).accuracy for student in STUDENTS]
            shown = [cell(f"{each.mean:.1f}", f"[{each.low:.1f}, {each.high:.1f}]") for each in found]
            body.append(line(head(name_of(teacher), f"itself {own:.1f}% on the test texts"), shown))
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
                    yerr=[chosen["accuracy"] - chosen["low"], chosen["high"] - chosen["accuracy"]],
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
                    yerr=[[middle - low], [high - middle]],
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
        lower.set(xscale="log", xlabel="training texts; hollow: the paper's number, by a power law")
        lower.set_xticks(sizes, [f"{size:,}" for size in sizes])
        lower.minorticks_off()
        for axis in (upper, lower):
            if not ceiling.parameters.demo:
                shown["the paper's QD-LLM"] = axis.axhline(papers(task), color="0.2", linestyle="--", linewidth=1.2)
            axis.set_ylabel("test accuracy of QD-LLM, %")
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=2, frameon=False)
    if ceiling.parameters.demo:
        watermark(figure)
    return figure
