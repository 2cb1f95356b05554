import math

import numpy as np
import pennylane as qml
import pytest
import torch

from qdcircuits import expressibility as e
from qdcircuits.ansatz import Circuit, Gate, layered_circuit
from qdcircuits.export.pennylane_circuit import apply
from qdcircuits.simulation import Simulator


def state(amplitudes):
    vector = torch.tensor(amplitudes, dtype=torch.complex128)
    return vector / vector.norm()


KNOWN = {
    "product": ([1, 2, 3, 6], 0),
    "Bell": ([1, 0, 0, 1j], 1),
    "GHZ of 3": ([1, 0, 0, 0, 0, 0, 0, -1], 1),
    "W of 3": ([0, 1, 1, 0, 1, 0, 0, 0], 8 / 9),
    "Bell and a third": (np.kron([1, 0, 0, 1], [1, 1j]), 2 / 3),
}


@pytest.mark.parametrize("name", KNOWN)
def test_meyer_wallach_of_known_states(name):
    amplitudes, expected = KNOWN[name]
    assert float(e.meyer_wallach(state(amplitudes))) == pytest.approx(expected, abs=1e-12)


def test_meyer_wallach_is_pennylanes_purities():
    rng = np.random.default_rng(0)
    vector = rng.normal(size=16) + 1j * rng.normal(size=16)
    vector /= np.linalg.norm(vector)
    density = np.outer(vector, vector.conj())
    purities = [float(qml.math.purity(density, [wire])) for wire in range(4)]
    assert float(e.meyer_wallach(torch.from_numpy(vector))) == pytest.approx(2 * (1 - np.mean(purities)), abs=1e-12)


@pytest.mark.parametrize("ansatz", ["qdllm", "hardware_efficient"])
def test_states_are_pennylanes(ansatz):
    circuit = layered_circuit(ansatz, 3, 2)
    inputs, weights = (torch.randn(size, dtype=torch.float64) for size in (circuit.n_inputs, circuit.n_weights))

    @qml.qnode(qml.device("default.qubit", wires=3))
    def theirs():
        apply(circuit, inputs.numpy(), weights.numpy())
        return qml.state()

    ours = Simulator(circuit).states(inputs[None], weights)[:, 0]
    assert abs(np.vdot(theirs(), ours.numpy())) == pytest.approx(1, abs=1e-12)


def test_entangling_capability_is_nothing_without_entangling_gates():
    assert e.entangling_capability(layered_circuit("unentangled", 4, 3), 50) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("rotation", "expected"), [("RX", 1 / 2), ("RY", 1 / 4)])
def test_entangling_capability_of_a_known_circuit(rotation, expected):
    """RX(a) on the control of a CNOT: Q = sin(a)^2 (1 - <X>^2), with <X> = sin b of an RY(b) on the target."""
    gates = (Gate("RX", (0,), "weight", 0), Gate(rotation, (1,), "input", 0), Gate("CNOT", (0, 1)))
    assert e.entangling_capability(Circuit(2, gates), 4000) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("dimension", "bins"), [(2, 75), (16, 75), (2048, 20)])
def test_idle_circuit_is_least_expressive(dimension, bins):
    """All fidelities are 1: KL = -log of the last bin's Haar mass, (N - 1) log(bins)."""
    found = e.haar_divergence(np.ones(10), dimension, e.equal_widths(bins))
    assert found == pytest.approx((dimension - 1) * math.log(bins), rel=1e-9)


def test_expressibility_of_one_rotation_in_closed_form():
    """RX(a) on one of two qubits: F = cos(d/2)^2 with d uniform, the arcsine law."""
    circuit = Circuit(2, (Gate("RX", (0,), "input", 0), Gate("RZ", (1,), "weight", 0)))
    edges = e.equal_widths(10)
    share = np.diff(2 / np.pi * np.arcsin(np.sqrt(edges)))
    haar = -np.diff((1 - edges) ** 3)
    expected = np.sum(share * np.log(share / haar))
    assert e.haar_divergence(e.fidelities(circuit, 20_000), 4, edges) == pytest.approx(expected, rel=0.02)


def test_pairs_are_of_independent_states_and_come_again():
    circuit = layered_circuit("strongly_entangling", 3, 3)
    sample = e.fidelities(circuit, 600)
    assert sample.shape == (600,) and np.array_equal(sample, e.fidelities(circuit, 600))
    assert sample.mean() == pytest.approx(1 / 8, abs=0.02)
    assert not np.array_equal(sample, e.fidelities(circuit, 600, seed=1))


@pytest.mark.parametrize(("dimension", "edges"), [(16, e.equal_widths()), (2048, e.haar_quantiles(2048, 20))])
def test_haar_random_states_score_their_floor(dimension, edges):
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, 2, 800, dimension))
    left, right = parts[:, 0] + 1j * parts[:, 1]
    overlap = np.abs((left.conj() * right).sum(axis=1)) ** 2
    sample = overlap / (np.abs(left) ** 2).sum(axis=1) / (np.abs(right) ** 2).sum(axis=1)
    floor = e.haar_floor(800, dimension, edges)
    assert 0 < floor < 0.1
    assert e.haar_divergence(sample, dimension, edges) == pytest.approx(floor, abs=0.02)


def test_quantiles_hold_equal_haar_mass():
    edges = e.haar_quantiles(2048, 20)
    assert np.allclose(-np.diff((1 - edges) ** 2047), 1 / 20)
