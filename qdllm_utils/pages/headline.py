"""The report on one page: each student's accuracy on each task, through each reader of the text, and how sure it is."""

from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from qdllm_utils.config import TASKS, knobs
from qdllm_utils.pages.controls_views import line, sentences
from qdllm_utils.parameters import Parameters, check_embedder, check_teacher
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import Arm, Outcome, answers_against, number_of_seeds, tasks_of, train
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, group, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.show.tables import READERS, TEACHER_NAMES
from qdllm_utils.texts.sources import Source

STUDENTS = {
    "QD-LLM, preset paper": ("paper", "quantum"),
    "QD-LLM, preset tuned": ("tuned", "quantum"),
    "the same without its circuit (cos)": ("tuned", "cosine"),
    "linear probe": ("tuned", "linear"),
}
TUNED, WITHOUT, PROBE = list(STUDENTS)[1:]
FAMILY = 6  # comparisons of one reader: three tasks, with cos and with the probe


@dataclass(frozen=True)
class Cell:
    """One student of one task and reader."""

    task: str
    reader: str
    student: str
    outcome: Outcome
    accuracy: Difference  # the accuracy itself in percent, with its interval over seeds and texts


@dataclass(frozen=True)
class Ladder:
    """One student, preset tuned, taught by one teacher after another on one task and reader.

    students: {teacher: outcome}; gains: {teacher: its student minus the first teacher's student}.
    """

    task: str
    reader: str
    teachers: dict[str, Row]
    students: dict[str, Outcome]
    accuracies: dict[str, Difference]
    gains: dict[str, Difference]


@dataclass(frozen=True)
class Headline:
    """What the page shows.

    teachers: {task: row}. circuit: {(task, reader): with the circuit minus without it, tuned}; probe: the same minus
    the linear probe.
    """

    parameters: Parameters
    cells: list[Cell]
    teachers: dict[str, Row]
    circuit: dict[tuple[str, str], Difference]
    probe: dict[tuple[str, str], Difference]
    ladder: "Ladder"
    store: Store

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: task, reader, student, accuracy in percent with its interval, trained parameters, seeds."""
        return pd.DataFrame(
            {
                "task": cell.task,
                "reader": cell.reader,
                "student": cell.student,
                "accuracy": cell.accuracy.mean,
                "low": cell.accuracy.low,
                "high": cell.accuracy.high,
                "parameters": cell.outcome.rows[0].result["parameters"],
                "seeds": len(cell.outcome.rows),
                "pooling": cell.outcome.rows[0].identity["knobs"]["pooling"],
                "paper": papers(cell.task),
            }
            for cell in self.cells
        )

    def cell(self, task: str, reader: str, student: str) -> Cell | None:
        """One cell, or None."""
        return next((c for c in self.cells if (c.task, c.reader, c.student) == (task, reader, student)), None)


def papers(task: str) -> float:
    """The paper's accuracy of QD-LLM over its five teachers, in percent."""
    return 100 * paper.number(paper.compression(task, "overall", "quantum", "acc") or "")


def readers_of(parameters: Parameters) -> list[str]:
    """The readers asked for; by default the demo's one, else MiniLM and MPNet."""
    asked = parameters.values["embedders"] or ("minilm" if parameters.demo else "minilm, mpnet")
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        check_embedder(name)
    return names


def run(parameters: Parameters) -> Headline:
    """Every task and reader asked for; what the store lacks is trained. qwen is read on hiding detection only."""
    store = Store(refresh=parameters.refresh)
    seeds = number_of_seeds(parameters)
    cells: list[Cell] = []
    teachers: dict[str, Row] = {}
    differences: dict[str, dict[tuple[str, str], Difference]] = {WITHOUT: {}, PROBE: {}}
    for task in tasks_of(parameters):
        for reader in readers_of(parameters):
            if reader == "qwen" and task != "hiding":
                continue
            scale = replace(parameters.size, embedder=reader)
            source = Source(task, scale, parameters.values.get("data_dir"))
            experiment = Experiment(source, scale, parameters.teacher, knobs("tuned"), store)
            teachers[task] = experiment.teacher_row()
            found = outcomes(experiment, seeds, decoder=reader == "qwen")
            labels = experiment.test_labels()
            cells += [
                Cell(task, reader, name, outcome, compared(100.0 * (outcome.predicted == labels)))
                for name, outcome in found.items()
            ]
            for name, of in differences.items():
                of[task, reader] = compared(answers_against(found[TUNED], found[name], labels), FAMILY)
    return Headline(
        parameters, cells, teachers, differences[WITHOUT], differences[PROBE], ladder_of(parameters, store), store
    )


def ladder_of(parameters: Parameters, store: Store) -> Ladder:
    """The student of hiding detection on the last encoder asked for, under each teacher of `teachers`."""
    reader = [name for name in readers_of(parameters) if name != "qwen"] or ["qwen"]
    scale = replace(parameters.size, embedder=reader[-1])
    source = Source("hiding", scale, parameters.values.get("data_dir"))
    names = [name.strip() for name in (parameters.values["teachers"] or parameters.teacher).split(",")]
    rows, students = {}, {}
    for name in names:
        check_teacher(name)
        experiment = Experiment(source, scale, name, knobs("tuned"), store)
        (students[name],) = train(experiment, [Arm("quantum")], number_of_seeds(parameters), "tuned").values()
        rows[name] = experiment.teacher_row()
    labels, first = experiment.test_labels(), students[names[0]]
    accuracies = {name: compared(100.0 * (of.predicted == labels)) for name, of in students.items()}
    gains = {
        name: compared(answers_against(of, first, labels), len(names) - 1)
        for name, of in students.items()
        if name != names[0]
    }
    return Ladder("hiding", reader[-1], rows, students, accuracies, gains)


def outcomes(experiment: Experiment, seeds: range, decoder: bool) -> dict[str, Outcome]:
    """The outcome of each student; a decoder has no padded position, so there preset paper reads the chosen pooling."""
    published = knobs("paper", pooling=experiment.knobs.pooling if decoder else None)
    made: dict[str, Outcome] = {}
    for preset, chosen in (("paper", published), ("tuned", experiment.asked)):
        names = {name: student for name, (of, student) in STUDENTS.items() if of == preset}
        trained = train(replace(experiment, asked=chosen), [Arm(student) for student in names.values()], seeds, preset)
        made |= {name: trained[Arm(student)] for name, student in names.items()}
    return made


def percent(difference: Difference) -> str:
    """'87.6 [85.1, 90.1]'."""
    return f"{difference.mean:.1f} [{difference.low:.1f}, {difference.high:.1f}]"


def headline_table(headline: Headline) -> HTML:
    """A group for each task: the paper's value, then each reader's students."""
    columns = ("Accuracy, %", "Trained parameters", "Feature", "Seeds")
    body = []
    for task, teacher in headline.teachers.items():
        body.append(group(TASKS[task].title, 1 + len(columns)))
        if not headline.parameters.demo:
            body.append(
                line("the paper's QD-LLM", "mean over its five teachers; printed", [f"{papers(task):.1f}"] + [""] * 3)
            )
        name, size = teacher.result["name"], f"{teacher.result['parameters']:,}"
        body.append(line("the teacher", f"{name}, fine-tuned", [f"{100 * teacher.result['acc']:.1f}", size, "", "1"]))
        for cell in headline.cells:
            if cell.task == task:
                row = cell.outcome.rows[0]
                values = [percent(cell.accuracy), f"{row.result['parameters']:,}"]
                values += [row.identity["knobs"]["pooling"], str(len(cell.outcome.rows))]
                body.append(line(cell.student, f"reads {READERS.get(cell.reader, cell.reader)}", values))
    notes = (
        "Test accuracy in percent, mean over seeds, with its 95% interval over seeds and texts. Feature: which states "
        "of the frozen reader the student reads; in preset tuned the one that a logistic regression prefers on "
        "validation, the same for every student. Trained parameters leave the reader out, which every student needs at "
        "inference (MiniLM 22.7 million, MPNet 109.5 million, Qwen 1.54 billion)."
    )
    return table(notes, ["", *columns], body, headline.parameters.demo)


def answers(headline: Headline) -> list[str]:
    """What the rows say, a sentence a question."""
    tasks = list(headline.teachers)
    of_task = {task: [cell for cell in headline.cells if cell.task == task] for task in tasks}
    best = {task: max(cells, key=lambda cell: cell.outcome.validation) for task, cells in of_task.items()}
    reader = max(readers_of(headline.parameters), key=lambda name: sum(c.reader == name for c in best.values()))
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
    ladder = headline.ladder
    if ladder.gains:
        steps = ", ".join(
            f"{TEACHER_NAMES.get(name, name)} (itself {100 * ladder.teachers[name].result['acc']:.1f}%) gives "
            f"{percent(accuracy)}"
            for name, accuracy in ladder.accuracies.items()
        )
        told = "; ".join(
            f"{TEACHER_NAMES.get(name, name)} {gain.mean:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}], {gain.verdict}"
            for name, gain in ladder.gains.items()
        )
        first = TEACHER_NAMES.get(next(iter(ladder.teachers)), next(iter(ladder.teachers)))
        made.append(
            f"Does a better teacher make a better student? On {TASKS[ladder.task].title.lower()}, QD-LLM on "
            f"{READERS.get(ladder.reader, ladder.reader)}: {steps}. Against the student of {first}: {told}."
        )
    return made


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
