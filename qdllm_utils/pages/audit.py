"""The paper's printed numbers held against each other: whatever follows from others is computed again.

A printed number stands for an interval, half a unit of its last digit either way; a finding is a printed number whose
interval does not meet the recomputed one. Nothing here is measured by us.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from statistics import mean

import pandas as pd

from qdllm_utils.show import paper
from qdllm_utils.show.tables import METRICS, STUDENT_NAMES, TEACHER_NAMES
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

TABLES = {"emotion": "Table 4", "hiding": "Table 5", "thematic": "Table 6"}
QUALITY = ("acc", "p", "r", "f1")
# A mean over repeats of Acc = 1/2 + R (2 - 1/P) / 2 differs from that of the mean P and R by about the variance
# of P over the repeats: 0.0002 for a standard deviation of 0.01.
REPEATS_SLACK = 0.001
TEST_SHARE = 0.2  # of the split 6:2:2

Interval = tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """Where, which entry, what is printed, what comes out, and what is to be made of it."""

    place: str
    entry: str
    printed: str
    recomputed: str
    note: str


@dataclass(frozen=True)
class Check:
    """One question to the paper: how many printed values it was put to, and what did not come out."""

    question: str
    checked: int
    findings: tuple[Finding, ...]


def apart(one: Interval, other: Interval) -> bool:
    """Whether two intervals do not meet (a billionth is allowed for floating point)."""
    gap = max(one[0] - other[1], other[0] - one[1])
    return gap > 1e-9 * max(abs(bound) for bound in (*one, *other))


def mean_of(printed: list[str]) -> Interval:
    """The interval of a mean of printed numbers."""
    bounds = [paper.interval(text) for text in printed]
    return mean(low for low, _ in bounds), mean(high for _, high in bounds)


def harmonic(p: str, r: str) -> Interval:
    """The interval of F1 = 2PR/(P+R); it grows with P and with R."""
    (p_low, p_high), (r_low, r_high) = paper.interval(p), paper.interval(r)
    return 2 * p_low * r_low / (p_low + r_low), 2 * p_high * r_high / (p_high + r_high)


def rows(overall: bool = False) -> Iterator[tuple[str, str, str, pd.Series]]:
    """(task, teacher, student, metrics as printed) of Tables 4 to 6; overall: their last blocks instead."""
    wide = paper.table("compression").pivot(index=["task", "teacher", "student"], columns="metric", values="value")
    for (task, teacher, student), row in wide.iterrows():
        if (teacher == "overall") == overall:
            yield task, teacher, student, row


def entry(teacher: str, student: str, metric: str = "") -> str:
    """'LLaMA2-7B +TinyBERT, F1'."""
    name = f"{TEACHER_NAMES.get(teacher, 'Overall')} +{STUDENT_NAMES[student]}"
    return f"{name}, {METRICS.get(metric, metric)}" if metric else name


def size_of(student: str) -> str:
    """A student's parameters as Table 3 prints them."""
    return paper.table("parameters").set_index("name")["parameters"][student]


def f1_from_p_and_r() -> Check:
    """F1 of one class is the harmonic mean of P and R; averaged over classes or repeats it can only be less.

    (The harmonic mean is concave: the mean of F1 is at most F1 of the mean P and R.)
    """
    found, checked = [], 0
    for task, teacher, student, row in rows():
        checked += 1
        exact, printed = harmonic(row["p"], row["r"]), paper.interval(row["f1"])
        if not apart(exact, printed):
            continue
        if swapped(student, row):
            note = "Acc and F1 seem to be exchanged: exchanged back, F1 fits P and R, and Acc fits Acc/Param"
        elif printed[0] > max(paper.interval(row[name])[1] for name in "pr"):
            note = "above both P and R: impossible for a class, and for any average over classes or repeats"
        elif printed[0] > exact[1]:
            note = "above the harmonic mean: impossible for a class, and for any average"
        else:
            note = "below the harmonic mean: possible only as an average of very unequal classes or repeats"
        found.append(Finding(TABLES[task], entry(teacher, student, "f1"), row["f1"], f"{mean(exact):.4f}", note))
    return Check("Does F1 follow from P and R?", checked, tuple(found))


def swapped(student: str, row: pd.Series) -> bool:
    """Whether a row becomes consistent when its Acc and its F1 are exchanged."""
    follows = not apart(harmonic(row["p"], row["r"]), paper.interval(row["acc"]))
    return follows and not apart(paper.quotient(row["f1"], size_of(student)), paper.interval(row["acc_param"]))


def acc_per_parameter() -> Check:
    """Acc/Param from Acc and the sizes of Table 3."""
    found, checked = [], 0
    for task, teacher, student, row in rows():
        checked += 1
        exact = paper.quotient(row["acc"], size_of(student))
        if apart(exact, paper.interval(row["acc_param"])):
            note = (
                "the printed F1 over Param gives it: Acc and F1 seem to be exchanged" if swapped(student, row) else ""
            )
            recomputed = f"{mean(exact):.2e}".replace("e-0", "e-")
            found.append(
                Finding(TABLES[task], entry(teacher, student, "acc_param"), row["acc_param"], recomputed, note)
            )
    return Check("Is Acc/Param the accuracy over the parameters of Table 3?", checked, tuple(found))


def four_class_head() -> Check:
    """Table 6 has four classes: the head has 11 x 4 + 4 parameters and not 11 x 2 + 2."""
    qubits = int(paper.text("qubits"))
    two = paper.number(size_of("quantum"))
    four = two + 2 * (qubits + 1)
    found = []
    values = [row for task, _, student, row in rows() if (task, student) == ("thematic", "quantum")]
    with_four = [paper.number(row["acc"]) / four for row in values]
    wrong = [
        row for row, own in zip(values, with_four, strict=True) if apart((own, own), paper.interval(row["acc_param"]))
    ]
    if wrong:
        found.append(
            Finding(
                TABLES["thematic"],
                f"QD-LLM, Acc/Param ({len(wrong)} of {len(values)} teachers)",
                f"Param {size_of('quantum')}",
                f"{four:,.0f}",
                "the printed size is that of two classes; four need a larger head, and Acc/Param is then smaller",
            )
        )
    return Check("Does the size of QD-LLM fit a task of four classes?", len(values), tuple(found))


def overall_rows() -> Check:
    """The overall block of each table as the mean over its five teachers."""
    found, checked = [], 0
    single = {(task, teacher, student): row for task, teacher, student, row in rows()}
    for task, _, student, row in rows(overall=True):
        for metric in METRICS:
            checked += 1
            exact = mean_of([single[task, teacher, student][metric] for teacher in PAPER_TEACHERS])
            if apart(exact, paper.interval(row[metric])):
                found.append(
                    Finding(TABLES[task], entry("overall", student, metric), row[metric], f"{mean(exact):.4g}", "")
                )
    return Check("Are the overall rows of Tables 4 to 6 means of their five teachers?", checked, tuple(found))


def proportions() -> Check:
    """Each student's share of the largest, in Table 3 and again in Tables 4 to 6, and the range that the text gives."""
    sizes = paper.table("parameters").query("kind == 'student'").set_index("name")
    largest = max(sizes["parameters"], key=paper.number)
    found, checked = [], 0
    printed = [("Table 3", name, sizes["lora_or_proportion"][name]) for name in sizes.index]
    printed += [(TABLES[task], student, row["proportion"]) for task, _, student, row in rows(overall=True)]
    for place, student, text in printed:
        checked += 1
        exact = paper.quotient(sizes["parameters"][student], largest)
        if apart(exact, paper.interval(text)):
            found.append(Finding(place, f"{STUDENT_NAMES[student]}, proportion", text, f"{mean(exact):.2%}", ""))
    others = [size for name, size in sizes["parameters"].items() if name != "quantum"]
    for name, size in (("share_low", max(others, key=paper.number)), ("share_high", min(others, key=paper.number))):
        checked += 1
        exact = paper.quotient(sizes["parameters"]["quantum"], size)
        if apart(exact, paper.interval(paper.text(name))):
            found.append(
                Finding(
                    "Text, comparison on parameters",
                    f"QD-LLM as a share of {size}",
                    paper.text(name),
                    f"{mean(exact):.3%}",
                    "a factor of ten",
                )
            )
    return Check("Are the parameter proportions quotients of Table 3?", checked, tuple(found))


def accuracy_of_two_classes() -> Check:
    """Two classes: P and R of one class and its share s of the texts fix Acc = 1 - s + s R (2 - 1/P).

    The text says of the whole data that the classes are equally large, and of the test set that it is a random fifth:
    s may be off one half by four standard deviations of such a fifth of Table 1's texts.
    """
    found, checked = [], 0
    texts = paper.table("datasets").set_index("task")["texts"]
    for task in ("emotion", "hiding"):
        slack = 4 * (0.25 * (1 - TEST_SHARE) / (TEST_SHARE * paper.number(texts[task]))) ** 0.5
        gaps: dict[str, float] = {}
        size = 0
        for _, teacher, student, row in (item for item in rows() if item[0] == task):
            size += 1
            bounds = [paper.interval(row[name]) for name in "pr"]
            corners = [1 - s + s * r * (2 - 1 / p) for p, r, s in product(*bounds, (0.5 - slack, 0.5 + slack))]
            low, high = min(corners) - REPEATS_SLACK, max(corners) + REPEATS_SLACK
            if apart((low, high), paper.interval(row["acc"])):
                gaps[entry(teacher, student)] = mean(corners) - paper.number(row["acc"])
        checked += size
        if gaps:
            least, most = min(gaps.values()), max(gaps.values())
            found.append(
                Finding(
                    TABLES[task],
                    f"Acc of {len(gaps)} of {size} rows: {', '.join(gaps)}",
                    "Acc",
                    f"off by {least:+.4f}" + (f" to {most:+.4f}" if most > least else ""),
                    "P and R of one class fix Acc but for the share of that class in the test set, and the share "
                    f"needed is not a random fifth's ({0.5 - slack:.3f} to {0.5 + slack:.3f}; 0.001 for the repeats)",
                )
            )
    return Check("Does Acc follow from P and R in a random fifth of two equally large classes?", checked, tuple(found))


def near_twins() -> Check:
    """Rows of one table whose P and R agree to the last digit or so, but whose accuracies do not."""
    found, checked = [], 0
    for task, name in TABLES.items():
        for (_, t1, s1, one), (_, t2, s2, two) in combinations([item for item in rows() if item[0] == task], 2):
            distance = {metric: abs(paper.number(one[metric]) - paper.number(two[metric])) for metric in QUALITY}
            if max(distance["p"], distance["r"]) > 1.5e-4:
                continue
            checked += 1
            if distance["acc"] > REPEATS_SLACK:
                note = f"P, R and F1 agree within {max(distance['p'], distance['r'], distance['f1']):.4f}, Acc does not"
                note += (
                    ": odd with four classes" if task == "thematic" else ": impossible on one test set of two classes"
                )
                pair = f"{entry(t1, s1)} and {entry(t2, s2)}"
                found.append(Finding(name, pair, f"Acc {one['acc']} and {two['acc']}", "the same Acc", note))
    return Check("Do rows with the same P and R have the same Acc?", checked, tuple(found))
