"""The paper-scale plan: arithmetic from rows and counts, changed by its assumptions, never called a measurement."""

import pytest

from qdcircuits.errors import InputError
from qdllm_utils.pages import plan, plan_views
from qdllm_utils.parameters import Parameters
from qdllm_utils.students import sizes

VALUES = {
    "seeds": 5, "tokens": 60, "teacher_epochs": 3, "rank": 64, "tflops": 312.0, "reached": 0.3, "activations_gb": 4.0
}  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return plan.run(Parameters(VALUES))


def stage(found, name):
    return next(one for one in found.stages if one.name == name)


def test_a_teachers_hours_are_operations_over_the_cards_rate(found):
    texts = 20_000 + 4_000 + 8_000
    flops = texts * (0.6 * 3 * 3 + 1) * sizes.llm("opt", 60).flops
    assert stage(found, "teacher opt").gpu_hours == pytest.approx(flops / (0.3 * 312e12) / 3600)
    assert 13 < stage(found, "teacher opt").memory_gb < 15  # 6.7 billion parameters of 2 bytes, and the adapter


def test_qdllm_takes_no_card_and_its_hours_are_the_measured_epochs(found):
    quantum = stage(found, "quantum")
    measured = {task: row["result"]["quantum"]["epoch_cpu_s"] for task, row in found.rows.items()}
    hours = 25 * 10 * (2 * measured["emotion"] + measured["hiding"] + measured["thematic"]) / 3600
    assert (quantum.runs, quantum.gpu_hours) == (75, 0.0)
    assert quantum.cpu_hours == pytest.approx(hours)


def test_an_assumption_changes_what_follows_from_it_and_nothing_else(found):
    half = plan.run(Parameters(VALUES | {"reached": 0.15}))
    for before, after in zip(found.stages, half.stages, strict=True):
        assert after.gpu_hours == pytest.approx(2 * before.gpu_hours)
        assert (after.cpu_hours, after.disk_gb) == (before.cpu_hours, before.disk_gb)
    for name, value in (("reached", 1.5), ("tflops", 0), ("tokens", 0)):
        with pytest.raises(InputError, match=name):
            plan.run(Parameters(VALUES | {name: value}))


def test_estimates_are_called_estimates_and_the_cheapest_teacher_comes_first(found):
    assert found.stages[0].name == "teacher bloomz-1.1b"
    shown = plan_views.plan_table(found)
    assert "GPU hours, estimate" in shown and "from rows" in shown
    assert "An estimate, nothing of it run" in plan_views.sentence(found)
    assert "3 rows, source: measured" in plan_views.provenance_strip(found)
