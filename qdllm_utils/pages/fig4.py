"""Figure 4: QD-LLM beside the four related-task baselines on every task; rows, figure, table and verdict.

The paper's text names the baselines and draws Figure 4, but prints no number of theirs, so only QD-LLM's own values
(Tables 4 to 6, overall) stand beside ours. All baselines are run on all three tasks.
"""

import html
from dataclasses import dataclass
from math import inf
from statistics import mean
from typing import Any

import numpy as np

from qdllm_utils.config import TASKS, changed
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import html_table, paper, tables
from qdllm_utils.texts.sources import Source

OUTCOMES = {"above": "above", "below": "below", "inconclusive": "within seed variation of"}
COLUMNS = ("acc", "p", "r", "f1")


@dataclass(frozen=True)
class Related:
    """What the figure shows: a Comparison for each task, by its name.

    In each, every teacher's run holds the quantum student, and the first one the related-task baselines as well:
    they have no teacher, so that their rows are the same for all.
    """

    parameters: Parameters
    tasks: dict[str, Comparison]

    @property
    def whole(self) -> Comparison:
        """All tasks' runs as one, for the provenance."""
        first = next(iter(self.tasks.values()))
        runs = [run for comparison in self.tasks.values() for run in comparison.runs]
        return Comparison("Related-task baselines", first.source_kind, None, self.parameters, runs, first.store)


@dataclass(frozen=True)
class Difference:
    """QD-LLM's accuracy less a baseline's, paired by seed: the mean and its 95% interval (Student's t)."""

    mean: float
    low: float
    high: float

    @property
    def outcome(self) -> str:
        """above, below or inconclusive."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "inconclusive"


def related_students(task: str) -> tuple[str, ...]:
    """The baselines that fit a task: the label tree is one over the thematic classes."""
    from qdllm_utils.runs.jobs import RELATED

    return tuple(name for name in RELATED if name != "hitin_tree" or task == "thematic")


def compare_related(parameters: Parameters) -> Related:
    """The quantum student of each teacher asked for, and the related-task baselines, on every task."""
    scale = parameters.size
    store = Store(refresh=parameters.refresh)
    tasks = {}
    for task in TASKS.values():
        source = Source(task.name, scale, parameters.values.get("data_dir"))
        runs = []
        for number, teacher in enumerate(parameters.teachers):
            experiment = Experiment(source, scale, teacher, parameters.knobs, store)
            names = ("quantum",) if number else ("quantum", *related_students(task.name))
            students = experiment.student_rows(names, parameters.seed_list)
            runs.append(TeacherRun(teacher, experiment.teacher_row(), students))
        tasks[task.name] = Comparison(source.title, source.kind, task.name, parameters, runs, store)
    return Related(parameters, tasks)


def title(student: str) -> str:
    """The name shown for a student."""
    from qdllm_utils.runs.jobs import RELATED

    return "QD-LLM" if student == "quantum" else RELATED[student].title


def by_seed(comparison: Comparison, student: str, metric: str) -> list[float]:
    """A metric for each seed; QD-LLM's is its mean over the teachers."""
    runs = [run.students[student] for run in comparison.runs if student in run.students]
    return [mean(row.result[metric] for row in seed) for seed in zip(*runs, strict=True)]


def difference(comparison: Comparison, student: str) -> Difference:
    """QD-LLM less `student`; without a second seed the interval has no ends."""
    from scipy.stats import t

    pairs = zip(by_seed(comparison, "quantum", "acc"), by_seed(comparison, student, "acc"), strict=True)
    differences = [ours - theirs for ours, theirs in pairs]
    centre, sd = tables.spread(differences)
    if sd is None:
        return Difference(centre, -inf, inf)
    half = float(t.ppf(0.975, len(differences) - 1)) * sd / len(differences) ** 0.5
    return Difference(centre, centre - half, centre + half)


def verdict(related: Related) -> tables.HTML:
    """Whether QD-LLM outperforms every related-task baseline on every task, as the paper says, from the rows."""
    lines, outcomes = [], []
    for comparison in related.tasks.values():
        found: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
        for student in list(comparison.runs[0].students)[1:]:
            outcome = difference(comparison, student).outcome
            found[outcome].append(title(student))
            outcomes.append(outcome)
        parts = [f"{OUTCOMES[outcome]} {'; '.join(names)}" for outcome, names in found.items() if names]
        lines.append(f"{comparison.title}: QD-LLM is {', '.join(parts)}.")
    if "below" in outcomes:
        judgement = "not reproduced"
    else:
        judgement = "inconclusive" if "inconclusive" in outcomes else "reproduced"
    seeds = len(related.parameters.seed_list)
    above, below = outcomes.count("above"), outcomes.count("below")
    text = (
        "The paper's claim that QD-LLM outperforms the related-task baselines on every task: "
        f"{judgement}; it is above in {above} of {len(outcomes)} comparisons and below in {below} (95% interval of "
        f"the difference of accuracies, paired over {seeds} seed{'s' if seeds > 1 else ', which gives none'}). "
    )
    shown = f"<strong>{html.escape(text)}</strong>{html.escape(' '.join(lines))}{badge(related)}"
    return tables.HTML(f'<div class="qd-verdict">{shown}</div>', verdicts=[text.strip(), *lines])


def badge(related: Related) -> str:
    """The mark of the demo scale."""
    return html_table.DEMO if related.parameters.demo else ""


def table(related: Related) -> tables.HTML:
    """A block for each task: every student's metrics, its parameters, and QD-LLM's lead over it."""
    heads = [tables.METRICS[name] for name in COLUMNS] + ["QD-LLM's lead (Acc)", "parameters"]
    lines = []
    for task, comparison in related.tasks.items():
        lines.append(html_table.group(comparison.title, 1 + len(heads)))
        for student, rows in comparison.runs[0].students.items():
            cells = []
            for metric in COLUMNS:
                printed = paper.compression(task, "overall", "quantum", metric) if student == "quantum" else None
                cells.append(tables.cell(by_seed(comparison, student, metric), metric, printed))
            cells += [lead(comparison, student), html_table.cell(tables.count(rows[0].result["parameters"]))]
            lines.append(html_table.line(head(student, rows[0]), cells))
    return html_table.table(html_table.HTML(caption(related)), ["", *heads], lines)


def head(student: str, row: Row) -> html_table.HTML:
    """The name of a student, what of its method is special, and its size."""
    from qdllm_utils.runs.jobs import RELATED

    note = RELATED[student].note if student in RELATED else ""
    return html_table.below(title(student), html_table.grey(note, row.result["size"]))


def lead(comparison: Comparison, student: str) -> html_table.HTML:
    """The cell of QD-LLM's lead over a student: mean, interval, outcome."""
    if student == "quantum":
        return html_table.cell("")
    found = difference(comparison, student)
    interval = f"[{found.low:+.4f}, {found.high:+.4f}]" if found.high < inf else "one seed"
    return html_table.cell(html_table.below(f"{found.mean:+.4f}", interval), found.outcome)


def caption(related: Related) -> str:
    """What was run, in words."""
    parameters = related.parameters
    first = next(iter(related.tasks.values()))
    teachers = ", ".join(tables.TEACHER_NAMES.get(run.name, run.teacher.result["name"]) for run in first.runs)
    differing = changed(parameters.preset, parameters.knobs)
    changes = "; changed: " + ", ".join(f"{k} = {v}" for k, v in differing.items()) if differing else ""
    several = "; the mean over these teachers" if len(first.runs) > 1 else ""
    seeds = len(parameters.seed_list)
    sizes = (
        ""
        if parameters.size.paper_sizes
        else " The baselines are smaller than as published; the sizes are below their names."
    )
    notes = [
        f"{tables.OWN_DATA[first.source_kind].capitalize()}, one split for all.",
        f"QD-LLM: preset {parameters.preset}{changes}; teacher {teachers}{several}.",
        "The baselines learn from the task's labels and have no teacher.",
        f"Mean ± standard deviation over {seeds} seeds; lead: mean and 95% interval of the difference paired by seed."
        if seeds > 1
        else "One seed: no spread.",
        "Parameters are trained ones: QD-LLM and BERT-QTC read the text through a frozen encoder that is not counted.",
        f"Grey: the paper's QD-LLM; the paper's text prints no number of Figure 4's baselines.{sizes}",
    ]
    return html.escape(" ".join(notes)) + badge(related)


def figure(related: Related) -> Any:
    """Test accuracy of every student, a panel for each task: mean, standard deviation, and each seed as a dot.

    Hollow: the paper's QD-LLM. Dashed: the teacher itself. Dotted: chance.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    from qdllm_utils.runs.jobs import RELATED
    from qdllm_utils.show import plots

    plots.style()
    colours = sns.color_palette("colorblind")
    names = ("quantum", *RELATED)
    panels, axes = plt.subplots(1, len(related.tasks), figsize=(12, 4.6), sharey=True, layout="constrained")
    for axis, (task, comparison) in zip(axes, related.tasks.items(), strict=True):
        for place, student in enumerate(names):
            if student not in comparison.runs[0].students:
                axis.text(0.5, place, "–", transform=axis.get_yaxis_transform(), ha="center", va="center", color="0.5")
                continue
            numbers = by_seed(comparison, student, "acc")
            centre, sd = tables.spread(numbers)
            colour, marker = (colours[4], "*") if student == "quantum" else (colours[0], "o")
            axis.plot(numbers, [place + 0.25] * len(numbers), ".", color="0.45", markersize=5, label="a seed")
            look = {"color": colour, "marker": marker, "markersize": 13 if marker == "*" else 8, "linestyle": "none"}
            label = "QD-LLM" if student == "quantum" else "a baseline"
            axis.errorbar(centre, place, xerr=sd or 0, capsize=3, label=f"{label} (mean ± sd over seeds)", **look)
            printed = paper.compression(task, "overall", "quantum", "acc") if student == "quantum" else None
            if printed:
                axis.plot(float(printed), place, markerfacecolor="none", label="QD-LLM in the paper", **look)
        teacher = float(np.mean([run.teacher.result["acc"] for run in comparison.runs]))
        axis.axvline(teacher, linestyle="--", color="0.35", linewidth=1, label="the teacher itself")
        axis.axvline(1 / len(TASKS[task].classes), linestyle=":", color="0.35", linewidth=1, label="chance")
        axis.set(xlabel="test accuracy", title=comparison.title)
    axes[0].set(yticks=range(len(names)), yticklabels=[title(student) for student in names])
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    panels.legend(list(found.values()), list(found), loc="outside lower center", ncols=3, frameon=False)
    if related.parameters.demo:
        plots.watermark(panels)
    return panels
