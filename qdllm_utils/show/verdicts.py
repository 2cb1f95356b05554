"""One sentence on each artefact, computed from its rows: reproduced, within interval, not reproduced, not attempted.

A printed value is *reproduced* where our mean is the printed number to its last digit, *within interval* where
the 95% interval of our mean over student seeds (Student's t) holds it, else *not reproduced*. It is *not
attempted* where what was run is not what the paper ran: generated texts, or other teachers.
"""

import html
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from scipy.stats import t

from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.statistics import accuracy_error
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML
from qdllm_utils.show.tables import READERS, STUDENT_NAMES, WIDE_NAMES, model_name
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

REPRODUCED, WITHIN, NOT, UNTRIED = "reproduced", "within interval", "not reproduced", "not attempted"
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")
DEMO_WHY = "the demo scale uses generated texts and small stand-ins; nothing in it can be held against the paper."


@dataclass(frozen=True)
class Verdict:
    """A verdict and why, in one sentence. short: the same in fewer words, for the page of findings."""

    status: str
    why: str
    short: str = ""

    def __str__(self) -> str:
        """'Not attempted: the demo scale ...'."""
        return f"{self.status.capitalize()}: {self.why}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        text = f'<div class="qd-verdict"><strong>{self.status.capitalize()}:</strong> {html.escape(self.why)}</div>'
        short = [f"{self.status.capitalize()}: {self.short}"] if self.short else []
        return HTML(text, verdicts=[*short, str(self)])._repr_mimebundle_()


def interval(values: list[float]) -> tuple[float, float]:
    """The 95% interval of the mean (Student's t); of a single value, the value itself."""
    if len(values) < 2:
        return values[0], values[0]
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return mean(values) - half, mean(values) + half


def judge(values: list[float], printed: str) -> str:
    """How our values of one cell, one a seed, stand to the printed number."""
    low, high = paper.interval(printed)
    if low <= mean(values) <= high:
        return REPRODUCED
    ours = interval(values)
    return WITHIN if ours[0] <= high and low <= ours[1] else NOT


def tally(statuses: list[str]) -> str:
    """'3 reproduced, 1 within interval, 26 not reproduced'."""
    return ", ".join(f"{statuses.count(status)} {status}" for status in (REPRODUCED, WITHIN, NOT))


def overall_status(statuses: list[str]) -> str:
    """Of many values: reproduced if all are, within interval if 95 in 100 are either, else not reproduced."""
    if all(status == REPRODUCED for status in statuses):
        return REPRODUCED
    return WITHIN if statuses.count(NOT) <= 0.05 * len(statuses) else NOT


def others_taught(names: list[str], twins: bool) -> str:
    """Why printed values of the paper's teachers cannot be reproduced with these."""
    return f"the printed values belong to five LLMs, which need the scale paper; here {few(names, twins)} taught"


def few(names: list[str], twins: bool) -> str:
    """'MiniLM', 'MiniLM and MPNet', 'a twin of OPT-6.7B, MPNet and Qwen'; twins: of the paper's, twins taught."""
    *before, last = (f"{'a twin of ' if twins and name in PAPER_TEACHERS else ''}{model_name(name)}" for name in names)
    return f"{', '.join(before)} and {last}" if before else last


def is_real(run: TeacherRun) -> bool:
    """Whether a run's teacher is one of the paper's LLMs and no twin of it."""
    return run.name in PAPER_TEACHERS and not run.teacher.identity["pretraining_steps"]


def compression(comparison: Comparison) -> Verdict:
    """Tables 4 to 6: QD-LLM's place among the five students, and, with the paper's teachers, every printed value.

    Beside the place stands how far two accuracies must be apart to be told apart by so many texts, were their errors
    independent; older rows of the baselines keep no answers, so that no paired interval can be had.
    """
    task = comparison.task
    if comparison.parameters.demo or task is None:
        return Verdict(UNTRIED, DEMO_WHY if task else "these are not the paper's texts.")
    if comparison.failures:
        number = len(comparison.failures)
        return Verdict(UNTRIED, f"{number} of the arms failed (the red cells); the next run tries only these.")
    ours = {
        student: [mean(seed) for seed in zip(*(accuracies(run, student) for run in comparison.runs), strict=True)]
        for student in STUDENTS
    }
    printed = {student: paper.compression(task, "overall", student, "acc") or "" for student in STUDENTS}
    place = rank({student: mean(values) for student, values in ours.items()})
    papers_place = rank({student: paper.number(text) for student, text in printed.items()})
    best = max((student for student in STUDENTS if student != "quantum"), key=lambda student: mean(ours[student]))
    reader = comparison.parameters.size.embedder
    claim = f"QD-LLM is {PLACES[place]} of five in accuracy ({mean(ours['quantum']):.1%}"
    claim += f" reading with {READERS.get(reader, reader)}" if comparison.runs[0].others else ""
    for name in comparison.runs[0].others:
        readings = [[row.result["acc"] for row in run.others[name]] for run in comparison.runs]
        other = mean(mean(seed) for seed in zip(*readings, strict=True))
        its_place = rank({student: mean(values) for student, values in ours.items()} | {"quantum": other})
        claim += f", {PLACES[its_place]} with {other:.1%} reading with {READERS.get(name, name)}"
    claim += f"; the best of the others, {STUDENT_NAMES[best]}, {mean(ours[best]):.1%}), in the paper "
    claim += PLACES[papers_place]
    texts = comparison.runs[0].teacher.result["rows"]["test"]
    closer = 100 * 1.96 * sqrt(2) * accuracy_error(mean(ours["quantum"]), texts)
    sure = f"Were errors independent, {texts:,} test texts would tell two accuracies apart from {closer:.1f} points on."
    sure += beside_wide([run for run in comparison.runs if run.wide])
    real = [run for run in comparison.runs if is_real(run)]
    if not real:
        status = UNTRIED
        order = "the same place" if place == papers_place else "another place"
        names, twins = [run.name for run in comparison.runs], comparison.parameters.size.twins
        short = f"with {few(names, twins)} for the five LLMs QD-LLM is {PLACES[place]} of five, in the paper "
        short += f"{PLACES[papers_place]}. {sure}"
        return Verdict(status, f"{others_taught(names, twins)}; with them {claim}, {order}. {sure}", short)
    statuses = [
        judge([row.result[metric] for row in run.students[student]], text)
        for run in real
        for student in STUDENTS
        for metric in ("acc", "p", "r", "f1")
        if (text := paper.compression(task, run.name, student, metric))
    ]
    status = overall_status(statuses) if place == papers_place else NOT
    return Verdict(status, f"of {len(statuses)} printed values {tally(statuses)}; {claim}. {sure}")


def beside_wide(runs: list[TeacherRun]) -> str:
    """What the students of the paper's size have beside QD-LLM, a sentence; empty where no teacher has any."""
    told = [
        f"taught by {model_name(run.name)} "
        + " and ".join(
            f"{WIDE_NAMES[name]} {mean(r.result['acc'] for r in rows):.1%}" for name, rows in run.wide.items()
        )
        + f" (QD-LLM there {mean(accuracies(run, 'quantum')):.1%})"
        for run in runs
    ]
    return f" In the paper's size, cut from MPNet, one seed, {', '.join(told)}." if told else ""


def accuracies(run: TeacherRun, student: str) -> list[float]:
    """The test accuracy of each seed."""
    return [row.result["acc"] for row in run.students[student]]


def rank(scores: dict[str, float], name: str = "quantum") -> int:
    """How many of the others score higher."""
    return sum(score > scores[name] for other, score in scores.items() if other != name)
