"""Paired comparisons of accuracies over seeds and texts: one interval, and the verdict that it gives.

Two students answer the same test texts from the same seeds. Another seed moves initialisation and batch order; another
test set of the same size would move both accuracies too, and no number of seeds makes that smaller. The interval is
over both, at the level of the whole declared family (Bonferroni: 0.05 / its size), and the verdict is the interval's
and nothing else's: `ahead` or `behind` where it holds no 0, else `inconclusive`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
POWER = 0.8
PLACES = ("above", "level with", "below")  # where an interval may stand to a printed value
LEAST_SEEDS = 5  # fewer say too little about what another seed would give


@dataclass(frozen=True)
class Difference:
    """A paired difference of accuracies in points.

    values: (S,) one a seed. low, high: the interval of the mean over seeds and texts at 0.05 / family. p: two-sided,
    of the mean being 0, times the size of the family. error: the standard error. detectable: the smallest true
    difference that would have been told from 0 with a probability of 80%.
    """

    values: np.ndarray
    mean: float
    low: float
    high: float
    p: float
    error: float
    detectable: float
    family: int = 1

    @property
    def verdict(self) -> str:
        """`ahead`, `behind` or `inconclusive`; fewer than LEAST_SEEDS seeds tell nothing."""
        if len(self.values) < LEAST_SEEDS or not (self.low > 0 or self.high < 0):
            return "inconclusive"
        return "ahead" if self.mean > 0 else "behind"

    def beside(self, value: float) -> str:
        """Where the interval stands to a printed value, in the same unit: `above`, `below` or `level with` it."""
        return "above" if self.low > value else "below" if self.high < value else "level with"

    @property
    def signed(self) -> str:
        """'+0.4 [-0.2, +1.0]', of a difference."""
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"

    @property
    def percent(self) -> str:
        """'87.6 [85.1, 90.1]', of an accuracy."""
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


def by_text(predicted: np.ndarray, reference: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The difference of each seed and text in points, (S, N): 100 where only `predicted` is right, -100 the reverse.

    predicted, reference: classes (S, N) or, of one model for all seeds, (1, N). labels: (N,).
    """
    difference = (predicted == labels).astype(float) - (reference == labels)
    return 100 * np.broadcast_to(difference, (max(len(predicted), len(reference)), len(labels)))


def side_by_side(tasks: Sequence[np.ndarray]) -> np.ndarray:
    """The differences (S, N_t) of several tasks as one (S, sum of N_t), whose mean is the mean of the tasks' means.

    Between the tasks their own difference counts as one of texts, which errs on the wide side.
    """
    total = sum(each.shape[1] for each in tasks)
    return np.concatenate([each * total / len(tasks) / each.shape[1] for each in tasks], axis=1)


def compared(differences: np.ndarray, family: int = 1) -> Difference:
    """The mean of (S, N) points with its interval, for one comparison of a family of so many.

    The variance is that of the bootstrap which redraws seeds and texts independently (Owen 2007, Ann. Appl. Stat. 1,
    386): the variance of the seeds' means over S and that of the texts' means over N, added. It errs on the wide side:
    what belongs to a seed and a text together is in both. Degrees of freedom after Satterthwaite (1946).
    """
    seeds, texts = differences.shape
    of_seeds = float(differences.mean(axis=1).var(ddof=1)) / seeds if seeds > 1 else 0.0
    of_texts = float(differences.mean(axis=0).var(ddof=1)) / texts if texts > 1 else 0.0
    mean, variance = float(differences.mean()), of_seeds + of_texts
    values = differences.mean(axis=1)
    spread = of_seeds**2 / max(1, seeds - 1) + of_texts**2 / max(1, texts - 1)
    return with_interval(values, mean, variance, variance**2 / spread if variance else 1.0, family)


def with_interval(values: np.ndarray, mean: float, variance: float, freedom: float, family: int) -> Difference:
    """The mean with Student's interval for the variance of that mean, at LEVEL / family."""
    if not variance:  # the same answers throughout
        return Difference(values, mean, mean, mean, 1.0 if mean == 0 else 0.0, 0.0, 0.0, family)
    error, quantile = variance**0.5, float(stats.t.isf(LEVEL / family / 2, freedom))
    p = min(1.0, family * 2 * float(stats.t.sf(abs(mean) / error, freedom)))
    detectable = (quantile + float(stats.t.ppf(POWER, freedom))) * error
    return Difference(values, mean, mean - quantile * error, mean + quantile * error, p, error, detectable, family)


def family_of(differences: Mapping[str, np.ndarray], size: int | None = None) -> dict[str, Difference]:
    """The comparisons of a declared family, each (S, N) in points.

    size: of the family where more was tried than is tested here.
    """
    return {name: compared(values, size or len(differences)) for name, values in differences.items()}


def over_splits(values: np.ndarray, test_share: float, family: int = 1) -> Difference:
    """The mean of one value a split with its interval over splits, for one comparison of a family of so many.

    values: (J,) points, each of another random split (and another seed) of the same texts. test_share: test texts for
    each training text. The splits share training texts, so the variance of the mean is not s^2 / J but
    s^2 (1 / J + test_share), with J - 1 degrees of freedom (Nadeau and Bengio 2003, Mach. Learn. 52, 239, eq. 9).
    """
    splits = len(values)
    variance = float(values.var(ddof=1)) * (1 / splits + test_share)
    return with_interval(values, float(values.mean()), variance, splits - 1, family)


def accuracy_error(accuracy: float, texts: int) -> float:
    """The standard error of one accuracy from the finite test set: sqrt(a (1 - a) / N)."""
    return float(np.sqrt(accuracy * (1 - accuracy) / texts))
