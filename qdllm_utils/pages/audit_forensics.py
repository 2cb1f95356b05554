"""The statistics of the printed digits together: every test, what it shows and does not show, and the sentence."""

from dataclasses import dataclass

import pandas as pd

from qdllm_utils.pages import audit_digits, audit_exchanges, audit_grim, audit_recall, audit_share
from qdllm_utils.runs.statistics import LEVEL

WORDS = {
    audit_exchanges.QUESTION: (audit_exchanges.SHOWS, audit_exchanges.SHOWS_NOT),
    audit_digits.QUESTION: (audit_digits.SHOWS, audit_digits.SHOWS_NOT),
    audit_recall.CONSTANT: (audit_recall.CONSTANT_SHOWS, audit_recall.CONSTANT_SHOWS_NOT),
    audit_recall.MACRO: (audit_recall.MACRO_SHOWS, audit_recall.MACRO_SHOWS_NOT),
    audit_share.QUESTION: (audit_share.SHOWS, audit_share.SHOWS_NOT),
    audit_grim.QUESTION: (audit_grim.SHOWS, audit_grim.SHOWS_NOT),
}


@dataclass(frozen=True)
class Forensics:
    """What the page shows.

    rows: the 75 rows with the exchanges undone; overall: the last blocks; tests: one line a statistic and process.
    """

    rows: pd.DataFrame
    overall: pd.DataFrame
    tests: pd.DataFrame


def run() -> Forensics:
    """Every test of Tables 4 to 6, some seconds."""
    rows, overall = audit_exchanges.rows(), audit_exchanges.rows(overall=True)
    return Forensics(rows, overall, all_tests(rows, overall))


def all_tests(rows: pd.DataFrame, overall: pd.DataFrame) -> pd.DataFrame:
    """Every test of rows with their exchanges undone: a line a statistic and process, columns audit_honest.COLUMNS."""
    tests = [
        audit_exchanges.tests(rows, overall),
        audit_digits.tests(rows),
        audit_recall.constant_tests(rows),
        audit_recall.macro_tests(rows),
        audit_share.tests(rows),
        audit_grim.tests(rows),
    ]
    return pd.concat(tests, ignore_index=True)


def worst_cases(tests: pd.DataFrame) -> pd.DataFrame:
    """One line a statistic: the process that explains it best, that is, with the largest chance."""
    best = tests.groupby(["question", "statistic"], sort=False)["chance"].idxmax()
    return tests.loc[best].reset_index(drop=True)


def unexplained(tests: pd.DataFrame) -> pd.DataFrame:
    """The statistics whose chance is below 0.05 over their number (Bonferroni) under every process that was tried."""
    cases = worst_cases(tests)
    return cases[cases["chance"] < LEVEL / len(cases)]


def conclusions(found: Forensics) -> list[str]:
    """The sentences on the digits, computed from the tests."""
    cases, odd = worst_cases(found.tests), unexplained(found.tests)
    first = (
        f"{len(cases)} statistics of the digits of Tables 4 to 6 were held against simulated processes of the kind "
        f"that the text describes, five repeats a cell: for {len(odd)} the chance is below 0.05 / {len(cases)} under "
        "each of them"
    )
    listed = "; ".join(f"{line.statistic} ({line.paper})" for line in odd.itertuples())
    sentences = [f"{first}{f': {listed}' if listed else ''}."]
    exchanged = found.rows["arrangement"].value_counts()
    orders = [audit_exchanges.R_AND_F1, audit_exchanges.ACC_AND_F1]
    shown = " and ".join(f"{order} in {exchanged[order]} rows" for order in orders if order in exchanged)
    if shown:
        sentences.append(f"Columns seem exchanged: {shown}; the statistics are of the rows with this undone.")
    if len(odd):
        sentences.append(
            "This says that some columns were not computed as the text describes; it does not say which number is "
            "wrong, why, or whether a conclusion would change."
        )
    return sentences
