"""The tables and the figure of the audit's statistics."""

import hashlib
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from qdllm_utils.config import TASKS
from qdllm_utils.pages import (
    audit_claims,
    audit_digits,
    audit_exchanges,
    audit_forensics,
    audit_grim,
    audit_honest,
    audit_share,
)
from qdllm_utils.pages.audit import TABLES, Check
from qdllm_utils.pages.audit_forensics import Forensics
from qdllm_utils.pages.audit_honest import DRAWS, SEED
from qdllm_utils.pages.audit_recall import blocks, signs
from qdllm_utils.runs import provenance
from qdllm_utils.show import origin
from qdllm_utils.show.html_table import HTML, cell, group, head, line, sentences, table
from qdllm_utils.show.plots import MARKERS, style
from qdllm_utils.show.tables import STUDENT_NAMES


def probability(p: float) -> str:
    """0.012, 2e-05, or <1e-20."""
    if p < 1e-20:
        return "<1e-20"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def conclusion(checks: list[Check], found: Forensics) -> HTML:
    """The verdict on what follows from what, and the sentences on the digits."""
    return sentences([str(audit_claims.verdict(checks)), *audit_forensics.conclusions(found)], demo=False)


def statistics(found: Forensics) -> HTML:
    """The tests, and in plain words what they show and do not show."""
    return HTML(tests_table(found) + words_table())


def details(found: Forensics, times: bool) -> HTML:
    """The counts behind the tests; times: also the distillation times that follow from Acc and Acc/Tkd."""
    tables = [exchanges_table(found), digits_table(found), blocks_table(found), grim_table(found)]
    return HTML("".join([*tables, *([audit_claims.times_table()] if times else [])]))


def tests_table(found: Forensics) -> HTML:
    """A group for each question, a line for each statistic and honest process."""
    columns = ["Statistic", "Paper", "Simulated process", "What it gives", "Chance"]
    lines = []
    for question, part in found.tests.groupby("question", sort=False):
        lines.append(group(str(question), len(columns)))
        for _, statistics in part.groupby("statistic", sort=False):
            for first, test in zip([True] + [False] * len(statistics), statistics.itertuples(), strict=False):
                cells = [test.paper if first else "", test.process, test.honest]
                shown = [*(cell(text, wrap=True) for text in cells), cell(probability(test.chance))]
                lines.append(line(head(test.statistic if first else "the same"), shown))
    number = len(audit_forensics.worst_cases(found.tests))
    caption = (
        "Each statistic against processes of the kind that the text describes: means of five repeats with four "
        "decimals. Our rows: confusion "
        "matrices of published runs of one arm (arms without a run at chance), turned so that R ≥ P, which makes "
        "repeats alike. Binomial: repeats with the P and R of the printed rows on a random fifth of Table 1's texts. "
        "What it gives: the median or a range with 95% of the draws. Chance: of a value as extreme as the "
        f"paper's, by simulation (never below 1 / (draws + 1), {1 / (DRAWS + 1):.0e} for {DRAWS:,}; seed {SEED}) or, "
        "for counts, by the binomial test. Not adjusted: the sentence above takes each statistic's largest chance and "
        f"asks for 0.05 / {number}."
    )
    return table(caption, columns, lines)


def words_table() -> HTML:
    """What each test shows and does not show."""
    lines = [
        line(head(question), [cell(shows, wrap=True), cell(shows_not, wrap=True)])
        for question, (shows, shows_not) in audit_forensics.WORDS.items()
    ]
    return table("In plain words.", ["Question", "It shows", "It does not show"], lines)


def place(task: str, student: str = "") -> str:
    """'Table 5, PKD'."""
    return f"{TABLES[task]}, {STUDENT_NAMES[student]}" if student else TABLES[task]


def exchanges_table(found: Forensics) -> HTML:
    """Where columns seem exchanged."""
    lines = [
        line(
            head(place(row.task, row.student)), [cell(row.arrangement), cell(str(row.teachers)), cell(str(row.overall))]
        )
        for row in audit_exchanges.arrangements(found.rows, found.overall).itertuples()
    ]
    caption = "Rows whose F1 follows from P and R, and whose Acc/Param from Acc, only with two columns exchanged."
    return table(caption, ["Rows", "Columns", "of the five teachers", "overall row"], lines)


def digits_table(found: Forensics) -> HTML:
    """The last digits of each column, and the multiples of 0.0005 among each student's P."""
    digits = [str(digit) for digit in range(10)]
    lines = []
    for row in audit_digits.by_column(found.rows).to_dict("records"):
        counted = [cell(str(row[digit])) for digit in range(10)]
        lines.append(
            line(head(str(row["column"])), [*counted, cell(f"{row['chi2']:.1f}"), cell(probability(row["p"]))])
        )
    several = ", ".join(
        f"{STUDENT_NAMES[row.student]} {row.hits} of {row.rows}"
        for row in audit_digits.by_student(found.rows).itertuples()
    )
    caption = (
        f"How often each last digit stands in the {len(found.rows)} rows (expected: {len(found.rows) / 10:.1f} each), "
        f"chi-square with 9 degrees of freedom and its p. P a multiple of 0.0005 (one in five expected): {several}."
    )
    return table(caption, ["Column", *digits, "chi²", "p"], lines)


def blocks_table(found: Forensics) -> HTML:
    """R - P of each task and student over the five teachers."""
    lines = []
    for task, part in blocks(found.rows).groupby("task"):
        lines.append(group(place(str(task)), 5))
        for row in part.itertuples():
            values = (row.mean, row.sd, row.min, row.max)
            lines.append(line(head(STUDENT_NAMES[row.student]), [cell(f"{value:.4f}") for value in values]))
    larger, of = signs(found.rows)
    caption = f"R − P over five teachers, exchanges undone. R is larger than P in {larger} of {of} rows."
    return table(caption, ["Student", "Mean", "Standard deviation", "Least", "Most"], lines)


def grim_table(found: Forensics) -> HTML:
    """Which accuracies of hiding detection a test set of so many texts cannot give."""
    lines = [
        line(
            head(f"{row.texts:,} texts", row.source),
            [
                cell(f"{row.impossible} of {row.rows}"),
                cell(f"{row.unreachable * row.rows:.1f}"),
                cell(row.which or "none", wrap=True),
            ],
        )
        for row in audit_grim.by_size(found.rows).itertuples()
    ]
    caption = (
        "Table 5: accuracies that no five repeats on so many test texts give (each mean is a multiple of one over five "
        "times the texts; half a unit of the last digit either way). Expected: if the set is another, much larger one. "
        f"The smallest set that can give all of them has {audit_grim.smallest(found.rows):,} texts."
    )
    return table(caption, ["Test set", "Impossible", "Expected", "Which"], lines)


def figure(found: Forensics) -> Any:
    """Left: the last digits of P. Right: the share of positive texts that each row of Tables 4 and 5 implies."""
    style()
    colours = dict(zip(STUDENT_NAMES, sns.color_palette("colorblind"), strict=False))
    shown, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    rng = audit_honest.generator("figure")
    seen = audit_digits.counts(audit_digits.last(found.rows["p"].to_numpy()))
    honest = rng.multinomial(len(found.rows), [0.1] * 10, DRAWS)
    low, high = np.quantile(honest, [0.025, 0.975])
    left.axhspan(low, high, color="0.5", alpha=0.25, label="95% of simulated counts")
    left.bar(range(10), seen, color=["0.2" if digit % 5 == 0 else "0.6" for digit in range(10)])
    left.set(xticks=range(10), xlabel="last digit of P", ylabel=f"rows, of {len(found.rows)}")
    left.set_title("Last digits of P, Tables 4 to 6")
    left.legend(frameon=False)
    shares = audit_share.shares(found.rows)
    for height, task in enumerate(audit_honest.TWO_CLASSES):
        part = shares[shares["task"] == task]
        band = np.quantile(audit_share.honest_shares(part, audit_honest.texts_of(task), True, 400, rng), [0.025, 0.975])
        right.fill_betweenx([height - 0.4, height + 0.4], *band, color="0.5", alpha=0.25, label="95% of simulated rows")
        for offset, student in enumerate(STUDENT_NAMES):
            values = part.loc[part["student"] == student, "share"]
            places = np.full(len(values), height + 0.13 * (offset - 2))
            right.plot(
                values, places, marker=MARKERS[student], color=colours[student], linestyle="none", markersize=8,
                label=STUDENT_NAMES[student],
            )  # fmt: skip
    right.set(yticks=range(2), yticklabels=[f"{TASKS[t].title}\n{TABLES[t]}" for t in audit_honest.TWO_CLASSES])
    right.set(xlabel="share of positive texts that Acc, P and R imply", ylim=(1.5, -0.5))
    right.set_title("One test set has one share")
    handles = pd.Series(dict(zip(*reversed(right.get_legend_handles_labels()), strict=True)))
    shown.legend(handles, handles.index, loc="outside lower center", ncols=len(handles), frameon=False)
    return shown


def provenance_strip() -> HTML:
    """How the page was made. It names no keys to the report: no row is to stay published for this page's sake."""
    runs = audit_honest.runs()
    digest = hashlib.sha256(" ".join(sorted(runs["key"])).encode()).hexdigest()[:12]
    arms = runs["arm"].nunique()
    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    return origin.strip(
        f"Recomputed from the printed numbers and simulated (seed {SEED}) in this notebook on {provenance.today()} at "
        f"commit {provenance.commit()} on {provenance.machine()}; {versions}. Our rows: "
        f"{len(runs):,} rows of {arms} arms, as published then (SHA-256 of their keys {digest}); none was computed."
    )
