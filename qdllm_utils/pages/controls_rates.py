"""How the arms of the controls page stand over learning rates, and what the interval over texts changed there.

A rate that suits one arm and breaks another decides a comparison as much as a circuit could. So a few arms of either
preset are shown over all rates: validation accuracy, mean and range of three seeds. Nothing is chosen here.
"""

import textwrap
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from qdllm_utils.config import PRESETS, TASKS
from qdllm_utils.pages.controls import Controls
from qdllm_utils.runs.statistics import Difference, accuracy_error, compared
from qdllm_utils.runs.store import Row
from qdllm_utils.runs.tuning import LEARNING_RATES, TUNING_SEEDS, Arm, experiments_of, number_of_seeds, rows_of
from qdllm_utils.show import origin
from qdllm_utils.show.html_table import HTML, cell, head, line, sentences, table
from qdllm_utils.show.plots import layout_of, reach, style, watermark
from qdllm_utils.show.tables import model_name

ARMS = ("quantum", "cosine", "linear", "mlp")
PAPER_RATES = (0.001, 0.003, 0.01, 0.03, PRESETS["paper"].learning_rate, 0.1)


@dataclass(frozen=True)
class Rates:
    """The arms over the rates. frame: one line a run: where, preset, student, rate, validation, chance, texts; rows.

    where: the task, the teacher where there are several, the reader where it is not the first. chance: the accuracy of
    a guess, one in so many classes, which are equally large. texts: of the validation part.
    """

    frame: pd.DataFrame
    rows: list[Row]


def rates(controls: Controls) -> Rates:
    """Every arm of ARMS at every rate; what the store lacks is trained.

    Preset paper tries its own rate of .06 too, each arm with the scaling of E that it chose.
    """
    parameters = controls.parameters
    seeds = number_of_seeds(parameters)[:TUNING_SEEDS]
    presets = dict.fromkeys(block.preset for block in controls.blocks)
    experiments = experiments_of(parameters, presets, controls.comparison.store)
    lines, used = [], []
    for (preset, experiment), block in zip(experiments, controls.blocks, strict=True):  # made in the same order
        outcomes = {outcome.title: outcome for outcome in (block.student, *block.controls)}
        task, parts = TASKS[block.task], block.teacher.result["rows"]
        where = task.title + (f", teacher {block.teacher_name}" if len(parameters.teachers) > 1 else "")
        where += f", reader {model_name(block.reader)}" if block.reader else ""
        asked = []
        for name in ARMS:
            own = experiment.knobs
            if preset != "tuned":
                own = replace(own, standardise=outcomes[Arm(name).title].chosen == "standardised E")
            tried = LEARNING_RATES if preset == "tuned" else PAPER_RATES
            asked += [(name, replace(own, learning_rate=rate), seeds) for rate in tried]
        for (name, chosen, _), rows in zip(asked, rows_of(experiment, asked), strict=True):
            used += rows
            told = where, preset, name, chosen.learning_rate
            lines += [(*told, row.result["validation"], 1 / len(task.classes), parts["validation"]) for row in rows]
    columns = ["where", "preset", "student", "rate", "validation", "chance", "texts"]
    return Rates(pd.DataFrame(lines, columns=columns), used)


def broken(frame: pd.DataFrame) -> list[str]:
    """'linear probe at 0.06 on emotion analysis, preset paper' for each arm that is no better than a guess.

    No better: within three standard errors of chance.
    """
    same = ["where", "preset", "student", "rate", "chance", "texts"]
    means = frame.groupby(same, sort=False)["validation"].mean().reset_index()
    return [
        f"{Arm(str(row.student)).title} at {row.rate:g} on {row.where.lower()}, preset {row.preset}"
        for row in means.itertuples()
        if row.validation < row.chance + 3 * accuracy_error(row.chance, row.texts)
    ]


def rates_sentence(controls: Controls, tried: Rates) -> HTML:
    """Which arms a rate breaks, and how far apart the four are at each one's best rate."""
    found, means = broken(tried.frame), tried.frame.groupby(["where", "preset", "student", "rate"])["validation"].mean()
    best = 100 * means.groupby(["where", "preset", "student"]).max()
    apart = (best.groupby(["where", "preset"]).max() - best.groupby(["where", "preset"]).min()).max()
    at_chance = f"At chance: {'; '.join(found)}." if found else "No arm is at chance at any rate tried."
    return sentences(
        [f"Each at its own best rate, the four arms are at most {apart:.1f} points of validation apart. {at_chance}"],
        controls.parameters.demo,
    )


def rates_figure(controls: Controls, tried: Rates) -> Any:
    """Validation accuracy against learning rate: a panel for each task, reader, teacher and preset, a line an arm."""
    style()
    panels = list(tried.frame.groupby(["where", "preset"], sort=False))
    rows, columns = layout_of(len(panels))
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.5 + 3.7 * columns, 0.9 + 2.9 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    colours = dict(zip(ARMS, sns.color_palette("colorblind"), strict=False))
    first: dict[str, Any] = {}  # both presets of one place have one y-axis
    for axis, ((place, preset), part) in zip(axes.flat, panels, strict=False):
        for name, marker in zip(ARMS, "os^D", strict=True):
            found = 100 * part[part["student"] == name].groupby("rate")["validation"].agg(["mean", "min", "max"])
            axis.errorbar(
                found.index,
                found["mean"],
                yerr=reach(found["mean"], found["min"], found["max"]),
                color=colours[name],
                marker=marker,
                capsize=3,
                label=Arm(name).title,
            )
        if first.setdefault(place, axis) is not axis:
            axis.sharey(first[place])
        axis.axhline(100 * part["chance"].iloc[0], color="0.4", linestyle=":", linewidth=1.2, label="a guess")
        ticks = sorted(part["rate"].unique())
        axis.set(xscale="log", title=textwrap.fill(f"{place}, preset {preset}", 38), xlabel="learning rate")
        axis.set_xticks(ticks, [f"{rate:g}".lstrip("0") for rate in ticks])
        axis.minorticks_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("validation accuracy, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    if controls.parameters.demo:
        watermark(figure)
    return figure


def over_seeds(difference: Difference) -> Difference:
    """The same comparison as if there were only these texts: its interval over seeds alone."""
    return compared(difference.values[:, None], difference.family)


def changed(controls: Controls) -> list[tuple[str, str, Difference, Difference]]:
    """(block, control, over seeds, over seeds and texts) of each comparison whose verdict the texts change."""
    both = [
        (block.title, name, over_seeds(difference), difference)
        for block in controls.blocks
        for name, difference in block.differences.items()
    ]
    return [each for each in both if each[2].verdict != each[3].verdict]


def changed_table(controls: Controls) -> HTML:
    """The verdicts that would stand if only another seed, and not another test set, could have moved them."""
    found, total = changed(controls), sum(len(block.differences) for block in controls.blocks)
    body = [
        line(head(name, title), [cell(each.signed, each.verdict) for each in (seeds, both)])
        for title, name, seeds, both in found
    ]
    notes = (
        f"{len(found)} of {total} comparisons whose verdict differs between the interval over seeds alone (Student's "
        "t, the same level) and the one over seeds and texts, which this page uses: control − student in points."
    )
    return table(notes, ["", "Over seeds", "Over seeds and texts"], body, controls.parameters.demo)


def provenance_strip(controls: Controls, tried: Rates) -> HTML:
    """Where the rows of the whole page come from, those over the rates too."""
    rows = controls.comparison.rows + tried.rows
    return origin.of_rows(rows, controls.comparison.store, controls.parameters.scale)
