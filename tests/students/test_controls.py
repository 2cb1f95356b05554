"""The controls: each differs from the student in the one thing that it says, and learns what it should."""

import math

import numpy as np
import pytest
import torch

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.simulation import Simulator
from qdllm_utils.config import PRESETS, knobs
from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students import tfidf
from qdllm_utils.students.controls import CONTROLS, MLP, Bottleneck, Cosine, Frozen, Linear, Surrogate, Unentangled
from qdllm_utils.students.probes import PROBES, quantise, store_as
from qdllm_utils.students.quantum import QuantumStudents

SMALL = knobs("tuned", qubits=4, layers=1)
ALL = {**CONTROLS, **PROBES}


def toy_data(n_rows, seed, classes=2):
    """Overlapping clouds in 6 dimensions, one a class, and a teacher that is nearly sure."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_rows) % classes
    features = torch.randn(n_rows, 6, generator=generator)
    features += 4.0 * torch.nn.functional.one_hot(labels, 6)
    return {"features": features, "labels": labels, "teacher": 4.0 * torch.nn.functional.one_hot(labels, classes)}


def stacked(data, copies):
    return {name: values.expand(copies, *values.shape) for name, values in data.items()}


def by_hand(student, features):
    """Standardise, then the first linear layer of copy 0, in numpy."""
    state = {name: values[0].double().numpy() for name, values in student.state_dict().items()}
    z = (features.double().numpy() - state["centre"]) / state["spread"] @ state["reduce_weight"] + state["reduce_bias"]
    return z, state


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("classes", [2, 4])
def test_every_copy_learns_and_none_touches_another(name, classes):
    train, test = toy_data(240, 0, classes), toy_data(160, 1, classes)
    student = ALL[name](6, classes, knobs("tuned", qubits=4, layers=1, epochs=8, learning_rate=0.03), [0, 1])
    assert student.name == name
    student.prepare(train["features"])
    student.losses(stacked(train, 2), 0)[1].sum().backward()
    for parameter, values in student.named_parameters():
        assert values.grad is None or (values.grad[0] == 0).all(), parameter
    assert any(values.grad is not None and values.grad[1].abs().max() > 0 for values in student.parameters())
    fit(student, train, toy_data(80, 2, classes))
    accuracies = (predict(student, test).argmax(-1) == test["labels"]).float().mean(dim=1)
    assert (accuracies > (0.7 if name == "frozen" else 0.85)).all(), accuracies


@pytest.mark.parametrize("name", ALL)
def test_a_copy_is_drawn_from_its_own_seed(name):
    together, alone = ALL[name](6, 2, SMALL, [5, 9]), ALL[name](6, 2, SMALL, [9])
    for parameter, values in alone.named_parameters():
        assert torch.equal(together.get_parameter(parameter)[1], values[0])
        assert not torch.equal(together.get_parameter(parameter)[0], values[0])


@pytest.mark.parametrize(
    ("control", "parameters"),
    [
        (Linear, 384 * 2 + 2),
        (Bottleneck, 384 * 11 + 11 + 11 * 2 + 2),
        (Cosine, 384 * 11 + 11 + 11 * 2 + 2),
        (Frozen, 384 * 11 + 11 + 11 * 2 + 2),
        (Surrogate, 384 * 11 + 11 + 62 * 11 + 11 * 2 + 2),
        (Unentangled, 384 * 11 + 11 + 2 * 63 + 11 * 2 + 2),
        (QuantumStudents, 384 * 11 + 11 + 2 * 72 + 11 * 2 + 2),
    ],
)
def test_the_parameters_that_are_trained(control, parameters):
    student = control(384, 2, PRESETS["tuned"], [0, 1])
    assert student.trainable() == parameters
    assert student.stored_bytes() == 4 * (parameters + (144 if control is Frozen else 0))


@pytest.mark.parametrize("preset", ["paper", "tuned"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_mlp_is_as_large_as_the_student_to_half_a_hidden_unit(preset, classes):
    student, mlp = (kind(384, classes, PRESETS[preset], [0]).trainable() for kind in (QuantumStudents, MLP))
    assert abs(student - mlp) <= (384 + 1 + classes) / 2


def test_linear_and_bottleneck_and_mlp_are_matrix_products():
    data = toy_data(20, 0)
    for control, activation in ((Bottleneck, lambda z: z), (MLP, lambda z: np.maximum(z, 0)), (Cosine, None)):
        student = control(6, 2, SMALL, [3])
        student.prepare(data["features"])
        z, state = by_hand(student, data["features"])
        hidden = activation(z) if activation else np.cos(math.pi / 2 * (1 + np.tanh(z)))
        expected = hidden @ state["head_weight"] + state["head_bias"]
        np.testing.assert_allclose(student.logits(stacked(data, 1))[0].detach(), expected, atol=1e-5)
    linear = Linear(6, 2, knobs("paper", qubits=4, layers=1), [3])
    linear.prepare(data["features"])
    expected = data["features"] @ linear.head_weight[0] + linear.head_bias[0]
    torch.testing.assert_close(linear.logits(stacked(data, 1))[0], expected)


def test_cosine_is_the_student_whose_ansatz_does_nothing():
    """At angles 0 and without CNOTs the circuit's <Z_j> are cos z_j."""
    cosine, flat = Cosine(6, 2, SMALL, [3]), Unentangled(6, 2, SMALL, [3])
    with torch.no_grad():
        flat.angles.zero_()
    angles = cosine.encode(stacked(toy_data(20, 0), 1)["features"])
    torch.testing.assert_close(flat.expectations(angles), cosine.expectations(angles), atol=1e-5, rtol=1e-5)


def test_without_entangling_gates_a_qubit_knows_its_own_angle_alone():
    student = Unentangled(6, 2, SMALL, [0])
    torch.nn.init.normal_(student.angles)
    angles = torch.rand(1, 5, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    student.expectations(angles)[..., 1].sum().backward()
    assert angles.grad is not None and angles.grad[..., 1].abs().min() > 0
    assert angles.grad[..., [0, 2, 3]].abs().max() < 1e-6


def test_frozen_angles_cover_the_circle_and_are_not_trained():
    student, data = Frozen(6, 2, knobs("tuned", qubits=4, layers=3, epochs=2), list(range(20))), toy_data(64, 0)
    before = student.angles.clone()
    assert 0 <= before.min() < 0.3 and 6.0 < before.max() < 2 * math.pi
    head = student.head_weight.clone()
    fit(student, data, toy_data(32, 1))
    assert torch.equal(student.angles, before) and not torch.equal(student.head_weight, head)


def test_the_surrogates_terms_hold_a_circuit_of_that_order():
    """RY on qubit 0, then its <Z_0> is a sum of cos z_0 and no more: fitted exactly; a random deep one is not."""
    generator = torch.Generator().manual_seed(0)
    student = Surrogate(6, 2, SMALL, [0])
    angles = 6.3 * torch.rand(400, 4, generator=generator, dtype=torch.float64)

    def residual(layers, qubit):
        circuit = qdllm_circuit(4, layers)
        weights = torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64)
        target = Simulator(circuit)(angles, weights)[:, qubit]
        from qdllm_utils.students.controls import terms

        found = terms(angles)
        solved = torch.linalg.lstsq(found, target[:, None]).solution
        return (found @ solved - target[:, None]).abs().max().item()

    assert student.shapes()["coefficients"] == (2 * 4 + 4 * 3, 4)
    assert residual(1, 3) < 1e-6  # <Z_3> = cos z_3: nothing touches the last qubit
    assert residual(1, 0) > 0.01  # its light cone holds products of three qubits
    torch.testing.assert_close(
        student.expectations(angles[None].float())[0], torch.cos(angles).float(), atol=0.2, rtol=0
    )


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_a_quantised_weight_lies_on_as_many_levels_as_its_bits_hold(bits):
    weights = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(bits))
    found = quantise(weights, bits)
    for copy in range(2):
        levels = found[copy].unique()
        steps = levels / levels.abs().max() * max(1, 2 ** (bits - 1) - 1)
        assert 2 ** (bits - 1) <= len(levels) <= 2**bits
        torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert (found * weights >= 0).all()
    error = {b: (quantise(weights, b) - weights).square().mean() for b in (1, 2, 3, 4, 8)}
    assert bits == 1 or error[bits] < error[{2: 1, 3: 2, 4: 3, 8: 4}[bits]]


def test_one_bit_and_ternary_scales_are_the_least_squares_ones():
    weights = torch.randn(1, 300, 2, generator=torch.Generator().manual_seed(0))
    for bits in (1, 2):
        found = quantise(weights, bits)
        pattern = found.sign()
        best = (weights * pattern).sum() / pattern.square().sum()
        torch.testing.assert_close(found.abs().max(), best)


@pytest.mark.parametrize(("classes", "bits", "stored"), [(2, 1, 52), (2, 8, 388), (4, 2, 400), (4, 3, 592)])
def test_a_quantised_probe_is_stored_in_so_many_bytes(classes, bits, stored):
    assert PROBES[f"probe_{bits}bit"](384, classes, PRESETS["tuned"], [0]).stored_bytes() == stored


def test_a_probe_answers_the_same_from_what_is_stored():
    """Signs packed in bits and one float: mean, spread and scale folded into the threshold."""
    data = toy_data(60, 0)
    data["features"] = 5 + data["features"] * torch.tensor([1, 2, 0.5, 1, 1, 1])
    probe = PROBES["probe_1bit"](6, 2, SMALL, [1])
    probe.prepare(data["features"])
    packed = np.packbits(probe.head_weight[0, :, 0].detach().numpy() < 0)
    scale = probe.head_weight[0].abs().mean() / probe.spread[0, 0]
    signs = 1.0 - 2.0 * np.unpackbits(packed, count=6)
    threshold = float(probe.head_bias[0, 0].detach() / scale.detach() - probe.centre[0].double() @ torch.tensor(signs))
    predicted = data["features"].numpy() @ signs + threshold > 0
    assert (probe.logits(stacked(data, 1))[0].argmax(-1).numpy() == predicted).all()
    assert packed.nbytes == 1 and 5 < predicted.sum() < 55


def test_tfidf_learns_words_chooses_c_on_validation_and_counts_itself():
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    words = [["sun", "warm", "field"], ["rain", "cold", "street"]]
    texts = [" ".join(generator.choice(words[label], 4)) + " and so on" for label in labels]
    rows = {"train": np.arange(100), "validation": np.arange(100, 150), "test": np.arange(150, 200)}
    output = tfidf.train(texts, labels, rows)
    assert (output.logits.argmax(1)[150:] == labels[150:]).mean() > 0.95
    assert output.validation == max(output.tried.values()) == output.tried[str(output.c)]
    assert output.stored_bytes > 4 * output.parameters
    misled = np.where(np.arange(200) < 100, labels, 1 - labels)
    assert tfidf.train(texts, misled, rows).validation < 0.1


@pytest.mark.parametrize("kind", [QuantumStudents, MLP, Linear, Surrogate])
@pytest.mark.parametrize(("form", "tolerance"), [("float32", 1e-4), ("fp16", 0.02), ("int8", 0.4)])
def test_a_rounded_student_answers_nearly_the_same_without_mean_and_spread(kind, form, tolerance):
    data = toy_data(50, 0)
    data["features"] = 5 + 3 * data["features"]
    data["features"][:, 4] = 1.25  # never changes, as three features of MiniLM do not
    student = kind(6, 2, SMALL, [0, 1])
    student.prepare(data["features"])
    before = student.logits(stacked(data, 2)).detach()
    numbers = sum(values[0].numel() for values in student.parameters())
    stored = store_as(student, form)
    after = student.logits(stacked(data, 2)).detach()
    assert (student.centre == 0).all() and (student.spread == 1).all()
    assert (after - before).abs().max() < tolerance * before.abs().max()
    assert form == "float32" or not torch.equal(after, before)
    tensors = len(list(student.parameters()))
    assert stored == {"float32": 4 * numbers, "fp16": 2 * numbers, "int8": numbers + 4 * tensors}[form]
    for values in student.parameters():
        if form == "fp16":
            assert torch.equal(values, values.half().float())
        if form == "int8":
            assert all(len(copy.unique()) <= 255 for copy in values)
