"""Paired comparisons over seeds: interval, sign-flip p, Holm's correction, effect size, what could have been seen.

A difference is paired seed by seed: both students start from the same seed, on one split and one teacher. The
randomness is that of initialisation and batch order alone; how far another test set would move both accuracies
is `accuracy_error`, which no number of seeds makes smaller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

LEVEL = 0.05
POWER = 0.8
RESAMPLES = 9999  # of the bootstrap
EXACT_SEEDS = 13  # up to 2^13 = 8,192 sign flips are all counted, above that 9,999 are drawn


@dataclass(frozen=True)
class Difference:
    """A paired difference; `mean`, `low`, `high`, `detectable` in the unit of what was compared.

    values: (S,) one a seed. low, high: 95% bootstrap interval of the mean. p: of the sign-flip test,
    two-sided. effect: mean / standard deviation of the differences (Cohen's d_z). detectable: the smallest
    difference that would have been found (see `smallest_detectable`). adjusted: p after Holm's correction
    over its family of `family` comparisons. nan where one seed allows no answer.
    """

    values: np.ndarray
    mean: float
    low: float
    high: float
    p: float
    effect: float
    detectable: float
    adjusted: float
    family: int = 1

    @property
    def verdict(self) -> str:
        """`ahead`, `behind` or `inconclusive`: Holm's p below 0.05 and an interval without 0 are both needed."""
        if not self.adjusted < LEVEL or not (self.low > 0 or self.high < 0):
            return "inconclusive"
        return "ahead" if self.mean > 0 else "behind"


def paired(values: Sequence[float], reference: Sequence[float]) -> Difference:
    """values - reference, seed by seed, as a family of one. Raises ValueError where the numbers of seeds differ."""
    if len(values) != len(reference) or not len(values):
        raise ValueError(f"{len(values)} and {len(reference)} values: a paired difference takes as many of each.")
    # Accuracies are counts over N: without rounding, differences that are equal differ by 1e-17 and are no ties.
    differences = np.round(np.asarray(values, float) - np.asarray(reference, float), 12)
    low, high = interval(differences)
    p = sign_flip_p(differences)
    return Difference(
        differences,
        float(differences.mean()),
        low,
        high,
        p,
        effect_size(differences),
        smallest_detectable(differences),
        p,
    )


def interval(differences: np.ndarray) -> tuple[float, float]:
    """The 95% bootstrap interval (bias-corrected and accelerated, Efron 1987) of the mean, seeds redrawn.

    Differences that are all equal leave nothing to redraw: both ends are the mean. One alone: nan.
    """
    if len(differences) < 2:
        return float("nan"), float("nan")
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    found = stats.bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, confidence_level=1 - LEVEL, method="BCa", rng=0
    ).confidence_interval
    return float(found.low), float(found.high)


def sign_flip_p(differences: np.ndarray) -> float:
    """Two-sided p that the mean is 0, each sign being as likely as the other (Fisher's randomisation test).

    Exact up to 13 seeds: all 2^S sign patterns; the least p is 2^(1-S). nan for one seed.
    """
    if len(differences) < 2:
        return float("nan")
    resamples = 2**EXACT_SEEDS if len(differences) <= EXACT_SEEDS else RESAMPLES
    test = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=resamples, rng=0)
    return float(test.pvalue)


def effect_size(differences: np.ndarray) -> float:
    """Cohen's d_z: mean over standard deviation of the differences; 0 where all are 0, infinite where all are equal."""
    if len(differences) < 2:
        return float("nan")
    mean, sd = float(differences.mean()), deviation(differences)
    return mean / sd if sd else (float(np.sign(mean)) * float("inf") if mean else 0.0)


def deviation(differences: np.ndarray) -> float:
    """The standard deviation (ddof 1); exactly 0 where all are equal, which numpy's mean may miss by 1e-17."""
    return float(differences.std(ddof=1)) if np.ptp(differences) else 0.0


def smallest_detectable(differences: np.ndarray, family: int = 1) -> float:
    """The smallest mean difference that would have been found, first in its family, with a probability of 80%.

    That of a two-sided paired t test at 0.05 / family, with the standard deviation of the differences seen. (p
    itself is the sign-flip test's, whose power has no closed form.) Infinite where the seeds are too few for
    any difference to be found: see `least_p`.
    """
    if least_p(len(differences), family) >= LEVEL:
        return float("inf")
    return deviation(differences) * detectable_shift(len(differences), family) / len(differences) ** 0.5


@lru_cache
def detectable_shift(seeds: int, family: int) -> float:
    """The shift of the t statistic that is found with a probability of 80%, from the noncentral t distribution.

    P(T > critical) is the normal tail averaged over the chi distribution of the standard deviation: scipy's
    own noncentral t answers nan in these tails. The other tail adds less than 1e-6.
    """
    critical = stats.t.isf(LEVEL / family / 2, seeds - 1)
    spread = stats.chi(seeds - 1, scale=(seeds - 1) ** -0.5)

    def short(shift: float) -> float:
        return float(spread.expect(lambda ratio: stats.norm.sf(critical * ratio - shift))) - POWER

    return float(brentq(short, 0, 3 * critical))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's (1979) step-down adjusted p values, in the order given; nan stays nan and counts in the family."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def corrected(family: Mapping[str, Difference], size: int | None = None) -> dict[str, Difference]:
    """The differences of a declared family with Holm's p, and what is detectable at the level of its first step.

    size: of the family where more was tried than is tested here; what is not tested counts with p = 1.
    """
    size = size or len(family)
    untested = [1.0] * (size - len(family))
    adjusted = holm([difference.p for difference in family.values()] + untested)
    return {
        name: replace(
            difference,
            adjusted=float(p),
            family=size,
            detectable=smallest_detectable(difference.values, size),
        )
        for (name, difference), p in zip(family.items(), adjusted, strict=False)
    }


def least_p(seeds: int, family: int) -> float:
    """The least adjusted p that so many seeds can reach in a family: 2^(1-seeds) times its size."""
    return min(1.0, 2.0 ** (1 - seeds) * family)


def accuracy_error(accuracy: float, texts: int) -> float:
    """The standard error of one accuracy from the finite test set: sqrt(a (1 - a) / N)."""
    return float(np.sqrt(accuracy * (1 - accuracy) / texts))
