from collections import Counter

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from qdcircuits.anatomy import anatomy, gradient_variance, jacobian, numerical_rank
from qdcircuits.ansatz import ANSATZE, Circuit, Gate, layered_circuit, qdllm_circuit
from qdcircuits.drawing_roles import BOXES, draw_roles, placed
from tests.qdcircuits.circuit_reference import pennylane


def random_angles(circuit, draws, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.uniform(0, 6.3, (draws, size))) for size in (circuit.n_inputs, circuit.n_weights)]


def largest_slopes(circuit, draws=5):
    """The largest |gradient| of each output by each input and each weight, by autograd."""
    return [part.abs().amax(dim=0).numpy() for part in jacobian(circuit, *random_angles(circuit, draws))]


@pytest.mark.parametrize("layers", [1, 2, 3, 11])
def test_counts_of_the_student_by_reasoning_and_by_autograd(layers):
    circuit = qdllm_circuit(11, layers)
    found = anatomy(circuit)
    by_inputs, by_weights = largest_slopes(circuit)
    assert np.array_equal(found.inputs, by_inputs > 1e-12)
    assert np.array_equal(found.weights, by_weights > 1e-12)
    assert len(found.dead) == 3 * (10 + layers)
    assert len(found.effective) == 29 * layers - 10
    assert len(found.independent) == 28 * layers - 9
    rank = numerical_rank(circuit, samples=2 + 29 * layers // 10)
    assert rank.rank == len(found.independent)
    assert rank.above > 1e-6 and rank.below < 1e-12


def test_what_is_known_of_the_released_circuit():
    found = anatomy(qdllm_circuit(11, 2))
    assert Counter(found.roles) == {"dead": 36, "live": 47, "merged": 144 - 36 - 47}
    last_layer_rz = range(144 - 33, 144)
    first_layer_rz_of_qubit_10 = range(72 - 3, 72)
    assert found.dead == [*first_layer_rz_of_qubit_10, *last_layer_rz]
    assert not found.weights[10].any() and found.inputs[10].tolist() == [False] * 10 + [True]


@pytest.mark.parametrize("layers", [1, 2, 11])
def test_output_10_is_the_cosine_of_its_input(layers):
    circuit = qdllm_circuit(11, layers)
    inputs, weights = random_angles(circuit, 3)
    z = torch.stack([pennylane(circuit)(one[None], angles)[0] for one, angles in zip(inputs, weights, strict=True)])
    assert torch.allclose(z[:, 10], inputs[:, 10].cos(), atol=1e-12)


def test_dead_angles_have_no_gradient_in_pennylane_either():
    circuit = qdllm_circuit(4, 2)
    inputs, weights = random_angles(circuit, 4)
    slopes = torch.autograd.functional.jacobian(lambda angles: pennylane(circuit)(inputs, angles), weights[0])
    ours = jacobian(circuit, inputs, weights[0])[1]
    assert torch.allclose(slopes, ours, atol=1e-12)
    assert slopes[..., anatomy(circuit).dead].abs().max() < 1e-14


@pytest.mark.parametrize("encoder", ["RX", "RY"])
@pytest.mark.parametrize("reuploading", [False, True])
@pytest.mark.parametrize("ansatz", ANSATZE)
def test_cones_of_other_circuits_are_autograds(ansatz, encoder, reuploading):
    circuit = layered_circuit(ansatz, 4, 2, encoder, reuploading)
    found = anatomy(circuit)
    by_inputs, by_weights = largest_slopes(circuit)
    assert np.array_equal(found.inputs, by_inputs > 1e-12)
    assert np.array_equal(found.weights, by_weights > 1e-12)


WIRES = st.permutations(range(3))
GATES = st.tuples(st.sampled_from(["RX", "RY", "RZ", "RZZ", "CNOT"]), WIRES)


@given(st.lists(GATES, min_size=4, max_size=20))
@settings(max_examples=40, deadline=None)
def test_of_any_circuit_dead_is_dead_and_merged_is_merged(drawn):
    gates = [Gate("RX", (wire,), "input", wire) for wire in range(3)]
    for name, wires in drawn:
        if name == "CNOT":
            gates.append(Gate(name, tuple(wires[:2])))
        else:
            number = sum(gate.source == "weight" for gate in gates)
            gates.append(Gate(name, tuple(wires[: 1 + (name == "RZZ")]), "weight", number))
    circuit = Circuit(3, (*gates, Gate("RY", (0,), "weight", sum(gate.source == "weight" for gate in gates))))
    found = anatomy(circuit)
    by_inputs, by_weights = jacobian(circuit, *random_angles(circuit, 6))
    assert not by_inputs.abs().amax(dim=0).numpy()[~found.inputs].max(initial=0) > 1e-12
    assert not by_weights.abs().amax(dim=0).numpy()[~found.weights].max(initial=0) > 1e-12
    for first, *others in found.independent:
        for other in others:
            same, opposite = ((by_weights[..., first] + sign * by_weights[..., other]).abs().max() for sign in (-1, 1))
            assert min(same, opposite) < 1e-12


def test_a_pair_that_only_commuting_brings_together_is_one():
    """RZ on 1, then a CNOT that carries Z_1 to Z_0 Z_1, then RZZ: the same angle twice; an RY between parts them."""
    head = [Gate("RX", (0,), "input", 0), Gate("RX", (1,), "input", 1)]
    tail = [Gate("RY", (0,), "weight", 2), Gate("RY", (1,), "weight", 3)]
    middle = [Gate("RZ", (1,), "weight", 0), Gate("CNOT", (0, 1)), Gate("RZZ", (0, 1), "weight", 1)]
    assert anatomy(Circuit(2, (*head, *middle, *tail))).independent == [[0, 1], [2], [3]]
    parted = [middle[0], Gate("RY", (1,), "weight", 4), *middle[1:]]
    assert [0, 1] not in anatomy(Circuit(2, (*head, *parted, *tail))).independent


def test_gradient_variance_of_one_rotation_is_a_quarter():
    """<Z_0> = cos a cos z, so d/da = -sin a cos z, whose variance over uniform angles is 1/2 * 1/2."""
    gates = (Gate("RX", (0,), "input", 0), Gate("RX", (1,), "input", 1), Gate("RY", (0,), "weight", 0))
    assert gradient_variance(Circuit(2, gates), 4000) == pytest.approx(0.25, abs=0.02)


def test_gradients_of_deep_circuits_fall_with_the_qubits_and_of_shallow_ones_do_not():
    deep = [gradient_variance(qdllm_circuit(n, 8), 40) for n in (3, 5, 7)]
    shallow = [gradient_variance(qdllm_circuit(n, 1), 40) for n in (5, 7)]
    assert deep[0] > 3 * deep[1] > 9 * deep[2]
    assert shallow[1] > shallow[0] / 2


@pytest.mark.parametrize(("layers", "panels"), [(1, [0]), (2, [0, 1]), (4, [0, 1, 3])])
def test_diagram_shows_every_gate_of_a_panel_in_the_colour_of_its_role(layers, panels):
    mpl.use("agg")
    found = anatomy(qdllm_circuit(5, layers))
    figure = draw_roles(found, layers)
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    drawn = Counter((to_hex(box.get_facecolor()), to_hex(box.get_edgecolor())) for box in boxes)
    size = found.circuit.n_weights // layers
    roles = Counter(role for panel in panels for role in found.roles[panel * size : (panel + 1) * size])
    colours = {role: (to_hex(BOXES[role]["facecolor"]), to_hex(BOXES[role]["edgecolor"])) for role in BOXES}
    for role in ("live", "merged", "dead"):
        assert drawn[colours[role]] == roles[role]
    assert drawn[colours["input"]] == 5
    mpl.pyplot.close(figure)


def test_no_two_gates_share_a_place_on_the_diagram():
    taken = set()
    last = dict.fromkeys(range(11), -1)
    for column, gate in placed(list(qdllm_circuit(11, 2).gates)):
        for wire in range(min(gate.wires), max(gate.wires) + 1):
            assert (column, wire) not in taken
            taken.add((column, wire))
        for wire in gate.wires:
            assert column > last[wire]
            last[wire] = column
