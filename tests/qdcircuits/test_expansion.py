import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcircuits.ansatz import Circuit, Gate, layered_circuit, qdllm_circuit
from qdcircuits.expansion import Expansion, expand
from qdcircuits.export.pennylane_circuit import qnode
from qdcircuits.simulation import simulator


def angles(circuit, texts, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-12, 12, (texts, circuit.n_inputs)), rng.uniform(-12, 12, circuit.n_weights)


def simulated(circuit, inputs, weights):
    return simulator(circuit)(torch.from_numpy(inputs), torch.from_numpy(weights)).numpy()


@pytest.mark.parametrize("encoder", ["RX", "RY"])
@pytest.mark.parametrize(
    ("ansatz", "qubits", "layers"),
    [("qdllm", 3, 1), ("qdllm", 3, 11), ("qdllm", 4, 3), ("qdllm", 5, 4), ("qdllm", 6, 2), ("qdllm", 6, 5)]
    + [(name, 4, 2) for name in ("unentangled", "hardware_efficient", "strongly_entangling")],
)
def test_expansion_equals_the_simulator(ansatz, qubits, layers, encoder):
    circuit = layered_circuit(ansatz, qubits, layers, encoder)
    inputs, weights = angles(circuit, 40)
    expansion = expand(circuit, weights)
    assert np.abs(expansion(inputs, rows=7) - simulated(circuit, inputs, weights)).max() < 1e-9
    assert (expansion.dropped < 1e-11).all()


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_expansion_equals_pennylane_at_any_angles(data):
    circuit = qdllm_circuit(4, 2)
    numbers = st.floats(-20, 20, allow_nan=False)
    inputs, weights = (
        np.array(data.draw(st.lists(numbers, min_size=size, max_size=size)))
        for size in (circuit.n_inputs, circuit.n_weights)
    )
    assert np.allclose(expand(circuit, weights)(inputs[None])[0], qnode(circuit)(inputs, weights), atol=1e-12)


@pytest.fixture(scope="module")
def student():
    """The released circuit, 11 qubits and 2 layers, at random angles: circuit, inputs, <Z>, expansion."""
    circuit = qdllm_circuit(11, 2)
    inputs, weights = angles(circuit, 50, seed=3)
    return circuit, inputs, simulated(circuit, inputs, weights), expand(circuit, weights)


def test_the_students_expansion_is_exact_and_as_long_as_it_is(student):
    _, inputs, exact, expansion = student
    assert np.abs(expansion(inputs) - exact).max() < 1e-9
    assert expansion.counts[10] == 1 and expansion.formula(10, 5) == r"\langle Z_{10}\rangle = \cos z_{10}"
    assert max(expansion.counts) == expansion.counts[9] == pytest.approx(83_000, rel=0.01)
    assert np.allclose(expansion(inputs)[:, 10], np.cos(inputs[:, 10]), atol=1e-12)


@pytest.mark.parametrize("terms", [1, 10, 1000])
def test_truncation_keeps_the_largest_and_its_bound_holds(student, terms):
    _, inputs, exact, expansion = student
    kept = expansion.truncated(terms)
    assert kept.counts == [min(terms, count) for count in expansion.counts]
    assert (np.abs(kept(inputs) - exact).max(axis=0) <= kept.dropped + 1e-12).all()
    for output in (0, 9):
        everything, few = (np.abs(one.digits(output)[1]) for one in (expansion, kept))
        assert np.allclose(np.sort(few), np.sort(everything)[-len(few) :])
        assert kept.dropped[output] == pytest.approx(everything.sum() - few.sum(), abs=1e-12)


def test_propagation_with_few_words_states_a_bound_that_holds():
    circuit = qdllm_circuit(5, 4)
    inputs, weights = angles(circuit, 200)
    exact = simulated(circuit, inputs, weights)
    for most in (3, 30, 300):
        expansion = expand(circuit, weights, most)
        assert (np.abs(expansion(inputs) - exact).max(axis=0) <= expansion.dropped + 1e-12).all()
    assert np.abs(expansion(inputs) - exact).max() < 1


def interpolated(circuit, weights):
    """The table (n_qubits, 3^n) from the simulator's values on the grid of three angles for each input."""
    n = circuit.n_inputs
    nodes = 2 * np.pi / 3 * np.arange(3)
    tensor = simulated(circuit, nodes[np.indices((3,) * n).reshape(n, -1).T], weights)
    inverse = np.linalg.inv(np.stack([np.ones(3), np.cos(nodes), np.sin(nodes)], axis=1))
    for _ in range(n):
        tensor = tensor.reshape(3, -1)  # the last axis of the inputs goes round to the front of the outputs
        tensor = (inverse @ tensor).T.ravel()
    return tensor.reshape(circuit.n_qubits, 3**n)


@pytest.mark.parametrize(("qubits", "layers"), [(3, 2), (4, 6), (5, 2)])
def test_every_coefficient_is_what_interpolation_finds(qubits, layers):
    circuit = qdllm_circuit(qubits, layers)
    _, weights = angles(circuit, 1)
    expansion = expand(circuit, weights)
    table = np.zeros((qubits, 3**qubits))
    table[expansion.outputs, expansion.codes] = expansion.coefficients
    assert np.abs(table - interpolated(circuit, weights)).max() < 1e-13
    assert np.abs(table).max() > 0.01


def one_rotation(encoder, angle):
    gates = (Gate(encoder, (0,), "input", 0), Gate(encoder, (1,), "input", 1), Gate("RY", (0,), "weight", 0))
    return expand(Circuit(2, gates), np.array([angle]))


def test_formulae_known_by_hand():
    """RY(a) after RY(z): cos(z + a). RY(a) after RX(z): cos a cos z, since RX(z) leaves <X> at 0."""
    assert one_rotation("RY", 1.0).formula(0, 5) == (r"\langle Z_{0}\rangle = -0.841\,\sin z_{0} + 0.540\,\cos z_{0}")
    assert one_rotation("RX", 1.0).formula(0, 5) == r"\langle Z_{0}\rangle = 0.540\,\cos z_{0}"
    assert one_rotation("RY", 1.0).formula(0, 1).endswith(r"+ \ldots")
    assert one_rotation("RX", 1e-4 + np.pi / 2).formula(0, 5) == r"\langle Z_{0}\rangle = 0 + \ldots"
    assert one_rotation("RX", 0.0).formula(1, 5) == r"\langle Z_{1}\rangle = \cos z_{1}"


def test_table_survives_its_arrays():
    circuit = qdllm_circuit(5, 2)
    inputs, weights = angles(circuit, 20)
    expansion = expand(circuit, weights, 50).truncated(20)
    again = Expansion.from_arrays(expansion.arrays())
    assert np.array_equal(again(inputs), expansion(inputs))
    assert np.array_equal(again.dropped, expansion.dropped)


def test_no_texts_give_no_rows():
    expansion = one_rotation("RX", 1.0)
    assert expansion(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "circuit",
    [
        layered_circuit("qdllm", 3, 2, reuploading=True),
        Circuit(2, (Gate("RX", (0,), "input", 0), Gate("RX", (0,), "input", 1), Gate("RY", (0,), "weight", 0))),
        Circuit(2, (Gate("RX", (0,), "input", 0), Gate("RX", (1,), "input", 0), Gate("RY", (0,), "weight", 0))),
        Circuit(2, (Gate("CNOT", (0, 1)), Gate("RX", (0,), "input", 0), Gate("RY", (0,), "weight", 0))),
    ],
)
def test_a_circuit_that_reads_its_inputs_otherwise_is_refused(circuit):
    with pytest.raises(ValueError, match="can be written out"):
        expand(circuit, np.zeros(circuit.n_weights))
