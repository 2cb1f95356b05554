"""The paper's printed numbers, as CSV files beside this one; nothing else in the project types one.

compression: Tables 4 to 6. datasets, simulation, parameters, losses, teachers: Tables 1, 2, 3, 7 and 8.
text: numbers of the running text, each with the phrase that it stands in.
"""

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent
UNITS = {"%": 0.01, "M": 1e6, "B": 1e9}


@cache
def table(name: str) -> pd.DataFrame:
    """One CSV of the paper's numbers, every cell as it is printed."""
    return pd.read_csv(FOLDER / f"{name}.csv", dtype=str)


@cache
def values(name: str, *keys: str) -> dict[tuple[str, ...], str]:
    """The column `value` of a CSV by the columns `keys`."""
    rows = table(name)
    return dict(zip(rows[list(keys)].itertuples(index=False, name=None), rows["value"], strict=True))


def compression(task: str | None, teacher: str, student: str, metric: str) -> str | None:
    """The paper's value as it is printed, or None; teacher `overall` is its mean over five teachers."""
    return values("compression", "task", "teacher", "student", "metric").get((task or "", teacher, student, metric))


def qdllm_percent(task: str) -> float:
    """The paper's accuracy of QD-LLM on a task in percent, its mean over five teachers."""
    return 100 * number(compression(task, "overall", "quantum", "acc") or "")


def teacher(task: str, name: str, metric: str) -> str | None:
    """Table 8's value as it is printed, or None; task `overall` is its mean over three tasks."""
    return values("teachers", "task", "teacher", "metric").get((task, name, metric))


def loss(name: str, metric: str) -> str | None:
    """Table 7's value as it is printed, or None."""
    return values("losses", "loss", "metric").get((name, metric))


def text(name: str) -> str:
    """A number of the running text as it is printed (the first place that names it)."""
    rows = table("text")
    return rows.loc[rows["name"] == name, "value"].iloc[0]


def number(printed: str) -> float:
    """The value of a printed number: 0.1234, 1.23e-4, 12.3%, 1.23M, 1,234."""
    unit = UNITS.get(printed[-1], 1.0)
    return float(printed.rstrip("".join(UNITS)).replace(",", "")) * unit


def interval(printed: str) -> tuple[float, float]:
    """What a printed number can stand for: itself and half a unit of its last digit either way.

    A whole number without a unit is a count and stands for itself alone.
    """
    centre = number(printed)
    digits, _, exponent = printed.rstrip("".join(UNITS)).partition("e")
    decimals = len(digits.partition(".")[2])
    if printed[-1].isdigit() and not decimals:
        return centre, centre
    half = 0.5 * 10 ** (int(exponent or 0) - decimals) * UNITS.get(printed[-1], 1.0)
    return centre - half, centre + half


def quotient(top: str, bottom: str) -> tuple[float, float]:
    """The interval of a quotient of two printed positive numbers."""
    (low, high), (least, most) = interval(top), interval(bottom)
    return low / most, high / least
