"""What the simulated noise costs students of other teachers and seeds, beside those that the figures show."""

from statistics import fmean

import numpy as np
from scipy.stats import norm

from qdllm_utils.pages.fig5 import change
from qdllm_utils.pages.fig5_views import Figure5, rows_of
from qdllm_utils.runs.store import Row
from qdllm_utils.show.html_table import HTML, head, table


def repeats(figure: Figure5) -> HTML | None:
    """A line for each task, teacher and depth: means over the seeds; None where the figures show every student."""
    if len(figure.every) == len(figure.studies):
        return None
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for study, row in figure.every:
        subject = study.subject
        groups.setdefault((subject.title, subject.source, subject.layers), []).append(row)
    lines = []
    for (title, teacher, layers), rows in groups.items():
        cells = [
            over_seeds([100 * row.result["right"][name] / texts(row) for row in rows]) for name in ("ideal", "noise")
        ]
        low, high = change_over_texts(rows)
        cells.append(head(f"{fmean(map(change, rows)):+.1f}", f"{low:+.1f} to {high:+.1f}"))
        cells.append(over_seeds([100 * row.result["flips"]["noise"]["flipped"] / texts(row) for row in rows]))
        lines.append([f"{title}, {teacher}, {layers} layers", *cells])
    seeds = sorted({study.subject.seed for study, _ in figure.every})
    notes = (
        f"Means over student seeds {seeds[0]} to {seeds[-1]}, in grey the smallest and the largest of them; of the "
        "change the paired 95% interval over the test texts, as wide as if noise flipped the same texts of each seed."
    )
    heads = ["", "exact circuit (%)", "with noise (%)", "change (points)", "flipped by noise (%)"]
    return table(notes, heads, rows_of(lines), figure.demo)


def texts(row: Row) -> int:
    """How many test texts were counted."""
    return int(row.result["test_texts"])


def over_seeds(values: list[float]) -> HTML:
    """The mean and below it the range."""
    return head(f"{fmean(values):.1f}", f"{min(values):.1f} to {max(values):.1f}")


def change_over_texts(rows: list[Row]) -> tuple[float, float]:
    """The 95% interval over texts of the seeds' mean change, in points.

    The variance of a mean is at most the mean of the variances, whatever the seeds have in common: that bound is taken.
    """
    variances = []
    for row in rows:
        flips, count = row.result["flips"]["noise"], texts(row)
        mean = (flips["won"] - flips["lost"]) / count
        variances.append(((flips["won"] + flips["lost"]) / count - mean**2) / count)
    half = 100 * float(norm.ppf(0.975) * np.sqrt(fmean(variances)))
    middle = fmean(map(change, rows))
    return middle - half, middle + half
