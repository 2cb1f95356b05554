"""Which model to use: the smallest that is level with the teacher on the validation texts, and how sure that is.

Differences in accuracy are paired text by text and resampled over texts. Two texts are added to every comparison, one
that speaks for each side (Agresti and Min 2005 add half of that to each cell): two models that agree on ten texts are
not thereby known to be equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

MARGIN = 0.05  # level: at most so much below, with the lower end of a 95% interval
DRAWS = 19999


@dataclass(frozen=True)
class Difference:
    """Accuracy of one model less another's on the same texts, between -1 and 1, with its 95% interval over texts."""

    mean: float
    low: float
    high: float

    @property
    def level(self) -> bool:
        """Not told from 0 (or above it), and no more than MARGIN below it."""
        return self.high >= 0 and self.low >= -MARGIN

    def __str__(self) -> str:
        """'-1.2 [-3.0, 0.4] points'."""
        return f"{100 * self.mean:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}] points"


def paired(right: np.ndarray, reference: np.ndarray, seed: int = 0) -> Difference:
    """right, reference: (N,) whether each text is classified rightly by the two models."""
    difference = right.astype(int) - reference.astype(int)
    counts = np.array([(difference == value).sum() + abs(value) for value in (-1, 0, 1)])
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=DRAWS)
    low, high = np.quantile((drawn[:, 2] - drawn[:, 0]) / counts.sum(), [0.025, 0.975])
    return Difference(float(difference.mean()), float(low), float(high))


def accuracy_interval(right: np.ndarray) -> tuple[float, float]:
    """The 95% interval of an accuracy over texts (Wilson 1927), from (N,) right or wrong."""
    found = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class Choice:
    """name: the model to use. reference: what it is held against: the teacher, or the best where that is told above it.

    level: whether it is level with the reference on validation, else it is only the best there. told_from_majority:
    whether it is told from always answering the largest class. difference: from the reference, on validation.
    """

    name: str
    reference: str
    level: bool
    told_from_majority: bool
    difference: Difference


def choose(
    right: Mapping[str, np.ndarray], sizes: Mapping[str, int], majority: np.ndarray, teacher: str | None
) -> Choice:
    """Choose among models by their validation texts.

    right: {name: (N,) right or wrong}, the teacher among them where there is one. sizes: {name: bytes} of the models
    that can be chosen. majority: (N,), of always answering the largest class. teacher: its name, or None.
    """
    best = max(sizes, key=lambda name: (right[name].mean(), -sizes[name]))
    reference = best if teacher is None or paired(right[best], right[teacher]).low > 0 else teacher
    differences = {name: paired(right[name], right[reference]) for name in sizes}
    # a model is no comparison for itself, however few the texts are: it takes another to be level with it
    level = [name for name in sizes if name != reference and differences[name].level]
    smaller = [name for name in level if sizes[name] <= sizes.get(reference, np.inf)]
    name = min(smaller, key=lambda name: (sizes[name], -right[name].mean())) if smaller else best
    found = bool(smaller) or name == reference
    return Choice(name, reference, found, paired(right[name], majority).low > 0, differences[name])


def texts_needed(disagreement: float) -> int:
    """About how many labelled texts a 6:2:2 split needs for intervals of +- MARGIN on validation.

    disagreement: the share of texts on which the two models differ in being right.
    """
    validation = (1.96 / MARGIN) ** 2 * max(disagreement, 0.02)
    return int(np.ceil(5 * validation / 50) * 50)
