"""Figure 2: what is drawn is what the circuit says."""

from collections import Counter
from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import pytest

from qdcircuits import drawing
from qdcircuits.ansatz import Circuit, Gate, fused, qdllm_circuit

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_a_gate_takes_the_first_column_free_on_its_span():
    gates = (
        Gate("RX", (0,), "input", 0),
        Gate("RX", (2,), "input", 1),
        Gate("CNOT", (0, 2)),  # spans qubit 1
        Gate("RY", (1,), "weight", 0),
        Gate("RY", (0,), "weight", 1),
        Gate("CNOT", (2, 1)),
    )
    assert drawing.columns(gates, 3) == [0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize(("qubits", "layers"), [(11, 11), (4, 2), (2, 1)])
def test_map_has_a_mark_for_each_gate_and_qubit_and_nothing_overlaps(qubits, layers):
    circuit = qdllm_circuit(qubits, layers)
    figure = drawing.draw_map(circuit)
    (axis,) = figure.axes
    expected = Counter(wire for gate in fused(circuit)[0].gates for wire in gate.wires)
    drawn = [tuple(map(int, point)) for marks in axis.collections for point in marks.get_offsets()]
    assert len(drawn) == len(set(drawn))
    assert Counter(wire for _, wire in drawn) == expected
    spans = [(line.get_xdata()[0], set(range(*sorted(line.get_ydata())))) for line in axis.lines]
    assert not any(x == y and one & other for (x, one), (y, other) in combinations(spans, 2))


def test_map_keeps_the_order_of_gates_on_every_qubit():
    circuit, _ = fused(qdllm_circuit(5, 3))
    placed = drawing.columns(circuit.gates, 5)
    for wire in range(5):
        steps = [step for gate, step in zip(circuit.gates, placed, strict=True) if wire in gate.wires]
        assert steps == sorted(set(steps))


def test_encoder_is_one_rx_a_qubit():
    figure = drawing.draw_encoder(5)
    assert [text.get_text() for text in figure.axes[0].texts].count("RX") == 5


def test_a_circuit_without_two_qubit_gates_can_be_mapped():
    figure = drawing.draw_map(Circuit(2, (Gate("RX", (0,), "input", 0), Gate("RX", (1,), "input", 1))))
    assert len(figure.axes[0].collections) == 1
