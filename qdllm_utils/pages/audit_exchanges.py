"""F1 against P and R: which columns of a row are exchanged, and what F1 was computed from."""

import numpy as np
import pandas as pd
from scipy import stats

from qdllm_utils.pages import audit, audit_honest
from qdllm_utils.pages.audit_honest import COLUMNS, DECIMALS, chance, harmonic, metrics, printed, same
from qdllm_utils.show import paper

QUESTION = "What was F1 computed from?"
SHOWS = (
    "Where R and F1 are exchanged, the columns of one student stand in another order than the rest. F1 is the harmonic "
    "mean of the P and R that are printed, in their four decimals: it was computed from the finished columns and is "
    "not the mean of five F1, as 'the average of these five values is reported' would have it."
)
SHOWS_NOT = (
    "That P, R or the accuracies are wrong, or that no repeats were run: averaging P and R first and computing F1 from "
    "them is a choice that is made elsewhere too, and its effect is small."
)
AS_PRINTED, R_AND_F1, ACC_AND_F1, NONE = "as printed", "R and F1 exchanged", "Acc and F1 exchanged", "none"
CELLS = 1500  # of each task, drawn from our rows


def arrangement(student: str, row: pd.Series) -> str:
    """The order of columns in which a row's F1 follows from its P and R; row: metrics as printed."""
    if not audit.apart(audit.harmonic(row["p"], row["r"]), paper.interval(row["f1"])):
        return AS_PRINTED
    if not audit.apart(audit.harmonic(row["p"], row["f1"]), paper.interval(row["r"])):
        return R_AND_F1
    return ACC_AND_F1 if audit.swapped(student, row) else NONE


def rows(overall: bool = False) -> pd.DataFrame:
    """The rows of Tables 4 to 6 with the exchanges undone: task, teacher, student, acc, p, r, f1, arrangement.

    overall: the last blocks instead, whose Acc/Param cannot tell an exchange of Acc and F1.
    """
    lines = []
    for task, teacher, student, row in audit.rows(overall):
        order = arrangement(student, row)
        values = {metric: paper.number(row[metric]) for metric in audit.QUALITY}
        if order == R_AND_F1:
            values["r"], values["f1"] = values["f1"], values["r"]
        elif order == ACC_AND_F1:
            values["acc"], values["f1"] = values["f1"], values["acc"]
        lines.append({"task": task, "teacher": teacher, "student": student, **values, "arrangement": order})
    return pd.DataFrame(lines)


def arrangements(found: pd.DataFrame, overall: pd.DataFrame) -> pd.DataFrame:
    """How many rows of each table and student have each arrangement, the overall rows beside them."""
    of_overall = overall[overall["arrangement"] != NONE]  # a mean of rows of which one is exchanged fits in no order
    exchanged = pd.concat([found, of_overall]).query("arrangement != @AS_PRINTED")
    exchanged = exchanged.assign(block=np.where(exchanged["teacher"] == "overall", "overall", "teachers"))
    counted = exchanged.groupby(["task", "student", "arrangement", "block"]).size().unstack(fill_value=0)
    return counted.reindex(columns=["teachers", "overall"], fill_value=0).reset_index()


def agreeing(p: np.ndarray, r: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """Whether a printed F1 is the rounded harmonic mean of the printed P and R."""
    return same(harmonic(p, r).round(DECIMALS), f1)


def honest_shares(found: pd.DataFrame) -> dict[str, tuple[float, int]]:
    """{process: (share of honest cells whose F1 agrees, cells)}; of each cell P, R and F1 are means of five repeats."""
    rng = audit_honest.generator("f1")
    counts = audit_honest.our_matrices(audit_honest.TWO_CLASSES, CELLS, rng)
    one = {name: printed(values) for name, values in metrics(*counts).items()}
    macro = printed(
        np.concatenate([audit_honest.of_our_rows(task, ("p", "r", "f1"), CELLS, rng) for task in audit.TABLES])
        .swapaxes(-1, -2)
    )  # fmt: skip
    drawn = audit_honest.tables(found, 40, rng)
    many = {name: printed(values) for name, values in drawn.items()}
    at_once = harmonic(drawn["p"].mean(axis=-1), drawn["r"].mean(axis=-1)).round(DECIMALS)
    shares = {
        "our rows, one class (emotion, hiding)": agreeing(one["p"], one["r"], one["f1"]),
        "our rows, macro averages (all tasks)": agreeing(macro[..., 0], macro[..., 1], macro[..., 2]),
        "binomial, the test sets of Table 1": agreeing(many["p"], many["r"], many["f1"]),
        "not averaged: F1 of the averaged P and R before they are rounded": agreeing(many["p"], many["r"], at_once),
    }
    return {process: (chance(agrees, agrees.size), agrees.size) for process, agrees in shares.items()}


def tests(found: pd.DataFrame, overall: pd.DataFrame) -> pd.DataFrame:
    """The table of tests. found, overall: of `rows`."""
    swapped = found["arrangement"].eq(R_AND_F1)
    lines: list[tuple[object, ...]] = []
    also = int(overall["arrangement"].eq(R_AND_F1).sum())
    names = ", ".join(audit.STUDENT_NAMES[student] for student in found.loc[swapped, "student"].unique())
    tp, fp, fn, tn = audit_honest.our_matrices(audit_honest.TWO_CLASSES, CELLS, audit_honest.generator("exchange"))
    p, r, f1 = (printed(metrics(tp, fp, fn, tn)[name]) for name in ("p", "r", "f1"))
    seeming = (np.abs(harmonic(p, r) - f1) > 1e-4) & (np.abs(harmonic(p, f1) - r) < 1e-4)
    lines.append(
        (
            QUESTION,
            "rows whose R and F1 fit only when exchanged",
            f"{swapped.sum()} of {len(found)}{f', all {names}' if names else ''}; {also} overall rows",
            "our rows, one class (emotion, hiding); chance of one such row",
            f"{seeming.sum()} of {seeming.size:,} cells",
            chance(seeming, seeming.size) if swapped.any() else 1.0,
        )
    )
    agrees = agreeing(*(found[name].to_numpy() for name in ("p", "r", "f1")))
    for process, (share, cells) in honest_shares(found).items():
        lines.append(
            (
                QUESTION,
                "F1 that are the harmonic mean of the printed P and R to four decimals",
                f"{agrees.sum()} of {len(found)}",
                process,
                f"{share:.1%} of {cells:,} cells",
                stats.binomtest(int(agrees.sum()), len(found), share, "greater").pvalue,
            )
        )
    return pd.DataFrame(lines, columns=list(COLUMNS))
