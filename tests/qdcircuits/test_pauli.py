from functools import reduce

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcircuits.ansatz import Circuit, Gate, layered_circuit
from qdcircuits.export.pennylane_circuit import apply
from qdcircuits.pauli import Word, propagate, rotation_form

N = 3
MASKS = st.integers(0, 2**N - 1)
WORDS = st.builds(Word, MASKS, MASKS, st.sampled_from([1, -1]))
CNOTS = st.permutations(range(N)).map(lambda wires: Gate("CNOT", tuple(wires[:2])))
PAULIS = {(0, 0): qml.Identity, (1, 0): qml.PauliX, (1, 1): qml.PauliY, (0, 1): qml.PauliZ}


def matrix(word, n=N):
    factors = [PAULIS[word.x >> wire & 1, word.z >> wire & 1](0).matrix() for wire in range(n)]
    return word.sign * reduce(np.kron, factors)


@given(WORDS, CNOTS)
@settings(max_examples=50, deadline=None)
def test_word_before_a_cnot_is_its_conjugate(word, cnot):
    unitary = qml.matrix(qml.CNOT(cnot.wires), wire_order=range(N))
    assert np.allclose(matrix(word.before(cnot)), unitary @ matrix(word) @ unitary)


@given(WORDS, WORDS)
@settings(max_examples=50, deadline=None)
def test_anticommutes_is_what_the_matrices_do(left, right):
    a, b = matrix(left), matrix(right)
    assert np.allclose(a @ b, (-1 if left.anticommutes(right) else 1) * b @ a)


def unitary(gates, weights, n=N):
    """Of the trained gates, by PennyLane."""
    circuit = Circuit(n, tuple(gates))
    return qml.matrix(lambda: apply(circuit, None, weights), wire_order=range(n))()


def test_rotation_form_is_the_circuit():
    circuit = layered_circuit("qdllm", N, 2)
    trained = [gate for gate in circuit.gates if gate.source != "input"]
    weights = np.random.default_rng(0).uniform(-4, 4, circuit.n_weights)
    form = rotation_form(circuit)
    rotations = np.eye(2**N)
    for rotation in form.rotations:
        if rotation.gate.source == "weight":
            half = weights[rotation.gate.index] / 2
            rotations = (np.cos(half) * np.eye(2**N) - 1j * np.sin(half) * matrix(rotation.word)) @ rotations
    whole = unitary(trained, weights)
    for wire, word in enumerate(form.readout):
        observable = whole.conj().T @ matrix(Word(0, 1 << wire)) @ whole
        assert np.allclose(observable, rotations.conj().T @ matrix(word) @ rotations)


@pytest.mark.parametrize("ansatz", ["qdllm", "hardware_efficient", "strongly_entangling"])
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_propagated_sum_is_the_observable_in_the_heisenberg_picture(ansatz, data):
    circuit = layered_circuit(ansatz, N, 2)
    angles = st.floats(-10, 10, allow_nan=False)
    weights = np.array(data.draw(st.lists(angles, min_size=circuit.n_weights, max_size=circuit.n_weights)))
    whole = unitary([gate for gate in circuit.gates if gate.source != "input"], weights)
    form = rotation_form(circuit)
    for output in range(N):
        words = propagate(form, output, weights)
        total = sum(
            coefficient * matrix(Word(int(x), int(z)))
            for x, z, coefficient in zip(words.x, words.z, words.coefficients, strict=True)
        )
        assert words.dropped == 0
        assert len({*zip(words.x.tolist(), words.z.tolist(), strict=True)}) == len(words.x)
        assert np.abs(total - whole.conj().T @ matrix(Word(0, 1 << output)) @ whole).max() < 1e-12


@given(st.integers(0, 10**6), st.integers(1, 20))
@settings(max_examples=20, deadline=None)
def test_what_was_dropped_bounds_the_error_in_any_state(seed, most):
    circuit = layered_circuit("hardware_efficient", N, 2)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-4, 4, circuit.n_weights)
    form = rotation_form(circuit)
    full, few = (propagate(form, 1, weights, number) for number in (None, most))
    assert len(few.x) <= most and few.dropped > 0

    def observable(words):
        terms = zip(words.x, words.z, words.coefficients, strict=True)
        return sum(coefficient * matrix(Word(int(x), int(z))) for x, z, coefficient in terms)

    error = np.abs(np.linalg.eigvalsh(observable(full) - observable(few))).max()
    assert error <= few.dropped + 1e-12
