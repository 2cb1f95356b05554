"""The figures of a user's own texts."""

from typing import Any

from qdllm_utils.model.distillation import Distilled, tested
from qdllm_utils.model.report import Report
from qdllm_utils.parameters import Parameters

SHOWN_CLASSES = 40


def figures(distilled: Distilled, parameters: Parameters) -> Any:
    """Confusion, reliability, accuracy against bytes and against texts a second, and the learning curve."""
    import matplotlib.pyplot as plt

    from qdllm_utils.show import plots

    plots.style()
    figure, axes = plt.subplots(2, 3, figsize=(15, 9), layout="constrained")
    confusion(axes[0, 0], distilled)
    calibration(axes[0, 1], distilled)
    frame = Report(distilled).frame.dropna(subset=["bytes"])
    for axis, column, label in (
        (axes[1, 0], "bytes", "bytes, from text to class"),
        (axes[1, 1], "texts_per_second", "texts a second"),
    ):
        against(axis, frame, column, label)
    axes[0, 2].axis("off")
    handles, names = axes[1, 0].get_legend_handles_labels()
    axes[0, 2].legend(handles, names, loc="center", frameon=False, title="models")
    gains(axes[1, 2], distilled)
    if parameters.values["csv"] is None:
        plots.watermark(figure)
    return figure


def confusion(axis: Any, distilled: Distilled) -> None:
    """The confusion matrix of the recommended model; the counts are written where there is room."""
    import seaborn as sns

    counts = Report(distilled).confusion()
    names = [str(name)[:18] for name in distilled.data.classes]
    few = len(names) <= 12
    labels = names if len(names) <= SHOWN_CLASSES else False
    sns.heatmap(
        counts,
        annot=few,
        fmt="d",
        cbar=False,
        square=True,
        cmap="Blues",
        ax=axis,
        xticklabels=labels,
        yticklabels=labels,
    )
    axis.set(xlabel="predicted", ylabel="label", title="test texts of the recommended model")


def calibration(axis: Any, distilled: Distilled) -> None:
    """How often the recommended model is right, against how sure it is."""
    _, _, found = tested(distilled.candidate(), distilled.data)
    axis.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    axis.plot(found.confidence, found.accuracy, marker="o")
    for x, y, n in zip(found.confidence, found.accuracy, found.texts, strict=True):
        axis.annotate(f"{n}", (x, y), textcoords="offset points", xytext=(4, -12), fontsize="small")
    title = f"calibration: ECE {found.ece:.3f} at T = {distilled.candidate().temperature:.2f}"
    axis.set(
        xlabel="probability of the predicted class",
        ylabel="share that is right",
        title=title,
        xlim=(0, 1.02),
        ylim=(0, 1.04),
    )


def against(axis: Any, frame: Any, column: str, label: str) -> None:
    """Test accuracy with its interval against a cost, a mark for each model; filled: the recommended one."""
    import seaborn as sns

    from qdllm_utils.show import plots

    colours = sns.color_palette("husl", len(frame))
    for colour, row in zip(colours, frame.sort_values("name").itertuples(), strict=True):
        axis.errorbar(
            getattr(row, column),
            row.accuracy,
            yerr=plots.reach(row.accuracy, row.low, row.high),
            marker="o",
            markersize=10 if row.recommended else 7,
            markerfacecolor=colour if row.recommended else "none",
            color=colour,
            linestyle="none",
            capsize=2,
            label=row.title,
        )
    axis.set(xscale="log", xlabel=label, ylabel="test accuracy")
    low, high = axis.get_xlim()
    axis.set_xlim(
        min(low, high / 100), high
    )  # over less than two powers of ten the marks of a logarithmic axis collide


def gains(axis: Any, distilled: Distilled) -> None:
    """The learning curve, or a word where there is none."""
    curve = distilled.curve
    if curve is None:
        axis.axis("off")
        axis.text(0.5, 0.5, "too few texts for a learning curve", ha="center")
        return
    mean = curve.accuracy.mean(axis=1)
    axis.errorbar(curve.texts, mean, yerr=curve.accuracy.std(axis=1, ddof=1), marker="o", capsize=3)
    axis.set(
        xscale="log", xlabel="training texts", ylabel="test accuracy", title=f"more labels ({curve.arm}, labels alone)"
    )
    axis.set_xticks(curve.texts, [f"{number:,}" for number in curve.texts])
    axis.minorticks_off()
