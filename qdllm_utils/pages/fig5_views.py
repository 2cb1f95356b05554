"""Figure 5's tables and figures."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

from qdllm_utils.config import TASKS, changed
from qdllm_utils.pages.fig5 import CONDITIONS, ERROR_CURVE, SHOT_CURVE, Settings, Study, supporting_sizes
from qdllm_utils.pages.fig5_jobs import Replay, replay, submit_or_explain
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import origin, paper
from qdllm_utils.show.html_table import HTML, line, table
from qdllm_utils.show.plots import style, watermark
from qdllm_utils.show.tables import TEACHER_NAMES
from qdllm_utils.texts.sources import Source

TEXTS = {"demo": 8}  # texts of a subset by default
OTHER_TEXTS = 40
DEMO_QUBITS = 9  # exact noise takes half a second of CPU a circuit on 11 qubits, 16 times less on 9


@dataclass(frozen=True)
class Figure5:
    """Everything that the page shows: studies and rows in the same order, the ledger's replays, the dry run's words."""

    parameters: Parameters
    studies: list[Study]
    rows: list[Row]
    replays: list[Replay]
    submission: str

    def name(self, study: Study) -> str:
        """Task and teacher."""
        experiment = study.experiment
        return f"{experiment.source.title}, {TEACHER_NAMES.get(experiment.teacher, experiment.teacher)}"


def figure5(parameters: Parameters) -> Figure5:
    """All studies that the parameters ask for, out of the store or computed; a submission only with `submit`."""
    scale, store = parameters.size, Store(refresh=parameters.refresh)
    knobs = parameters.knobs
    if scale.name == "demo" and parameters.qubits is None:
        knobs = replace(knobs, qubits=DEMO_QUBITS)
    texts = parameters.texts or TEXTS.get(scale.name, OTHER_TEXTS)
    settings = Settings(texts, parameters.shots, parameters.seed, parameters.calibration)
    studies = [
        Study(
            Experiment(Source(name, scale, parameters.data_dir), scale, teacher, knobs, store),
            settings,
        )
        for name in parameters.task_list
        for teacher in parameters.teachers
    ]
    rows = [study.row() for study in studies]
    submission = submit_or_explain(studies, rows, parameters)
    return Figure5(parameters, studies, rows, replay(parameters.ledger, store), submission)


def interval(right: int, texts: int) -> tuple[float, float]:
    """The 95% Wilson interval of an accuracy."""
    found = binomtest(right, texts).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def accuracy(right: int, texts: int) -> str:
    """0.7500 and below it the interval."""
    low, high = interval(right, texts)
    return f'{right / texts:.4f}<br><span class="paper">{low:.2f} to {high:.2f}</span>'


def rows_of(lines: Iterable[Sequence[str]]) -> list[str]:
    """Lines of HTML cells as rows of a table; the first cell of a line is its head."""
    return [line(head, (f"<td>{cell}</td>" for cell in cells)) for head, *cells in lines]


def printed(fact: str) -> str:
    """A fact of the paper's hardware section, as printed; where it says two things, both."""
    rows = paper.table("hardware")
    return " or ".join(rows[rows["fact"] == fact]["value"])


def accuracies(figure: Figure5) -> HTML:
    """Accuracy in every condition, with its interval; below, the paper's range."""
    parameters, first = figure.parameters, figure.rows[0]
    lowest, highest = printed("lowest accuracy"), printed("highest accuracy")
    differing = changed(parameters.preset, figure.studies[0].experiment.knobs)
    changes = "; changed: " + ", ".join(f"{k} = {v}" for k, v in differing.items()) if differing else ""
    chip = "the table given as calibration" if parameters.calibration else "the shipped table, which is synthetic"
    notes = (
        f"Accuracy on {first.result['texts']} test texts (stratified), student seed {parameters.seed}, "
        f"{parameters.shots:,} shots a circuit; grey: 95% Wilson interval. Ideal and shots: the exact circuit; every "
        f"other column: simulated noise of a chip after {chip}. Preset {parameters.preset}{changes}. The paper: "
        f"{lowest} to {highest} on {printed('test texts')}, {printed('shots')} shots, {printed('teachers')} teachers, "
        f"{printed('data sets')} tasks."
    )
    lines = []
    for study, row in zip(figure.studies, figure.rows, strict=True):
        cells = [accuracy(row.result["right"][name], row.result["texts"]) for name in CONDITIONS]
        tested = f'{row.result["ideal_over_all"]:.4f}<br><span class="paper">{row.result["test_texts"]:,} texts</span>'
        noisy = f'{row.result["by_error"]["1.0"]:.4f}<br><span class="paper">{row.result["test_texts"]:,} texts</span>'
        lines.append([html.escape(figure.name(study)), *cells, tested, noisy])
    heads = ["", *CONDITIONS, "all test texts: ideal", "all: noise, infinite shots"]
    return table(notes, heads, rows_of(lines), figure.parameters.demo)


def compilation(figure: Figure5) -> HTML:
    """Two-qubit gates and depth on the way from the description to the chip."""
    lines = []
    for study, row in zip(figure.studies, figure.rows, strict=True):
        for what, gates, depth in row.result["stages"]:
            lines.append([f"{html.escape(figure.name(study))}: {what}", f"{gates:,}", f"{depth:,}"])
    notes = (
        f"{figure.rows[0].result['layers']} layers. Two-qubit gates as a chip counts them (an RZZ is two), depth in "
        "native gates. Every step leaves each <Z> as it was."
    )
    return table(notes, ["", "two-qubit gates", "depth"], rows_of(lines), figure.parameters.demo)


def replays(figure: Figure5) -> HTML:
    """What the counts of the ledger say."""
    if not figure.replays:
        return HTML(f'<div class="qd-provenance">No counts of hardware. {html.escape(figure.submission)}</div>')
    lines = []
    for found in figure.replays:
        error = np.sqrt(np.mean((found.z - found.ideal) ** 2))
        lines.append(
            [
                f'{html.escape(found.task)}<br><span class="paper">student {found.key[-20:-12]}</span>',
                html.escape(found.source),
                html.escape(found.chip),
                f"{found.shots:,}",
                str(found.texts),
                accuracy(found.ideal_right, found.texts),
                accuracy(found.right, found.texts),
                f"{error:.3f}",
            ]
        )
    notes = (
        "Counts replayed from the ledger. Source 'stand-in': answers of this project's test server, which simulates a "
        "chip; they are not measurements of a quantum computer."
    )
    heads = ["", "source", "chip", "shots", "texts", "ideal", "from the counts", "error of <Z> (rms)"]
    return table(f"{notes} {figure.submission}", heads, rows_of(lines))


def condition_figure(figure: Figure5) -> Any:
    """Accuracy by condition, a panel for each task and teacher, beside the paper's range."""
    style()
    count = len(figure.rows)
    columns = min(count, 3)
    shape = (-(-count // columns), columns)
    panels, axes = plt.subplots(
        *shape, figsize=(max(6.4, 3.8 * columns), 4.4 * shape[0]), sharey=True, squeeze=False, layout="constrained"
    )
    low, high = (float(printed(f"{end} accuracy").rstrip("%")) / 100 for end in ("lowest", "highest"))
    for axis, study, row in zip(axes.flat, figure.studies, figure.rows, strict=False):
        points = [(name, row.result["right"][name], row.result["texts"], "o") for name in CONDITIONS]
        own = [found for found in figure.replays if found.key == study.student_key]
        points += [(found.source, found.right, found.texts, "D") for found in own]
        axis.axhspan(low, high, color="0.85", label="the paper's range on hardware")
        for place, (_, right, texts, marker) in enumerate(points):
            centre, ends = right / texts, interval(right, texts)
            axis.errorbar(
                place, centre, yerr=[[centre - ends[0]], [ends[1] - centre]], fmt=marker, capsize=3, color="C0",
                label="accuracy on the subset, 95% Wilson interval" if place == 0 else None,
            )  # fmt: skip
        chance = 1 / len(TASKS[study.experiment.source.task].classes)
        axis.axhline(chance, linestyle=":", color="0.35", label="chance")
        axis.set_title(figure.name(study))
        axis.set_xticks(
            range(len(points)), [name for name, *_ in points], rotation=50, ha="right", rotation_mode="anchor"
        )
    for axis in list(axes.flat)[count:]:
        axis.remove()
    axes[0, 0].set(ylabel="accuracy", ylim=(0, 1))
    panels.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    if figure.parameters.demo:
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
    if figure.parameters.demo:
        watermark(panels)
    return panels


def subset_sizes(figure: Figure5) -> HTML:
    """The sizes of a subset of which the paper's two printed accuracies can come."""
    largest = 2000
    ends = [printed("lowest accuracy"), printed("highest accuracy")]
    sizes = [supporting_sizes(value, largest) for value in ends]
    both = sorted(set(sizes[0]) & set(sizes[1]))

    def first(found: list[int]) -> str:
        return ", ".join(map(str, found[:8])) + (" ..." if len(found) > 8 else "") if found else "none"

    lines = [[value, first(found)] for value, found in zip(ends, sizes, strict=True)]
    lines.append(["both", first(both)])
    notes = f"Numbers of test texts, up to {largest:,}, of which a whole number right prints as the paper's accuracy."
    return table(notes, ["accuracy in the paper", "possible sizes of the subset, smallest first"], rows_of(lines))


def provenance_strip(figure: Figure5) -> HTML:
    """Where the rows come from: the simulations and the students."""
    rows = figure.rows + [study.student.row for study in figure.studies]
    return origin.of_rows(rows, figure.studies[0].experiment.store, figure.parameters.scale)
