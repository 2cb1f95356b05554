"""The page *Try the student*: its arithmetic against Python's, and its use by keyboard, offline and without scripts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qdcircuits.ansatz import Circuit, fused, qdllm_circuit
from qdcircuits.expansion import expand
from qdcircuits.export.pennylane_circuit import qnode
from qdcircuits.simulation import simulator
from qdllm_utils.show import try_student

DATA = try_student.read((try_student.FOLDER / "students.js").read_text(encoding="utf-8"))
INPUTS = np.random.default_rng(15).uniform(0, np.pi, (100, 11))
TASKS = sorted(DATA["students"])
CALL = """([task, inputs, off]) => inputs.map((z) =>
    qdllmTry.expectations(qdllmStudents, qdllmStudents.students[task], z, new Set(off)))"""


@pytest.fixture(scope="module")
def page(browser: Any, html: Path) -> Iterator[Any]:
    """The page, opened as a file, as a reader without a network would."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.goto((html / "try.html").as_uri())
    opened.wait_for_selector("#qdllm-try table")
    yield opened
    opened.close()


def exact(circuit: Circuit, weights: list[float]) -> np.ndarray:
    """<Z> of INPUTS by this project's simulator, (100, 11)."""
    angles = torch.tensor(weights, dtype=torch.float64)[None]
    return simulator(circuit)(torch.from_numpy(INPUTS)[None], angles)[0].numpy()


@pytest.mark.parametrize("task", TASKS)
def test_the_circuit_is_pythons(page, task):
    row = try_student.row_of(DATA["students"][task]["key"])
    angles = row.arrays["angles"].astype(float).ravel()
    expected = exact(qdllm_circuit(11, 2), angles.tolist())
    assert np.abs(np.array(page.evaluate(CALL, [task, INPUTS.tolist(), []])) - expected).max() < 1e-6


def test_the_circuit_is_pennylanes(page):
    angles = try_student.row_of(DATA["students"]["emotion"]["key"]).arrays["angles"].astype(float).ravel()
    circuit = qdllm_circuit(11, 2)
    expected = np.array([[float(z) for z in qnode(circuit)(one, angles)] for one in INPUTS])
    assert np.abs(np.array(page.evaluate(CALL, ["emotion", INPUTS.tolist(), []])) - expected).max() < 1e-6


def test_a_circuit_without_some_gates_is_pythons(page):
    circuit, _ = fused(qdllm_circuit(11, 2))
    trained = [number for number, gate in enumerate(circuit.gates) if gate.source != "input"]
    weights = DATA["students"]["thematic"]["weights"]
    whole = exact(circuit, weights)
    generator = np.random.default_rng(7)
    for _ in range(5):
        off = sorted(generator.choice(trained, 10, replace=False).tolist())
        kept = Circuit(11, tuple(gate for number, gate in enumerate(circuit.gates) if number not in off))
        expected = exact(kept, weights[: kept.n_weights])
        assert np.abs(expected - whole).max() > 0.01
        assert np.abs(np.array(page.evaluate(CALL, ["thematic", INPUTS.tolist(), off])) - expected).max() < 1e-6


@pytest.mark.parametrize("task", TASKS)
def test_the_terms_are_pythons(page, task):
    circuit, _ = fused(qdllm_circuit(11, 2))
    table = expand(circuit, np.array(DATA["students"][task]["weights"]))
    call = "([task, inputs, n]) => inputs.map((z) => qdllmTry.shortened(qdllmStudents.students[task], z, n))"
    for count in (1, 3, 10):
        found = np.array(page.evaluate(call, [task, INPUTS.tolist(), count]))
        assert np.abs(found - table.truncated(count)(INPUTS)).max() < 1e-6


def test_the_classes_are_pythons(page):
    student = DATA["students"]["thematic"]
    z = exact(fused(qdllm_circuit(11, 2))[0], student["weights"])
    arrays = try_student.row_of(student["key"]).arrays
    head, bias = (torch.from_numpy(arrays[name]).double() for name in ("head_weight", "head_bias"))
    expected = torch.softmax(torch.from_numpy(z) @ head.reshape(11, -1) + bias.reshape(-1), dim=-1).numpy()
    call = "(z) => z.map((one) => qdllmTry.probabilities(qdllmStudents.students.thematic, one))"
    assert np.abs(np.array(page.evaluate(call, z.tolist())) - expected).max() < 1e-6


def test_it_is_used_by_keyboard_and_says_what_happened(page):
    said = page.get_by_role("status")
    page.wait_for_timeout(500)
    before = said.inner_text()
    assert "The circuit says" in before
    slider = page.get_by_label("Angle of qubit 1", exact=True)
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert float(slider.input_value()) == pytest.approx(0.99 * np.pi, abs=1e-6)
    page.wait_for_timeout(500)
    moved = said.inner_text()
    assert moved != before
    assert "Angles of your own" in page.locator(".qd-try-text").inner_text()
    assert slider.get_attribute("aria-valuetext").endswith(" rad")
    page.get_by_label("RY (10 gates)").first.focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(500)
    assert "10 gates off" in said.inner_text()
    page.get_by_role("button", name="All gates on").click()
    page.wait_for_timeout(500)
    assert said.inner_text() == moved
    page.get_by_role("button", name="Angles of the text").click()
    page.wait_for_timeout(500)
    assert said.inner_text() == before


def test_one_gate_off_is_seen_in_its_kind(page):
    page.get_by_text("One gate at a time").click()
    page.get_by_label("CNOT, layer 2, qubit 10 and 0").uncheck()
    boxes = page.locator(".qd-try-kinds input")
    assert [box.evaluate("(box) => box.indeterminate") for box in boxes.all()] == [False] * 7 + [True]
    page.get_by_role("button", name="All gates on").click()


def test_each_task_has_its_texts_and_classes(page):
    for number, task in enumerate(DATA["students"]):
        page.get_by_label("Task", exact=True).select_option(str(number))
        student = DATA["students"][task]
        assert page.get_by_label("Generated text").locator("option").all_inner_texts() == [
            one["text"] for one in student["texts"]
        ]
        assert all(page.get_by_role("rowheader", name=name, exact=True).count() == 1 for name in student["classes"])


def test_without_scripts_there_is_a_picture(browser, html):
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((html / "try.html").as_uri())
    picture = opened.locator('img[src="try/picture.svg"]')
    assert picture.is_visible()
    assert len(picture.get_attribute("alt")) > 40
    context.close()
