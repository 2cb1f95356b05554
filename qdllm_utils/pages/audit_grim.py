"""GRIM: an accuracy averaged over five repeats on N texts is a multiple of 1 / (5 N); which printed ones are none?"""

import math

import numpy as np
import pandas as pd
from scipy import stats

from qdllm_utils.pages import audit_honest
from qdllm_utils.pages.audit_honest import COLUMNS, DRAWS, REPEATS, TEST_SHARE, chance
from qdllm_utils.show import paper

QUESTION = "Which sizes of the test set can give the accuracies of Table 5?"
SHOWS = (
    "The accuracies of hiding detection were not averaged over five repeats on 1,000 texts, as Table 1's tokens over "
    "its average length imply, nor on 800, as the released files give. The texts behind Table 5 are more than both, or "
    "the number of repeats is another."
)
SHOWS_NOT = (
    "Anything against 2,000 test texts, a fifth of the 10,000 that Table 1 prints: these can give every accuracy. As "
    "many of the values as expected of any larger set miss the two grids, so the digits themselves are unremarkable. "
    "The other tasks' sets are so large that every four-digit number can arise."
)
TASK = "hiding"
RELEASED = 4000  # texts in the released files of the task


def possible(value: float, texts: int, repeats: int = REPEATS, decimals: int = audit_honest.DECIMALS) -> bool:
    """Whether a mean of `repeats` accuracies on `texts` texts can be printed as `value` (halves round either way)."""
    trials, half = texts * repeats, 0.5 * 10.0**-decimals + 1e-12
    nearest = (math.floor(value * trials), math.ceil(value * trials))
    return any(abs(right / trials - value) <= half for right in nearest)


def reachable(texts: int) -> float:
    """The share of the four-digit numbers from 0.7 to 0.8 that can arise at all."""
    return float(np.mean([possible(0.7 + step / 10_000, texts) for step in range(1000)]))


def smallest(found: pd.DataFrame) -> int:
    """The smallest number of test texts that can give every accuracy of Table 5."""
    accuracies = found.loc[found["task"] == TASK, "acc"]
    return next(texts for texts in range(1, 10_001) if all(possible(value, texts) for value in accuracies))


def sizes() -> dict[str, int]:
    """{where the size comes from: texts in the test set of hiding detection}."""
    row = paper.table("datasets").set_index("task").loc[TASK]
    by_tokens = round(paper.number(row["tokens"]) / paper.number(row["length"]), -2)
    return {
        "Table 1, number of texts": round(TEST_SHARE * paper.number(row["texts"])),
        "Table 1, tokens over average length": round(TEST_SHARE * by_tokens),
        "the released files": round(TEST_SHARE * RELEASED),
    }


def by_size(found: pd.DataFrame) -> pd.DataFrame:
    """For each size: source, texts, rows, impossible, unreachable (share of all numbers), and which are impossible."""
    accuracies = found.loc[found["task"] == TASK, "acc"]
    lines = []
    for source, texts in sizes().items():
        wrong = [value for value in accuracies if not possible(value, texts)]
        which = ", ".join(f"{value:.4f}" for value in wrong)
        lines.append((source, texts, len(accuracies), len(wrong), 1 - reachable(texts), which))
    return pd.DataFrame(lines, columns=["source", "texts", "rows", "impossible", "unreachable", "which"])


def tests(found: pd.DataFrame) -> pd.DataFrame:
    """The table of tests. found: of audit_exchanges.rows."""
    rng = audit_honest.generator("grim")
    accuracies = found.loc[found["task"] == TASK, "acc"].to_numpy()
    lines: list[tuple[object, ...]] = []
    for size in by_size(found).itertuples():
        statistic = f"accuracies that five repeats on {size.texts:,} texts ({size.source}) cannot give"
        right = rng.binomial(size.texts, accuracies[:, None], (DRAWS, len(accuracies), REPEATS))
        means = (right / size.texts).mean(axis=-1).round(audit_honest.DECIMALS)
        wrong = {value: not possible(value, size.texts) for value in np.unique(means)}
        simulated = np.vectorize(wrong.get)(means).sum(axis=1)
        observed = f"{size.impossible} of {size.rows}"
        lines.append(
            (
                QUESTION,
                statistic,
                observed,
                f"binomial, so many texts, {DRAWS:,} tables",
                f"{simulated.max()} of {size.rows} at most",
                chance(simulated >= size.impossible, DRAWS),
            )
        )
        if size.unreachable:
            lines.append(
                (
                    QUESTION,
                    statistic,
                    observed,
                    "any much larger set",
                    f"{size.unreachable * size.rows:.1f} of {size.rows}",
                    stats.binomtest(size.impossible, size.rows, size.unreachable).pvalue,
                )
            )
    return pd.DataFrame(lines, columns=list(COLUMNS))
