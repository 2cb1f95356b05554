"""The paper's printed numbers, as CSV files beside this one; nothing else in the project types one."""

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent


@cache
def table(name: str) -> pd.DataFrame:
    """One CSV of the paper's numbers: `compression` (Tables 4 to 6) or `parameters` (Table 3)."""
    return pd.read_csv(FOLDER / f"{name}.csv", dtype=str)


def compression(task: str | None, teacher: str, student: str, metric: str) -> str | None:
    """The paper's value as it is printed, or None; teacher `overall` is its mean over five teachers."""
    rows = table("compression").set_index(["task", "teacher", "student", "metric"])["value"]
    return rows.get((task, teacher, student, metric))
