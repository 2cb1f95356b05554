"""The share of positive texts that Acc, P and R of one class imply: one test set has one share.

With a share s of positives Acc = 1 - s + s R (2 - 1/P), so s = (1 - Acc) / (1 - R (2 - 1/P)).
"""

import numpy as np
import pandas as pd

from qdllm_utils.pages import audit_honest
from qdllm_utils.pages.audit import TABLES
from qdllm_utils.pages.audit_honest import COLUMNS, REPEATS, TEST_SHARE, binomial, chance, metrics, printed

QUESTION = "Which share of positive texts does each row imply?"
SHOWS = (
    "If P and R belong to one class, as the paper's formulas say, the rows of a table were not computed on one test "
    "set, nor each on five random divisions of its own: the implied shares differ by more than both allow. At least "
    "one of Acc, P and R of many rows does not come from the confusion matrices of the others."
)
SHOWS_NOT = (
    "Which of the three. Columns taken at different epochs or from different runs would do it. If P and R are averages "
    "over both classes, nothing follows here; but then R would be Acc on a nearly balanced set, and it is larger in 47 "
    "of 50 rows, by 1.7 points in the median. 'An equal number of samples per category' is said "
    "of the whole data, which are 'randomly divided', so a share of exactly one half is not asked of a test set."
)
# Texts in the smallest data set that Table 1 (tokens over average length) or the released files allow.
SMALLEST = {"emotion": 10_100, "hiding": 4_000}
TABLES_DRAWN, OURS = 2000, 600  # simulated tables: binomial, of our rows


def implied(acc: np.ndarray, p: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The share of positives that a row implies, any shape."""
    acc, p, r = (np.asarray(value, dtype=float) for value in (acc, p, r))
    return (1 - acc) / (1 - r * (2 - 1 / p))


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of Tables 4 and 5 with the share of positives that each implies. found: of audit_exchanges.rows."""
    two = found[found["task"].isin(audit_honest.TWO_CLASSES)]
    return two.assign(share=implied(two["acc"], two["p"], two["r"])).reset_index(drop=True)


def honest_shares(rows: pd.DataFrame, texts: int, own: bool, tables: int, rng: np.random.Generator) -> np.ndarray:
    """The implied shares of binomial rows, (tables, rows), on a random fifth of `texts` texts.

    own: every repeat of every row has a division of its own; else one test set serves a whole table.
    """
    size = (tables, len(rows), REPEATS) if own else (tables, 1, 1)
    classes = audit_honest.random_division(texts, 2, size, rng)
    drawn = metrics(*binomial(rows, classes[..., 0], classes[..., 1], rng))
    return implied(*(printed(drawn[name]) for name in ("acc", "p", "r")))


def our_shares(task: str, tables: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """The shares that means of five of our runs imply, (tables, rows); of each single run it is one half."""
    drawn = metrics(*(count[:, 0] for count in audit_honest.our_matrices((task,), tables * rows, rng)))
    return implied(*(printed(drawn[name]) for name in ("acc", "p", "r"))).reshape(tables, rows)


def tests(found: pd.DataFrame) -> pd.DataFrame:
    """The table of tests: the standard deviation of the shares over the rows of a table."""
    lines: list[tuple[object, ...]] = []
    for task, part in shares(found).groupby("task"):
        rng = audit_honest.generator(f"share {task}")
        sd = float(part["share"].std())
        printed_texts, least = audit_honest.texts_of(str(task)), SMALLEST[str(task)]
        simulated = {f"our rows, {OURS} tables": our_shares(str(task), OURS, len(part), rng)}
        for own, texts, words in (
            (False, printed_texts, "one test set for the whole table"),
            (True, printed_texts, "a random division for every repeat"),
            (True, least, "a random division for every repeat, the smallest set"),
        ):
            name = f"binomial, {words} ({TEST_SHARE * texts:,.0f} of {texts:,} texts), {TABLES_DRAWN:,} tables"
            simulated[name] = honest_shares(part, texts, own, TABLES_DRAWN, rng)
        for name, values in simulated.items():
            spreads = values.std(axis=1, ddof=1)
            low, high = np.quantile(spreads, [0.025, 0.975])
            lines.append(
                (
                    QUESTION,
                    f"{TABLES[str(task)]}: sd of the implied shares",
                    f"{sd:.4f}, shares {part['share'].min():.3f} to {part['share'].max():.3f}",
                    name,
                    f"{low:.4f} to {high:.4f}",
                    chance(spreads >= sd, len(spreads)),
                )
            )
    return pd.DataFrame(lines, columns=list(COLUMNS))
