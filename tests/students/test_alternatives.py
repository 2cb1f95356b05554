"""The alternatives against something independent: PennyLane, numpy, plain loops; and that all learn and count right."""

import math

import numpy as np
import pennylane as qml
import pytest
import torch

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.simulation import Simulator
from qdllm_utils.config import knobs
from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students.alternatives import ALTERNATIVES
from qdllm_utils.students.factored import LowRank, TensorTrain
from qdllm_utils.students.iqp import IQP, RandomCosines, read_out
from qdllm_utils.students.mps import BOND, MPS, ReducedMLP, contraction
from qdllm_utils.students.relational import fidelities, qrkd, rkd

TUNED = knobs("tuned", epochs=12, learning_rate=0.03, batch_size=16, qubits=5)


def toy_data(n_rows, seed, classes=2):
    """Overlapping clouds in 12 dimensions, one a class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_rows) % classes
    features = torch.randn(n_rows, 12, generator=generator)
    features += 4.0 * torch.nn.functional.one_hot(labels, 12)
    return {"features": features, "labels": labels, "teacher": 4.0 * torch.nn.functional.one_hot(labels, classes)}


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_every_copy_learns_and_none_touches_another(name, classes):
    train, test = toy_data(320, 0, classes), toy_data(160, 1, classes)
    student = ALTERNATIVES[name](12, classes, TUNED, [0, 1])
    assert student.name == name
    student.prepare(train["features"])
    batch = {column: values[:16].expand(2, *values[:16].shape) for column, values in train.items()}
    student.losses(batch, 0)[1].sum().backward()
    for parameter, values in student.named_parameters():
        assert values.grad is None or (values.grad[0] == 0).all(), parameter
        assert values.grad is not None and values.grad[1].abs().max() > 0, parameter
    fit(student, train, toy_data(80, 2, classes))
    accuracies = (predict(student, test).argmax(-1) == test["labels"]).float().mean(dim=1)
    assert (accuracies > (0.7 if name.startswith(("low_rank", "random")) else 0.85)).all(), accuracies


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("tt_quantum", 24 * 11 * 5 + 32 * 5 + 11 + 144 + 24),
        ("tt_cosine", 24 * 11 * 5 + 32 * 5 + 11 + 24),
        ("low_rank_quantum", 768 * 2 + 2 * 11 + 11 + 144 + 24),
        ("low_rank_cosine", 768 * 2 + 2 * 11 + 11 + 24),
        ("iqp", 8459 + 55 + 24),
        ("random_cosines", 8459 + 55 + 24),
        ("mps", 8459 + 336),
        ("reduced_mlp", 8459 + 12 * 24 + 25 * 2),
        ("rkd_quantum", 8627),
        ("rkd_cosine", 8483),
        ("qrkd_quantum", 8627),
        ("qrkd_cosine", 8483),
    ],
)
def test_trained_numbers_are_those_that_the_page_says(name, numbers):
    student = ALTERNATIVES[name](768, 2, knobs("tuned"), [0])
    assert student.trainable() == numbers
    assert student.stored_bytes() == 4 * numbers


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("dimension", [384, 768, 1536])
@pytest.mark.parametrize(("one", "other"), [(TensorTrain, LowRank), (IQP, RandomCosines), (MPS, ReducedMLP)])
def test_a_student_and_its_control_are_of_one_size(one, other, dimension, classes):
    first, second = (kind(dimension, classes, knobs("tuned"), [0]).trainable() for kind in (one, other))
    assert abs(first - second) < 0.06 * second


@pytest.mark.parametrize("kind", [TensorTrain, LowRank])
def test_the_factored_layer_is_its_matrix(kind):
    """W from the cores by numpy: a sum of Kronecker products."""
    student = kind(24, 2, knobs("tuned", qubits=5), [0, 1])
    first, second = student.modes()
    assert (first, second) == ((4, 6) if kind is TensorTrain else (1, 24))
    inner = student.inner[1].detach().double().numpy()
    outer = student.outer[1].detach().double().numpy().reshape(first, student.rank(), 5)
    matrix = sum(np.kron(outer[:, r], inner[:, [r]]) for r in range(student.rank()))
    features = drawn(0, 2, 7, 24).float()
    expected = features[1].double().numpy() @ matrix + student.reduce_bias[1].detach().double().numpy()
    np.testing.assert_allclose(student.reduce(features)[1].detach(), expected, atol=1e-5)


def test_the_factored_layer_starts_with_the_variance_of_the_students():
    student = TensorTrain(768, 2, knobs("tuned"), list(range(20)))
    assert student.modes() == (24, 32) and student.rank() == 5
    cores = student.outer.detach().reshape(20, 24, 5, 11)
    matrices = torch.einsum("siro,sjr->sijo", cores, student.inner.detach())
    assert matrices.var().item() == pytest.approx(1 / (3 * 768), rel=0.15)


def test_the_iqp_read_out_is_that_of_the_circuit_in_pennylane():
    n = 5
    z, couplings = 1.5 * drawn(0, 3, n), drawn(1, n * (n - 1) // 2)
    pairs = list(zip(*np.triu_indices(n, 1), strict=True))

    @qml.qnode(qml.device("default.qubit", wires=n))
    def run(angles):
        for wire in range(n):
            qml.Hadamard(wire)
        for wire in range(n):
            qml.RZ(angles[wire], wire)
        for (j, k), w in zip(pairs, couplings.numpy(), strict=True):
            qml.IsingZZ(w * angles[j] * angles[k], (int(j), int(k)))
        for wire in range(n):
            qml.Hadamard(wire)
        return [qml.expval(qml.Z(wire)) for wire in range(n)]

    found = read_out(z.float(), couplings.float())
    for row in range(3):
        np.testing.assert_allclose(found[row], run(z[row].numpy()), atol=1e-5)


def test_the_chain_is_the_full_tensor_contracted_by_numpy():
    n, classes = 5, 3
    z, ends, sites, middle = (
        drawn(0, 4, n),
        drawn(1, 2, 2, BOND),
        drawn(2, n - 2, 2, BOND, BOND),
        drawn(3, BOND, BOND, classes),
    )
    # half of the three sites, rounded down, stand left of the class
    weights = np.einsum("ai,bij,jkl,ckm,dmn,en->abcdel", ends[0], sites[0], middle, sites[1], sites[2], ends[1])
    local = np.stack([np.cos(z / 2), np.sin(z / 2)], axis=-1)
    expected = np.einsum("abcdel,Ba,Bb,Bc,Bd,Be->Bl", weights, *(local[:, j] for j in range(n)))
    np.testing.assert_allclose(contraction(z, ends, sites, middle), expected, atol=1e-10)


def huber(x):
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def test_the_relational_loss_is_the_plain_double_and_triple_loop():
    student, teacher = drawn(0, 6, 4).numpy(), torch.softmax(drawn(1, 6, 3), -1).numpy()

    def distances(x):
        found = [[math.dist(a, b) for b in x] for a in x]
        mean = sum(map(sum, found)) / (len(x) * (len(x) - 1))
        return [[d / mean for d in row] for row in found]

    def cosine(x, i, j, k):
        a, b = x[j] - x[i], x[k] - x[i]
        return 0.0 if i in (j, k) else float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    n, mine, its = 6, distances(student), distances(teacher)
    distance = sum(huber(mine[i][j] - its[i][j]) for i in range(n) for j in range(n)) / n**2
    angle = sum(
        huber(cosine(student, i, j, k) - cosine(teacher, i, j, k)) for i in range(n) for j in range(n) for k in range(n)
    )
    found = rkd(torch.tensor(student), torch.tensor(teacher))
    assert found.item() == pytest.approx(25 * distance + 50 * angle / n**3, rel=1e-9)


def test_fidelities_are_those_of_the_circuits_states_whatever_its_angles():
    circuit = qdllm_circuit(4, 2)
    inputs, weights = drawn(0, 6, 4), drawn(1, circuit.n_weights)
    states = Simulator(circuit).states(inputs, weights)  # (2^n, B)
    expected = (states.mH @ states).abs().square()
    torch.testing.assert_close(fidelities(inputs), expected)
    p = torch.softmax(drawn(2, 6, 3), -1)
    loss = sum(
        huber(expected[i, j].item() - sum(math.sqrt(p[i, c] * p[j, c]) for c in range(3)) ** 2)
        for i in range(6)
        for j in range(6)
    )
    assert qrkd(inputs, p).item() == pytest.approx(25 * loss / 36, rel=1e-9)


@pytest.mark.parametrize("kind", ["rkd_quantum", "qrkd_cosine"])
def test_the_relation_is_added_to_the_students_own_loss_and_is_of_its_own_copy(kind):
    student = ALTERNATIVES[kind](12, 2, TUNED, [0, 1])
    data = toy_data(16, 0)
    batch = {name: values.expand(2, *values.shape) for name, values in data.items()}
    angles = student.encode(batch["features"])
    read = student.expectations(angles)
    own = student.distillation(student.logits(batch), batch)
    p = (data["teacher"] / TUNED.temperature).softmax(-1)
    added = [qrkd(angles[s], p) if kind == "qrkd_cosine" else rkd(read[s], p) for s in (0, 1)]
    torch.testing.assert_close(student.losses(batch, 0), own + torch.stack(added)[:, None])


def test_texts_that_the_teacher_takes_for_one_leave_the_loss_finite():
    points = drawn(0, 5, 4).requires_grad_()
    loss = rkd(points, torch.full((5, 2), 0.5, dtype=torch.float64))
    loss.backward()
    assert loss.isfinite() and points.grad is not None and points.grad.isfinite().all()
    same = torch.zeros(5, 4, dtype=torch.float64, requires_grad=True)
    rkd(same, torch.full((5, 2), 0.5, dtype=torch.float64)).backward()
    assert same.grad is not None and same.grad.isfinite().all()
