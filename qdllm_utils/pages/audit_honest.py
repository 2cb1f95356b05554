"""What an honest process would print: repeats drawn from our published runs, or from a stated binomial model.

*Our rows*: the confusion matrices of published runs. A row keeps accuracy and macro precision, and where two classes
are equally large these fix the matrix but for which of the two classes is called positive. Every matrix is turned so
that R >= P, as in the paper: that makes honest repeats as alike as they can be, and errs on the paper's side.
*Binomial*: each repeat gets right each text of a class with the probability that a printed row implies.
A printed value is the mean of five repeats with four decimals, as the paper says of its own.
"""

from fractions import Fraction
from functools import cache
from math import lcm

import numpy as np
import pandas as pd

from qdcircuits.errors import InputError
from qdllm_utils.runs.identity import LABELS
from qdllm_utils.show import frame, paper

SEED = 20251125
DRAWS = 4000  # simulated tables (or cells) a test
REPEATS = 5
DECIMALS = 4
TWO_CLASSES = ("emotion", "hiding")
WORKS = 0.55  # a run at chance is like no row of the paper: arms that have one below this accuracy are left out
TEST_SHARE = 0.2  # of the split 6:2:2

COLUMNS = ("question", "statistic", "paper", "process", "honest", "chance")  # of every table of tests
Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # TP, FP, FN, TN


def generator(name: str) -> np.random.Generator:
    """The random numbers of one test: each has its own, so that none depends on which ran before."""
    return np.random.default_rng([SEED, *name.encode()])


def chance(as_extreme: np.ndarray | int, draws: int) -> float:
    """The share of simulated tables that are as extreme, itself counted: never below 1 / (draws + 1)."""
    return (int(np.sum(as_extreme)) + 1) / (draws + 1)


def harmonic(p: np.ndarray | float, r: np.ndarray | float) -> np.ndarray:
    """2PR / (P + R)."""
    p, r = np.asarray(p, dtype=float), np.asarray(r, dtype=float)
    return 2 * p * r / (p + r)


def printed(repeats: np.ndarray) -> np.ndarray:
    """What is printed of repeats (..., REPEATS): their mean with four decimals."""
    return repeats.mean(axis=-1).round(DECIMALS)


def same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether two printed numbers agree in every decimal."""
    return np.abs(one - other) < 0.5 * 10.0**-DECIMALS


def metrics(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> dict[str, np.ndarray]:
    """Acc, P, R and F1 of the positive class, any shape."""
    return {
        "acc": (tp + tn) / (tp + fp + fn + tn),
        "p": tp / np.maximum(tp + fp, 1),
        "r": tp / np.maximum(tp + fn, 1),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    }


def confusion(acc: float, macro_p: float, texts: int) -> tuple[int, int, int, int]:
    """TP, FP, FN, TN with R >= P of a run on `texts` texts, half of them positive, from accuracy and macro precision.

    Raises InputError where no such matrix gives both to nine decimals.
    """
    half, right = texts // 2, round(acc * texts)
    called = np.arange(half, texts + 1)
    called = called[(right - half + called) % 2 == 0]
    tp = (right - half + called) // 2
    fp, fn, tn = called - tp, half - tp, texts - called - half + tp
    there = (tp >= 0) & (tp <= half) & (fp >= 0) & (fp <= half)
    tp, fp, fn, tn = (count[there] for count in (tp, fp, fn, tn))
    precision = (tp / np.maximum(tp + fp, 1) + tn / np.maximum(tn + fn, 1)) / 2
    best = int(np.argmin(np.abs(precision - macro_p))) if len(precision) else -1
    if best < 0 or abs(precision[best] - macro_p) > 1e-9:
        raise InputError(
            f"No balanced confusion matrix of {texts} texts has Acc {acc} and macro P {macro_p}: the audit takes "
            "published runs on test sets of two equally large classes only."
        )
    return int(tp[best]), int(fp[best]), int(fn[best]), int(tn[best])


@cache
def runs() -> pd.DataFrame:
    """The published runs that stand for an honest process, a line a run.

    Columns: task, arm (a number), seed, acc, macro p, r and f1, key and, of two classes, tp, fp, fn, tn. Arms have at
    least five seeds and no run below the accuracy WORKS.

    Raises InputError where no rows are published.
    """
    found = frame.rows(kind="student")
    found = found[found["stored_as"].isna()]
    labels = [label for label in LABELS if label not in ("kind", "seed", "stored_as")]
    arms = found.groupby(labels, dropna=False)
    usable = (arms["seed"].transform("nunique") >= REPEATS) & (arms["acc"].transform("min") >= WORKS)
    found = found.assign(arm=arms.ngroup())[usable]
    if found.empty:
        raise InputError(
            "The audit draws honest repeats from the published rows, and there are none: run it in a checkout of the "
            "repository, which has them under book/results."
        )
    parts = []
    for task, part in found.groupby("task"):
        columns = part[["task", "arm", "seed", "acc", "p", "r", "f1", "key"]].reset_index(drop=True)
        if task in TWO_CLASSES:
            texts = lcm(*(Fraction(acc).limit_denominator(10_000).denominator for acc in columns["acc"]))
            counts = [confusion(acc, p, texts) for acc, p in zip(columns["acc"], columns["p"], strict=True)]
            columns = columns.join(pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"]))
        parts.append(columns)
    return pd.concat(parts, ignore_index=True)


def of_our_rows(
    task: str, columns: tuple[str, ...], cells: int, rng: np.random.Generator, groups: int = 1
) -> np.ndarray:
    """Repeats drawn from our runs on a task, (cells, groups, REPEATS, columns).

    A cell takes one arm at random and each group of it five of its runs (with replacement where groups is more than
    one, since ten seeds give no five disjoint fives).
    """
    arms = [part[list(columns)].to_numpy(dtype=float) for _, part in runs().query("task == @task").groupby("arm")]
    drawn = np.empty((cells, groups, REPEATS, len(columns)))
    for cell, arm in enumerate(rng.integers(0, len(arms), cells)):
        values = arms[arm]
        if groups == 1:
            drawn[cell, 0] = values[rng.permutation(len(values))[:REPEATS]]
        else:
            drawn[cell] = values[rng.integers(0, len(values), (groups, REPEATS))]
    return drawn


def our_matrices(tasks: tuple[str, ...], cells: int, rng: np.random.Generator, groups: int = 1) -> Counts:
    """TP, FP, FN, TN of `cells` cells of each task of two classes, each (cells of all, groups, REPEATS)."""
    drawn = np.concatenate([of_our_rows(task, ("tp", "fp", "fn", "tn"), cells, rng, groups) for task in tasks])
    return drawn[..., 0], drawn[..., 1], drawn[..., 2], drawn[..., 3]


def binomial(rows: pd.DataFrame, positives: np.ndarray, negatives: np.ndarray, rng: np.random.Generator) -> Counts:
    """TP, FP, FN, TN, (..., rows, REPEATS), of models with the precision and recall that rows print.

    rows: columns p and r, read as those of one class on balanced classes. positives, negatives: the texts of the two
    classes in each test set, (..., rows or 1, REPEATS or 1).
    """
    p, r = rows["p"].to_numpy()[:, None], rows["r"].to_numpy()[:, None]
    size = np.broadcast_shapes(np.shape(positives), (len(rows), REPEATS))
    tp = rng.binomial(positives, r, size=size)
    fp = rng.binomial(negatives, np.clip(r * (1 / p - 1), 0, 1), size=size)
    return tp, fp, positives - tp, negatives - fp


def texts_of(task: str) -> int:
    """How many texts Table 1 prints for a task."""
    return int(paper.number(paper.table("datasets").set_index("task")["texts"][task]))


def random_division(
    texts: int, classes: int, size: tuple[int, ...], rng: np.random.Generator, test: int | None = None
) -> np.ndarray:
    """How many texts of each class a random fifth (or `test`) of equally large classes holds, size + (classes,)."""
    whole = [texts // classes] * classes
    return rng.multivariate_hypergeometric(whole, test or round(TEST_SHARE * texts), size=size)


def tables(rows: pd.DataFrame, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The metrics of binomial repeats of every row, (number, rows, REPEATS).

    rows: with a column task. All rows of a task and table share one test set, a random fifth of Table 1's texts.
    """
    tasks = rows["task"].to_numpy()
    classes = np.empty((number, len(rows), 2), dtype=np.int64)
    for task in np.unique(tasks):
        classes[:, tasks == task] = random_division(texts_of(task), 2, (number, 1), rng)
    return metrics(*binomial(rows, classes[..., :1], classes[..., 1:], rng))
