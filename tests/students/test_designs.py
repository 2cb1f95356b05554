"""The declared family: sizes, encodings and read-outs against PennyLane, projections, and that all learn."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from qdllm_utils.config import knobs
from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students.classical_designs import PCALinear, PCALogistic, PCAPolynomial, RandomCosine
from qdllm_utils.students.design_catalogue import BUDGETS, CLASSICAL_DESIGNS, DESIGNS, QUANTUM_DESIGNS, named
from qdllm_utils.students.quantum_designs import QuantumDesign

TUNED = knobs("tuned", epochs=8, learning_rate=0.03, batch_size=16)


def toy_data(n_rows, seed):
    """Two clouds in 8 dimensions, apart along their first principal component."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_rows) % 2
    features = 2 + torch.randn(n_rows, 8, generator=generator)
    features[:, :4] += 3.0 * labels[:, None]
    return {"features": features, "labels": labels, "teacher": 4.0 * torch.nn.functional.one_hot(labels, 2)}


def design(base=QuantumDesign, **attributes):
    return named(base, "mine", "mine", attributes)(8, 2, TUNED, [0, 1])


def on_pennylane(student, inputs, measure):
    """The design's circuit by PennyLane on one row of inputs: angles, or amplitudes."""
    gates = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ, "RZZ": qml.IsingZZ}
    weights = student.angles[0].detach().double().numpy()

    @qml.qnode(qml.device("default.qubit", wires=student.qubits))
    def run():
        if student.front == "amplitude":
            qml.StatePrep(inputs, wires=range(student.qubits), normalize=True)
        for gate in student.circuit().gates:
            if gate.name == "CNOT":
                qml.CNOT(gate.wires)
            else:
                gates[gate.name](inputs[gate.index] if gate.source == "input" else weights[gate.index], gate.wires)
        return measure(student.qubits)

    return np.array(run())


def z_and_zz(n):
    pairs = [qml.Z(i) @ qml.Z(j) for i in range(n) for j in range(i)]
    return [qml.expval(o) for o in [*(qml.Z(j) for j in range(n)), *pairs]]


@pytest.mark.parametrize("front", ["pca", "amplitude"])
@pytest.mark.parametrize(
    ("readout", "measure"),
    [
        ("z", lambda n: [qml.expval(qml.Z(j)) for j in range(n)]),
        ("zz", z_and_zz),
        ("probabilities", lambda n: qml.probs(wires=range(n))),
    ],
)
@pytest.mark.parametrize("ansatz", ["qdllm", "strongly_entangling"])
def test_readouts_and_encodings_agree_with_pennylane(front, readout, measure, ansatz):
    student = design(qubits=3, layers=2, front=front, readout=readout, ansatz=ansatz)
    torch.nn.init.normal_(student.angles)
    data = toy_data(40, 0)
    student.prepare(data["features"])
    inputs = student.encode(data["features"][:2].expand(2, -1, -1))
    found = student.expectations(inputs)[0].detach()
    for row in range(2):
        expected = on_pennylane(student, inputs[0, row].detach().double().numpy(), measure)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_reuploading_gives_each_layer_a_scale_and_shift_of_its_own():
    student = design(qubits=3, layers=2, front="pca", reuploading=True)
    data = toy_data(40, 0)
    student.prepare(data["features"])
    with torch.no_grad():
        student.scale[0] = torch.arange(1.0, 7.0)
        student.shift[0] = 0.5
    batch = data["features"][:4].expand(2, -1, -1)
    u = student.seen(batch)[0]
    expected = (
        math.pi
        / 2
        * (1 + torch.tanh(torch.cat([u * torch.tensor([1.0, 2, 3]), u * torch.tensor([4.0, 5, 6])], 1) + 0.5))
    )
    angles = student.encode(batch)
    torch.testing.assert_close(angles[0], expected)
    expected = on_pennylane(
        student, angles[0, 0].detach().double().numpy(), lambda n: [qml.expval(qml.Z(j)) for j in range(n)]
    )
    np.testing.assert_allclose(student.expectations(angles)[0, 0].detach(), expected, atol=1e-5)


def test_components_are_those_of_scikit_learn_with_spread_1():
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    student, features = design(PCALinear, budget=8), toy_data(60, 0)["features"]
    student.prepare(features)
    expected = PCA(3, whiten=True).fit_transform(StandardScaler().fit_transform(features))
    found = student.seen(features[None].expand(2, -1, -1))[1].numpy()
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=0.02)


def test_products_and_cosines_and_one_direction_are_what_they_say():
    features = toy_data(60, 0)["features"][None].expand(2, -1, -1)
    products, cosines, one = (design(b, budget=20) for b in (PCAPolynomial, RandomCosine, PCALogistic))
    for student in (products, cosines, one):
        student.prepare(features[0])
    seen = products.seen(features)
    found = products.features(seen)
    assert found.shape[-1] == products.outputs() == 9 and products.width == 3
    torch.testing.assert_close(found[..., 3:].sum(-1), (seen.sum(-1) ** 2 + (seen**2).sum(-1)) / 2)
    seen = cosines.seen(features)
    torch.testing.assert_close(cosines.features(seen)[..., 1], torch.sin(seen[..., 1]), atol=1e-5, rtol=1e-5)
    assert not torch.equal(cosines.projection[0], cosines.projection[1])
    assert one.width == 19 and one.outputs() == 8  # 19 components of which there are 8
    logits = one.logits({"features": features})[0]
    assert (logits[:, 0] == 0).all()
    torch.testing.assert_close(logits[:, 1], one.seen(features)[0] @ one.head_weight[0, :, 0] + one.head_bias[0])
    assert design(PCALogistic, budget=7).trainable() == 7


@pytest.mark.parametrize("budget", BUDGETS)
def test_both_kinds_have_as_many_designs_of_about_the_budget(budget):
    quantum, classical = QUANTUM_DESIGNS[budget], CLASSICAL_DESIGNS[budget]
    assert len(quantum) == len(classical) == 6
    for name, kind in (quantum | classical).items():
        student = kind(384, 2, TUNED, [0])
        assert student.name == name and DESIGNS[name] is kind
        assert student.trainable() <= 1.35 * budget
        # equal budgets are equal trained numbers: everything that a gradient reaches
        assert student.trainable() == sum(values[0].numel() for values in student.parameters() if values.requires_grad)
        if name in quantum:
            assert student.trainable() >= 0.75 * budget
    assert len({kind.title for kind in (quantum | classical).values()}) == 12


@pytest.mark.parametrize("name", [*QUANTUM_DESIGNS[15], *CLASSICAL_DESIGNS[50], "q50_3"])
def test_a_design_learns_in_every_copy(name):
    train, test = toy_data(240, 0), toy_data(200, 1)
    student = DESIGNS[name](8, 2, TUNED, [0, 1])
    student.prepare(train["features"])
    fit(student, train, toy_data(80, 2))
    accuracies = (predict(student, test).argmax(-1) == test["labels"]).float().mean(dim=1)
    assert (accuracies > 0.85).all(), accuracies
