"""The tables, the sentences and the figure of the page on features."""

import math
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

from qdllm_utils.pages.features import FEATURES, RELEASED, STEPS, STUDENTS, Features, answer, conclusions, verdict
from qdllm_utils.runs.tuning import LEARNING_RATES
from qdllm_utils.show.html_table import HTML, below, grey, group, plain_line, sentences, table
from qdllm_utils.show.plots import forest, layout_of, style, watermark
from qdllm_utils.show.tables import OWN_DATA, count, difference_cells, measured, spread


def features_answer(features: Features) -> HTML:
    """The page's claim, computed from the rows."""
    return sentences([answer(features)], features.parameters.demo)


def steps_forest(features: Features) -> Any:
    """What each change buys, a panel a task and reader; the axis holds all of it, for the far ones are the point."""
    return forest(features.groups(), "before", features.parameters.demo, far=math.inf)


def steps_table(features: Features) -> HTML:
    """What each change buys: a sentence or two a task and reader, then a table with a group for each."""
    columns = ("From", "To", "Difference, points", "p", "Verdict")
    body = []
    for panel in features.panels:
        body.append(group(panel.title, 1 + len(columns)))
        for name, step in panel.steps.items():
            cells = [step.before, step.after, *difference_cells(step.difference)[:-1], verdict(step.difference)]
            body.append(plain_line(STEPS[name], "", cells))
    seeds = len(features.panels[0].published.rows)
    _, *others = (outcome.title for outcome in features.panels[0].grid[RELEASED].values())
    notes = (
        "Each line changes one thing. The first three lead to or from QD-LLM on the released feature, the next two "
        "start from QD-LLM on the frozen feature of the third; another reader is QD-LLM on the frozen features of both "
        "readers' third lines. What is changed to is chosen on validation (students: "
        f"{', '.join(others)}); the difference is one of test accuracies, paired over {seeds} seeds and all texts, "
        "with its interval over both at 0.05 divided by the number of the group's lines."
    )
    told = sentences(conclusions(features), features.parameters.demo)
    return HTML(told + table(notes, ["", *columns], body, features.parameters.demo), **told.facts)


def grid_table(features: Features) -> HTML:
    """A group for each task and reader: every feature, and the accuracy of every student on it."""
    columns = [outcome.title for outcome in features.panels[0].grid[RELEASED].values()]
    body = []
    for panel in features.panels:
        name = f"{panel.title}; its own test accuracy {panel.teacher.result['acc']:.4f}"
        body.append(group(name, 1 + len(columns)))
        published = below(*measured(panel.published.accuracies))
        body.append(plain_line("QD-LLM, preset paper", FEATURES[RELEASED], [published, *[""] * (len(columns) - 1)]))
        for feature, outcomes in panel.grid.items():
            cells = []
            for outcome in outcomes.values():
                size = count(outcome.rows[0].result["parameters"])
                details = grey(f"validation {outcome.validation:.4f}", f"{size} trained")
                cells.append(below(*measured(outcome.accuracies), details))
            body.append(plain_line(feature, FEATURES[feature], cells))
        body += [
            plain_line(name, f"{FEATURES[name]}; {why}", [""] * len(columns)) for name, why in panel.absent.items()
        ]
    rates = ", ".join(f"{rate:g}" for rate in LEARNING_RATES)
    seeds = len(features.panels[0].published.rows)
    notes = (
        f"{OWN_DATA[features.comparison.source_kind]}. ".capitalize()
        + f"Test accuracy, mean ± standard deviation over {seeds} seeds; below it mean validation accuracy and trained "
        "parameters. Preset tuned, every student on every feature at the learning rates "
        f"{rates}, the best on validation; the first line is preset paper. The name of a feature is the value of the "
        "parameter pooling of Tables 4 to 8."
    )
    return table(notes, ["", *columns], body, features.parameters.demo)


def accuracy_on_features(features: Features) -> Any:
    """Test accuracy (mean and standard deviation over seeds) of every student on every feature, a panel a pair.

    The dotted line is QD-LLM at preset paper, the dashed one the teacher itself.
    """
    style()
    names, (rows, columns) = list(FEATURES), layout_of(len(features.panels))
    size = 4.2 + 3.2 * columns, 0.6 + 4.6 * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis in axes.flat[len(features.panels) :]:
        axis.set_visible(False)
    looks = dict(zip(STUDENTS, zip("^oXs", sns.color_palette("colorblind"), strict=False), strict=True))
    shown: dict[str, Any] = {}
    for axis, panel in zip(axes.flat, features.panels, strict=False):
        for feature, outcomes in panel.grid.items():
            for offset, (student, outcome) in enumerate(outcomes.items()):
                marker, colour = looks[student]
                centre, sd = spread(outcome.accuracies)
                place = names.index(feature) + 0.16 * (offset - 1.5)
                shown[outcome.title] = axis.errorbar(
                    centre, place, xerr=sd or 0, marker=marker, color=colour, capsize=2, linestyle="none"
                )
        centre, _ = spread(panel.published.accuracies)
        shown["QD-LLM, preset paper"] = axis.axvline(centre, linestyle=":", color="0.2")
        shown["the teacher itself"] = axis.axvline(panel.teacher.result["acc"], linestyle="--", color="0.35")
        axis.set(title=panel.title.replace(", ", ",\n"), xlabel="test accuracy")
        axis.set(yticks=range(len(names)), yticklabels=[FEATURES[name] for name in names])
        axis.grid(axis="y", visible=False)
    axes[0, 0].invert_yaxis()
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    if features.parameters.demo:
        watermark(figure)
    return figure
