"""Recall against precision and against accuracy: R - P over the five teachers of a student, and macro R of Table 6."""

import numpy as np
import pandas as pd

from qdllm_utils.pages import audit_honest
from qdllm_utils.pages.audit_honest import COLUMNS, DRAWS, chance, metrics, printed

CONSTANT = "Does R - P change from teacher to teacher?"
CONSTANT_SHOWS = (
    "R and P keep nearly the same distance over five teachers: in the median block closer than means of five runs of "
    "one and the same model keep it in our rows, where every matrix was turned so that runs look alike. Something ties "
    "the two columns together more than separate models would."
)
CONSTANT_SHOWS_NOT = (
    "What ties them. A threshold or a class weight that is set the same way everywhere would make R larger than P in "
    "every row (the 75 signs are not 75 independent findings) and might narrow the distance too; the text names none. "
    "Models tested on one set err on the same texts, which narrows it as well: our rows have that, on smaller sets."
)
MACRO = "Table 6: is macro recall the accuracy?"
MACRO_SHOWS = (
    "With equally large classes macro recall is the accuracy, and a random fifth of the texts is nearly balanced. R of "
    "Table 6 is larger than Acc in every row, by more than any such division gives, and even the least of its R - P is "
    "one that fewer than 1 in 100 macro averages of ours reach. So R of Table 6 is neither macro recall nor weighted "
    "recall (which is Acc) on such a set."
)
MACRO_SHOWS_NOT = (
    "That R is wrong: the paper gives formulas for one positive class only and does not say how four classes were "
    "averaged; R may belong to one class, or the test set may not be balanced."
)
SMALL_CHECK = 0.002  # |R - Acc| that a nearly balanced test set does not exceed
CLASS_SPREAD = 0.08  # standard deviation of the recalls of four classes about their mean, in the simulation


def blocks(found: pd.DataFrame) -> pd.DataFrame:
    """R - P of each task and student over its five teachers: mean, sd, least and most."""
    distance = found.assign(distance=found["r"] - found["p"]).groupby(["task", "student"])["distance"]
    return distance.agg(["mean", "std", "min", "max"]).reset_index().rename(columns={"std": "sd"})


def honest_blocks(process: str, found: pd.DataFrame, tables: int, rng: np.random.Generator) -> np.ndarray:
    """The sd of R - P over five honest teachers, (tables, blocks): of our rows, or binomial.

    Of our rows, the five teachers of a block are five draws from one and the same arm: as alike as can be.
    """
    if process == "binomial":
        drawn = audit_honest.tables(found, tables, rng)
        distance = printed(drawn["r"]) - printed(drawn["p"])
        groups = found.groupby(["task", "student"]).indices.values()
        return np.stack([distance[:, index].std(axis=1, ddof=1) for index in groups], axis=1)
    students = found.groupby("task")["student"].nunique()
    parts = []
    for task, number in students.items():
        counts = audit_honest.our_matrices((str(task),), tables * number, rng, groups=5)
        drawn = metrics(*counts)
        distance = printed(drawn["r"]) - printed(drawn["p"])
        parts.append(distance.std(axis=-1, ddof=1).reshape(tables, number))
    return np.concatenate(parts, axis=1)


def constant_tests(found: pd.DataFrame) -> pd.DataFrame:
    """R - P of Tables 4 and 5, where P and R belong to one of two classes. found: of audit_exchanges.rows."""
    two = found[found["task"].isin(audit_honest.TWO_CLASSES)].reset_index(drop=True)
    spreads = blocks(two)["sd"].to_numpy()
    lines: list[tuple[object, ...]] = []
    for process, number, name in (
        ("our rows", 1000, "our rows, five times the same model, 1,000 tables"),
        ("binomial", DRAWS, f"binomial, the test sets of Table 1, {DRAWS:,} tables"),
    ):
        honest = honest_blocks(process, two, number, audit_honest.generator(f"R - P, {process}"))
        for statistic, of in (("median", np.median), ("least", np.min)):
            simulated = of(honest, axis=1)
            value = float(of(spreads))
            low, high = np.quantile(simulated, [0.025, 0.975])
            lines.append(
                (
                    CONSTANT,
                    f"Tables 4 and 5: sd of R - P over five teachers, {statistic} of {len(spreads)} blocks",
                    f"{value:.4f}",
                    name,
                    f"{low:.4f} to {high:.4f}",
                    chance(simulated <= value, number),
                )
            )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def honest_macro(accuracies: np.ndarray, texts: int, tables: int, rng: np.random.Generator) -> np.ndarray:
    """Macro R - Acc of honest rows of four classes, (tables, rows), on one random fifth of `texts` texts a table.

    Each row has its own four recalls, normal about its accuracy with standard deviation CLASS_SPREAD.
    """
    share = audit_honest.random_division(texts, 4, (tables, 1, 1), rng)  # (tables, 1, 1, 4)
    recalls = rng.normal(accuracies[:, None, None], CLASS_SPREAD, (tables, len(accuracies), 1, 4)).clip(0, 1)
    right = rng.binomial(share, recalls, (tables, len(accuracies), audit_honest.REPEATS, 4))
    return printed((right / share).mean(axis=-1)) - printed(right.sum(axis=-1) / share.sum(axis=-1))


def macro_tests(found: pd.DataFrame) -> pd.DataFrame:
    """Table 6: R against Acc and against P. found: of audit_exchanges.rows."""
    four = found[found["task"] == "thematic"]
    gap = (four["r"] - four["acc"]).abs().to_numpy()
    far = int((gap > SMALL_CHECK).sum())
    printed_texts = audit_honest.texts_of("thematic")
    lines: list[tuple[object, ...]] = []
    for texts in (printed_texts, printed_texts // 2):
        honest = np.abs(honest_macro(four["acc"].to_numpy(), texts, 1000, audit_honest.generator(f"macro {texts}")))
        rows = (honest > SMALL_CHECK).sum(axis=1)
        lines.append(
            (
                MACRO,
                f"Table 6: |R - Acc| above {SMALL_CHECK}",
                f"{far} of {len(gap)}, {gap.min():.4f} to {gap.max():.4f}",
                f"simulated: one random fifth of {texts:,} texts, recalls of the classes with sd {CLASS_SPREAD}, 1,000 "
                "tables",
                f"{np.median(rows):.0f} of {len(gap)} (97.5%: {np.quantile(rows, 0.975):.0f})",
                chance(rows >= far, len(rows)),
            )
        )
    distance = (four["r"] - four["p"]).to_numpy()
    rng = audit_honest.generator("macro of ours")
    ours = audit_honest.of_our_rows("thematic", ("p", "r"), DRAWS, rng)[:, 0]
    honest = printed(ours[..., 1]) - printed(ours[..., 0])
    lines.append(
        (
            MACRO,
            "Table 6: R - P",
            f"{distance.min():.4f} to {distance.max():.4f}",
            f"our rows, macro averages on a balanced split, {DRAWS:,} cells",
            f"{honest.min():.4f} to {honest.max():.4f}",
            chance(honest >= distance.min(), DRAWS),
        )
    )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def signs(found: pd.DataFrame) -> tuple[int, int]:
    """In how many rows R is larger than P, and of how many."""
    return int((found["r"] > found["p"]).sum()), len(found)
