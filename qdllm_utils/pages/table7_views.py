"""Tables 7 and 8 as they are shown, their figure and their verdicts."""

from statistics import mean
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.lines import Line2D

from qdllm_utils.config import TASKS, changed
from qdllm_utils.pages.table7 import LOSSES, Ablation
from qdllm_utils.runs.statistics import Difference
from qdllm_utils.show import paper, plots
from qdllm_utils.show.html_table import HTML, cell, group, head, line, table
from qdllm_utils.show.tables import METRICS, count, how_taught, measured, model_name, spread
from qdllm_utils.show.verdicts import (
    DEMO_WHY,
    NOT,
    UNTRIED,
    Verdict,
    few,
    judge,
    others_taught,
    overall_status,
    tally,
)
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

QUALITY = ("acc", "p", "r", "f1")


def describe(ablation: Ablation) -> str:
    """The preset, what was changed, the seeds and the data, for a caption."""
    parameters = ablation.parameters
    differing = changed(parameters.preset, parameters.knobs)
    changes = "; changed: " + ", ".join(f"{k} = {v}" for k, v in differing.items()) if differing else ""
    texts = "generated demo texts" if parameters.size.generated else "the authors' released texts"
    seeds = len(parameters.seed_list)
    return (
        f"QD-LLM on {texts}, preset {parameters.preset}{changes}; mean ± standard deviation over {seeds} student seeds."
    )


def is_demo(ablation: Ablation) -> bool:
    """Whether this is only a demo."""
    return ablation.parameters.demo


def difference(ablation: Ablation, variant: str, tasks: list[str] | None = None) -> Difference:
    """A loss's accuracy less that of the full loss, in points; one family: the losses beside the full one."""
    return ablation.difference((variant, None), ("all", None), tasks, len(LOSSES) - 1)


def loss_table(ablation: Ablation) -> HTML:
    """The paper's Table 7, with each task beside the mean over tasks, and the difference to the full loss."""
    columns = ["Loss", "Acc", "F1", "Acc less the full, points", *(f"Acc, {task}" for task in TASKS)]
    lines = []
    for name, loss in LOSSES.items():
        cells = []
        for metric in ("acc", "f1"):
            printed = paper.loss(loss.printed, metric) if loss.printed else None
            cells.append(cell(*measured(ablation.values(name, metric)), f"paper {printed}" if printed else ""))
        full, own = paper.loss("all", "acc"), paper.loss(loss.printed or "", "acc")
        below = f"paper {100 * (paper.number(own) - paper.number(full)):+.1f}" if own and full else ""
        found = None if name == "all" else difference(ablation, name)
        cells.append(cell(found.signed, found.verdict, below) if found else cell("–"))
        cells += [cell(*measured(ablation.values(name, "acc", [task]))) for task in TASKS]
        changes = ", ".join(f"{key} {value}" for key, value in loss.changes.items())
        lines.append(line(head(loss.title, changes), cells))
    caption = (
        f"{describe(ablation)} Less the full: with its 95% interval over seeds and texts at "
        f"0.05 / {len(LOSSES) - 1}. Acc and F1 are means over three tasks "
        f"and {len(ablation.names)} teacher(s) "
        f"({', '.join(model_name(name) for name in ablation.names)}); the paper's over five. A divergence "
        "alone is alpha = 1, cross-entropy alone alpha = 0. Grey: the paper's value."
    )
    return table(caption, columns, lines, is_demo(ablation))


def loss_figure(ablation: Ablation) -> Any:
    """Each loss's accuracy less the full loss's in points, seed by seed, a colour a task; diamonds: the paper's."""
    plots.style()
    colours = sns.color_palette("colorblind", len(TASKS))
    figure, axis = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    others = [name for name in LOSSES if name != "all"]
    for row, name in enumerate(others):
        for number, (task, colour) in enumerate(zip(TASKS, colours, strict=True)):
            found = difference(ablation, name, [task])
            height = row + 0.22 * (number - 1)
            axis.plot(found.values, [height] * len(found.values), "o", color=colour, alpha=0.45, markersize=4)
            axis.errorbar(
                found.mean,
                height,
                xerr=plots.reach(found.mean, found.low, found.high),
                fmt="|",
                color=colour,
                capsize=3,
                label=TASKS[task].title if not row else None,
            )
        printed, full = paper.loss(LOSSES[name].printed or "", "acc"), paper.loss("all", "acc")
        if printed and full:
            label = "the paper, mean of all" if not row else None
            axis.plot(
                100 * (paper.number(printed) - paper.number(full)), row, "D", mfc="none", color="0.25", label=label
            )
    axis.axvline(0, color="0.35", linewidth=1)
    axis.set(yticks=range(len(others)), yticklabels=[LOSSES[name].title for name in others])
    axis.set_xlabel("accuracy less that of KL+JS+CE (points; 95% interval over seeds and texts)")
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    if is_demo(ablation):
        plots.watermark(figure)
    return figure


def loss_verdict(ablation: Ablation) -> Verdict:
    """Whether the full loss beats each of its terms, as Table 7 says."""
    if is_demo(ablation):
        return Verdict(UNTRIED, DEMO_WHY)
    parts, beaten = [], True
    places: dict[str, list[str]] = {}
    for name in ("ce", "kl", "js"):
        found = difference(ablation, name)
        beaten &= found.verdict == "behind"
        word = {"behind": "below", "ahead": "above"}.get(found.verdict, "not to be told from")
        places.setdefault(word, []).append(LOSSES[name].title)
        parts.append(f"{LOSSES[name].title} alone is {word} it ({found.signed} points)")
    claim = "beside the full loss, " + ", ".join(parts) + "; in the paper all three are below it"
    if set(ablation.names) != set(PAPER_TEACHERS) or ablation.parameters.size.twins:
        told = "; ".join(f"{', '.join(losses)} alone {word} the full loss" for word, losses in places.items())
        whose = ablation.names, ablation.parameters.size.twins
        short = f"with {few(*whose)} for the five LLMs: {told}; in the paper all three are below it."
        return Verdict(UNTRIED, f"{others_taught(*whose)}; {claim}.", short)
    statuses = [
        judge(ablation.values(name, m), paper.loss(name, m) or "")
        for name in ("ce", "kl", "js", "all")
        for m in ("acc", "f1")
    ]
    status = overall_status(statuses) if beaten else NOT
    return Verdict(status, f"of {len(statuses)} printed values {tally(statuses)}; {claim}.")


def teacher_table(ablation: Ablation) -> HTML:
    """The paper's Table 8: a block for each task and the overall one, a column for each teacher."""
    names = [*(name for name in ablation.names if name not in PAPER_TEACHERS), *PAPER_TEACHERS]
    columns = ["QD-LLM", *(model_name(name) for name in names)]
    lines = []
    whole = ["overall"] if len(ablation.tasks) == len(TASKS) else []
    for task in (*ablation.tasks, *whole):
        lines.append(
            group(TASKS[task].title if task in TASKS else "Overall: the mean of the three tasks", len(columns))
        )
        if task in TASKS:
            cells = []
            for name in names:
                own = ablation.teachers.get((task, name))
                below = (
                    [
                        f"{count(own.result['parameters'])} parameters",
                        "1:1000 twin" if own.identity["pretraining_steps"] else "",
                        *how_taught(own),
                    ]
                    if own
                    else []
                )
                cells.append(cell(f"{own.result['acc']:.4f}" if own else "not run", *below))
            lines.append(line(head("The teacher itself, Acc"), cells))
        for metric in QUALITY:
            cells = []
            for name in names:
                printed = paper.teacher(task, name, metric)
                printed = f"paper {printed}" if printed else ""
                if all(name in ablation.names_of(each) for each in ([task] if task in TASKS else TASKS)):
                    values = ablation.values("all", metric, [task] if task in TASKS else None, [name])
                    cells.append(cell(*measured(values), printed))
                else:
                    cells.append(cell("not run", printed))
            lines.append(line(head(METRICS[metric]), cells))
    caption = f"{describe(ablation)} Grey: the paper's value for the model that a column names."
    return table(caption, columns, lines, is_demo(ablation))


def teacher_figure(ablation: Ablation) -> Any:
    """The student's accuracy (± sd over seeds) against its teacher's own: what a better one brings.

    A colour a task, a marker a teacher.
    """
    plots.style()
    figure, axis = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    colours = dict(zip(TASKS, sns.color_palette("colorblind"), strict=False))
    markers = dict(zip(ablation.names, "osD^vPX*", strict=False))
    for task in ablation.tasks:
        for name in ablation.names_of(task):
            values = ablation.values("all", "acc", [task], [name])
            axis.errorbar(
                ablation.teachers[task, name].result["acc"],
                mean(values),
                yerr=spread(values)[1] or 0,
                marker=markers[name],
                color=colours[task],
                capsize=3,
                linestyle="none",
            )
    axis.axline((0.7, 0.7), slope=1, color="0.35", linewidth=1, linestyle="--")
    axis.set(xlabel="test accuracy of the teacher itself", ylabel="test accuracy of QD-LLM (± sd over seeds)")
    axis.margins(0.15)
    shown = [Line2D([], [], color=colours[task], linewidth=4, label=TASKS[task].title) for task in ablation.tasks]
    shown += [
        Line2D([], [], color="0.35", marker=marker, linestyle="none", label=model_name(name))
        for name, marker in markers.items()
    ]
    shown.append(Line2D([], [], color="0.35", linewidth=1, linestyle="--", label="as good as the teacher"))
    figure.legend(handles=shown, loc="outside lower center", ncols=3, frameon=False)
    if is_demo(ablation):
        plots.watermark(figure)
    return figure


def teacher_verdict(ablation: Ablation) -> Verdict:
    """Whether larger teachers make better students, as Table 8 says of four steps out of five."""
    if is_demo(ablation):
        return Verdict(UNTRIED, DEMO_WHY)
    everywhere = [name for name in ablation.names if all(name in ablation.names_of(task) for task in ablation.tasks)]
    real = [] if ablation.parameters.size.twins else [name for name in everywhere if name in PAPER_TEACHERS]
    if len(real) < 2 or len(ablation.tasks) < len(TASKS):
        return Verdict(
            UNTRIED,
            f"{others_taught(ablation.names, ablation.parameters.size.twins)}. {steps(ablation)}",
            short_steps(ablation),
        )
    scores = {name: mean(ablation.values("all", "acc", None, [name])) for name in real}
    statuses = [
        judge(ablation.values("all", metric, [task], [name]), paper.teacher(task, name, metric) or "")
        for task in ablation.tasks
        for name in real
        for metric in QUALITY
    ]
    printed = {name: paper.number(paper.teacher("overall", name, "acc") or "") for name in real}
    same = sorted(real, key=scores.__getitem__) == sorted(real, key=printed.__getitem__)
    order = f"the teachers stand in {'the paper' if same else 'another than the paper'}'s order"
    status = overall_status(statuses) if same else NOT
    return Verdict(status, f"of {len(statuses)} printed values {tally(statuses)}; {order}.")


def steps(ablation: Ablation) -> str:
    """QD-LLM's accuracy under each teacher, task by task, and what it gains beside the first one."""
    family = sum(len(ablation.names_of(task)) - 1 for task in ablation.tasks)
    told = []
    for task in ablation.tasks:
        first, *others = ablation.names_of(task)
        gains = "; ".join(
            f"{model_name(name)} {found.signed} points, {found.verdict}"
            for name in others
            for found in [ablation.difference(("all", name), ("all", first), [task], family)]
        )
        against = f" Against the student of {model_name(first)}: {gains}." if gains else ""
        told.append(f"{TASKS[task].title}, accuracy of QD-LLM: {taught_by(ablation, task)}.{against}")
    return " ".join(told)


def short_steps(ablation: Ablation) -> str:
    """The same in one line, without the differences."""
    told = "; ".join(f"{TASKS[task].title.lower()} {taught_by(ablation, task)}" for task in ablation.tasks)
    return f"QD-LLM's accuracy by teacher: {told}."


def taught_by(ablation: Ablation, task: str) -> str:
    """'MiniLM 12.3%, MPNet 45.6%'."""
    return ", ".join(
        f"{model_name(name)} {mean(ablation.values('all', 'acc', [task], [name])):.1%}"
        for name in ablation.names_of(task)
    )
