"""Verdicts from rows made up here; the interval against scipy's t test."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.comparison import Comparison, TeacherRun
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.store import Row
from qdllm_utils.show import paper, verdicts

METRICS = ("acc", "p", "r", "f1")


@pytest.mark.parametrize("values", [[0.5, 0.6], [0.81, 0.80, 0.84, 0.79], list(np.linspace(0, 1, 10))])
def test_interval_is_that_of_the_t_test(values):
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(verdicts.interval(values), (expected.low, expected.high), rtol=1e-12)


def test_a_single_value_is_its_own_interval():
    assert verdicts.interval([0.5]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "printed", "status"),
    [
        ([0.7781, 0.7781], "0.7781", "reproduced"),
        ([0.77, 0.7862], "0.7781", "reproduced"),
        ([0.77, 0.79], "0.7781", "within interval"),
        ([0.770, 0.771, 0.772], "0.7781", "not reproduced"),
        ([0.785, 0.786, 0.787], "0.7781", "not reproduced"),
        ([0.79], "0.7781", "not reproduced"),
        ([9275], "9,275", "reproduced"),
        ([9276], "9,275", "not reproduced"),
    ],
)
def test_judgement_of_one_value(values, printed, status):
    assert verdicts.judge(values, printed) == status


def test_status_of_many_values():
    good, near, bad = "reproduced", "within interval", "not reproduced"
    assert verdicts.overall_status([good] * 20) == good
    assert verdicts.overall_status([good] * 10 + [near] * 9 + [bad]) == near
    assert verdicts.overall_status([good] * 18 + [bad] * 2) == bad
    assert verdicts.tally([good, good, bad]) == "2 reproduced, 0 within interval, 1 not reproduced"


def comparison(teacher: str, scale: str, shift: dict[str, float], twin: bool = False, task: str | None = "emotion"):
    """Rows that print the paper's own values for OPT, each student's moved by `shift`."""
    students = {}
    for student in STUDENTS:
        values = {m: paper.number(paper.compression("emotion", "opt", student, m)) for m in METRICS}
        moved = {m: value + shift.get(student, 0) for m, value in values.items()}
        students[student] = [Row({"kind": "student"}, moved, {}) for _ in range(3)]
    own = Row({"kind": "teacher", "pretraining_steps": 40 if twin else 0}, {"acc": 0.9, "rows": {"test": 800}}, {})
    parameters = Parameters({"scale": scale})
    return Comparison("t", "authors", task, parameters, [TeacherRun(teacher, own, students)], None)


def test_the_papers_own_values_are_reproduced_with_its_own_teacher():
    """OPT alone ranks QD-LLM first of five, the paper's mean over five teachers second: the claim does not hold."""
    verdict = verdicts.compression(comparison("opt", "paper", {}))
    assert verdict.status == "not reproduced" and "of 20 printed values 20 reproduced" in verdict.why
    assert "first of five" in verdict.why and "in the paper second" in verdict.why
    verdict = verdicts.compression(comparison("opt", "paper", {"quantum": -0.01}))
    assert verdict.status == "not reproduced" and "16 reproduced, 0 within interval, 4 not" in verdict.why
    assert "QD-LLM is second of five" in verdict.why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"teacher": "opt", "scale": "demo"}, "generated texts"),
        ({"teacher": "minilm", "scale": "cpu"}, "here MiniLM taught; with them QD-LLM is first of five"),
        ({"teacher": "opt", "scale": "cpu", "twin": True}, "here a twin of OPT-6.7B taught"),
        ({"teacher": "opt", "scale": "cpu", "task": None}, "not the paper's texts"),
    ],
)
def test_what_the_paper_did_not_run_is_not_attempted(given, why):
    verdict = verdicts.compression(comparison(shift={}, **given))
    assert verdict.status == "not attempted" and why in verdict.why
    assert str(verdict).startswith("Not attempted: ") and "Not attempted" in verdict._repr_mimebundle_()[0]["text/html"]


def test_a_place_comes_with_what_so_many_texts_can_tell():
    """Two independent accuracies of .8157 on 800 texts: 1.96 sqrt(2 * .8157 * .1843 / 800) = 3.8 points."""
    verdict = verdicts.compression(comparison("minilm", "cpu", {}))
    sure = "Were errors independent, 800 test texts would tell two accuracies apart from 3.8 points on."
    assert verdict.why.endswith(sure) and verdict.short.endswith(sure)


def test_a_second_reader_gets_its_own_place():
    whole = comparison("minilm", "cpu", {})
    lower = [Row({"kind": "student"}, {"acc": 0.78}, {}) for _ in range(3)]
    whole = replace(whole, runs=[replace(whole.runs[0], others={"minilm": lower})])
    why = verdicts.compression(whole).why
    assert "QD-LLM is first of five in accuracy (81.6% reading with MPNet, 12 × 768, third with 78.0%" in why


def test_verdict_is_escaped():
    assert "a &lt; b" in verdicts.Verdict("reproduced", "a < b")._repr_mimebundle_()[0]["text/html"]


def test_students_of_the_papers_size_are_set_beside_the_quantum_one():
    plain = comparison("qwen", "cpu", {})
    assert "In the paper's size" not in verdicts.compression(plain).why
    wide = {"pkd_768": [Row({"kind": "student"}, {"acc": 0.912}, {})]}
    found = verdicts.compression(replace(plain, runs=[replace(plain.runs[0], wide=wide)]))
    quantum = paper.number(paper.compression("emotion", "opt", "quantum", "acc"))
    taught = f"taught by Qwen2.5-Coder-1.5B PKD, 4 × 768 91.2% (QD-LLM there {quantum:.1%})"
    sentence = f"In the paper's size, cut from MPNet, one seed, {taught}"
    assert f"{sentence}." in found.why and f"{sentence}." in found.short
    both = replace(plain, runs=[replace(plain.runs[0], wide=wide)] * 2)
    assert f"{sentence}, {taught}." in verdicts.compression(both).why
