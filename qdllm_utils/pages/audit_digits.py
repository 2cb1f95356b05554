"""The last digits of the printed means: of five averaged quotients each digit is as likely as any other."""

import numpy as np
import pandas as pd
from scipy import stats

from qdllm_utils.pages import audit_honest
from qdllm_utils.pages.audit import QUALITY
from qdllm_utils.pages.audit_honest import COLUMNS, DRAWS, chance, printed
from qdllm_utils.show.tables import METRICS, STUDENT_NAMES

QUESTION = "Are the last digits those of averages?"
SHOWS = (
    "The precisions of Tables 4 to 6 end in 0 or 5 far more often than means of five quotients do, those of MiniLLM "
    "without exception. So many of them were not printed as they were computed: rounded to half a thousandth, read off "
    "a figure, or computed from something coarser."
)
SHOWS_NOT = (
    "Which of these it was, or that it was done on purpose. A rounding to 0.0005 moves a value by 0.00025 at most and "
    "no conclusion. The digits of Acc, R and F1 are unremarkable, and we looked at four columns of five students "
    "before we saw this (the chance counts all twenty)."
)


def last(values: np.ndarray) -> np.ndarray:
    """The fourth decimal of numbers, any shape."""
    return np.rint(np.asarray(values, dtype=float) * 10**audit_honest.DECIMALS).astype(np.int64) % 10


def counts(digits: np.ndarray) -> np.ndarray:
    """How often each digit stands in the last axis, (..., 10)."""
    return (np.asarray(digits)[..., None] == np.arange(10)).sum(axis=-2)


def by_column(found: pd.DataFrame) -> pd.DataFrame:
    """The last digits of Acc, P, R and F1: a line a column, how often each digit stands, chi-square (9 df) and p."""
    lines = []
    for metric in QUALITY:
        seen = counts(last(found[metric].to_numpy()))
        statistic, p = stats.chisquare(seen)
        line: dict[str | int, object] = {"column": METRICS[metric], "chi2": statistic, "p": p}
        lines.append(line | {digit: int(seen[digit]) for digit in range(10)})
    return pd.DataFrame(lines)


def by_student(found: pd.DataFrame, metric: str = "p") -> pd.DataFrame:
    """How many values of each student are multiples of 0.0005, with the binomial chance of as many (one in five)."""
    lines = []
    for student, values in found.groupby("student")[metric]:
        hits = int((last(values.to_numpy()) % 5 == 0).sum())
        p = stats.binomtest(hits, len(values), 0.2, "greater").pvalue
        lines.append({"student": student, "hits": hits, "rows": len(values), "p": p})
    return pd.DataFrame(lines)


def tests(found: pd.DataFrame) -> pd.DataFrame:
    """The table of tests. found: of audit_exchanges.rows."""
    drawn = audit_honest.tables(found, DRAWS, audit_honest.generator("digits"))
    honest = {metric: last(printed(drawn[metric])) for metric in QUALITY}  # (tables, rows)
    process = f"binomial, the test sets of Table 1, {DRAWS:,} tables"
    lines: list[tuple[object, ...]] = []
    for line, metric in zip(by_column(found).itertuples(), QUALITY, strict=True):
        simulated = stats.chisquare(counts(honest[metric]), axis=-1).statistic
        low, high = np.quantile(simulated, [0.025, 0.975])
        lines.append(
            (
                QUESTION,
                f"last digits of {METRICS[metric]}, chi-square (9 df)",
                f"{line.chi2:.1f}, p {line.p:.1g}",
                process,
                f"{low:.1f} to {high:.1f}",
                chance(simulated >= line.chi2, DRAWS),
            )
        )
    students = found["student"].to_numpy()
    most = np.max(
        [
            [(honest[metric][:, students == student] % 5 == 0).mean(axis=1) for metric in QUALITY]
            for student in np.unique(students)
        ],
        axis=(0, 1),
    )  # the largest share of any student and column, (tables,)
    for student in by_student(found).nlargest(2, "hits").itertuples():
        lines.append(
            (
                QUESTION,
                f"P of {STUDENT_NAMES[student.student]} that are multiples of 0.0005",
                f"{student.hits} of {student.rows}, p {student.p:.1g}",
                f"{process}; as many in any of {len(QUALITY) * len(np.unique(students))} columns of a student",
                f"{0.2 * student.rows:.0f} of {student.rows}",
                chance(most >= student.hits / student.rows, DRAWS),
            )
        )
    return pd.DataFrame(lines, columns=list(COLUMNS))
