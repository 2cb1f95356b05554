"""Figure 4: QD-LLM beside the four related-task baselines on every task; rows, figure, table and verdict.

The paper's text names the baselines and draws Figure 4, but prints no number of theirs, so only QD-LLM's own values
(Tables 4 to 6, overall) stand beside ours. All baselines are run on all three tasks.
"""

import html
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np

from qdllm_utils.config import TASKS, changed
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import LEAST_SEEDS, Difference, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import predictions
from qdllm_utils.show import html_table, paper, tables
from qdllm_utils.texts.sources import Source

OUTCOMES = {"ahead": "ahead of", "behind": "behind", "inconclusive": "not to be told from"}
COLUMNS = ("acc", "p", "r", "f1")


@dataclass(frozen=True)
class Related:
    """What the figure shows: a Comparison for each task, by its name.

    In each, every teacher's run holds the quantum student, and the first one the related-task baselines as well:
    they have no teacher, so that their rows are the same for all. labels: (N,) of each task's test texts.
    """

    parameters: Parameters
    tasks: dict[str, Comparison]
    labels: dict[str, np.ndarray]

    @property
    def whole(self) -> Comparison:
        """All tasks' runs as one, for the provenance."""
        first = next(iter(self.tasks.values()))
        runs = [run for comparison in self.tasks.values() for run in comparison.runs]
        return Comparison("Related-task baselines", first.source_kind, None, self.parameters, runs, first.store)


def related_students(task: str) -> tuple[str, ...]:
    """The baselines that fit a task: the label tree is one over the thematic classes."""
    from qdllm_utils.runs.jobs import RELATED

    return tuple(name for name in RELATED if name != "hitin_tree" or task == "thematic")


def compare_related(parameters: Parameters) -> Related:
    """The quantum student of each teacher asked for, and the related-task baselines, on every task."""
    scale = parameters.size
    store = Store(refresh=parameters.refresh)
    tasks, labels = {}, {}
    for task in TASKS.values():
        source = Source(task.name, scale, parameters.values.get("data_dir"))
        runs = []
        for number, teacher in enumerate(parameters.teachers_of(task.name)):
            experiment = Experiment(source, scale, teacher, parameters.knobs, store)
            names = ("quantum",) if number else ("quantum", *related_students(task.name))
            students = experiment.student_rows(names, parameters.seed_list)
            runs.append(TeacherRun(teacher, experiment.teacher_row(), students))
            labels[task.name] = experiment.test_labels()
        tasks[task.name] = Comparison(source.title, source.kind, task.name, parameters, runs, store)
    return Related(parameters, tasks, labels)


def title(student: str) -> str:
    """The name shown for a student."""
    from qdllm_utils.runs.jobs import RELATED

    return "QD-LLM" if student == "quantum" else RELATED[student].title


def by_seed(comparison: Comparison, student: str, metric: str) -> list[float]:
    """A metric for each seed; QD-LLM's is its mean over the teachers."""
    runs = [run.students[student] for run in comparison.runs if student in run.students]
    return [mean(row.result[metric] for row in seed) for seed in zip(*runs, strict=True)]


def difference(related: Related, task: str, student: str) -> Difference:
    """QD-LLM's accuracy, the mean over teachers, less a baseline's in points; one family: all baselines and tasks."""
    comparison, labels = related.tasks[task], related.labels[task]
    ours = np.mean([predictions(run.students["quantum"]) == labels for run in comparison.runs], axis=0)
    theirs = predictions(comparison.runs[0].students[student]) == labels
    family = sum(len(other.runs[0].students) - 1 for other in related.tasks.values())
    return compared(100 * (ours - theirs), family)


def verdict(related: Related) -> tables.HTML:
    """Whether QD-LLM outperforms every related-task baseline on every task, as the paper says, from the rows."""
    lines, outcomes = [], []
    for task, comparison in related.tasks.items():
        found: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
        for student in list(comparison.runs[0].students)[1:]:
            outcome = difference(related, task, student).verdict
            found[outcome].append(title(student))
            outcomes.append(outcome)
        parts = [f"{OUTCOMES[outcome]} {'; '.join(names)}" for outcome, names in found.items() if names]
        lines.append(f"{comparison.title}: QD-LLM is {', '.join(parts)}.")
    if "behind" in outcomes:
        judgement = "not reproduced"
    else:
        judgement = "inconclusive" if "inconclusive" in outcomes else "reproduced"
    ahead, behind = outcomes.count("ahead"), outcomes.count("behind")
    text = (
        "The paper's claim that QD-LLM outperforms the related-task baselines on every task: "
        f"{judgement}; it is ahead in {ahead} of {len(outcomes)} comparisons and behind in {behind}. "
    )
    if len(related.parameters.seed_list) < LEAST_SEEDS:
        text += f"Fewer than {LEAST_SEEDS} seeds tell nothing, whatever the difference. "
    shown = f"<strong>{html.escape(text)}</strong>{html.escape(' '.join(lines))}{badge(related)}"
    return tables.HTML(f'<div class="qd-verdict">{shown}</div>', verdicts=[text.strip(), *lines])


def badge(related: Related) -> str:
    """The mark of the demo scale."""
    return html_table.DEMO if related.parameters.demo else ""


def table(related: Related) -> tables.HTML:
    """A block for each task: every student's metrics, its parameters, and QD-LLM's lead over it."""
    first, *others = (tables.METRICS[name] for name in COLUMNS)
    heads = [first, "Lead, points", *others, "Parameters"]
    lines = []
    for task, comparison in related.tasks.items():
        lines.append(html_table.group(comparison.title, 1 + len(heads)))
        for student, rows in comparison.runs[0].students.items():
            cells = []
            for metric in COLUMNS:
                printed = paper.compression(task, "overall", "quantum", metric) if student == "quantum" else None
                cells.append(tables.cell(by_seed(comparison, student, metric), metric, printed))
            cells.insert(1, lead(related, task, student))
            cells.append(html_table.cell(tables.count(rows[0].result["parameters"])))
            lines.append(html_table.line(head(student, rows[0]), cells))
    return html_table.table(html_table.HTML(caption(related)), ["", *heads], lines)


def head(student: str, row: Row) -> html_table.HTML:
    """The name of a student, what of its method is special, and its size."""
    from qdllm_utils.runs.jobs import RELATED

    note = RELATED[student].note if student in RELATED else ""
    return html_table.below(title(student), html_table.grey(note, row.result["size"]))


def lead(related: Related, task: str, student: str) -> html_table.HTML:
    """The cell of QD-LLM's lead over a student: mean, interval, outcome."""
    if student == "quantum":
        return html_table.cell("")
    found = difference(related, task, student)
    return html_table.cell(found.signed, found.verdict)


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
        (f"Mean ± standard deviation over {seeds} seeds. " if seeds > 1 else "One seed: no spread. ")
        + "Lead: QD-LLM's accuracy less the baseline's, paired by seed and text, with its 95% interval over both, "
        "corrected for all baselines.",
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
