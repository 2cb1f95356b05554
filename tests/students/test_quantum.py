"""The quantum student: its size, its angles, that it learns, and that its copies do not touch each other."""

import math

import pytest
import torch

from qdllm_utils.config import PRESETS, Knobs, knobs
from qdllm_utils.learning.losses import qdllm_loss
from qdllm_utils.learning.training import fit, predict
from qdllm_utils.students.quantum import QuantumStudents

SMALL = knobs("tuned", qubits=4, layers=1)


def students(seeds, chosen: Knobs = SMALL, dimension=6, classes=2) -> QuantumStudents:
    return QuantumStudents(dimension, classes, chosen, seeds)


def toy_data(n_rows, seed):
    """Two overlapping clouds in 6 dimensions on either side of a plane, and a teacher that is nearly sure."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n_rows) % 2
    features = torch.randn(n_rows, 6, generator=generator)
    features[:, 0] += 3.0 * (2 * labels - 1)
    return {"features": features, "labels": labels, "teacher": 4.0 * torch.nn.functional.one_hot(labels, 2)}


def stacked(data, copies):
    return {name: values.expand(copies, *values.shape) for name, values in data.items()}


@pytest.mark.parametrize(
    ("preset", "classes", "parameters"),
    [("paper", 2, 9275), ("paper", 4, 9299), ("released", 2, 8627), ("released", 4, 8651)],
)
def test_the_parameters_are_as_many_as_the_papers(preset, classes, parameters):
    student = students([0, 1], PRESETS[preset], dimension=768, classes=classes)
    assert student.trainable() == parameters
    assert sum(values.numel() for values in student.parameters() if values.requires_grad) == 2 * parameters


def test_minmax_angles_reach_from_0_to_10_in_every_row():
    student = students([0, 1, 2], knobs("paper", qubits=5, layers=1))
    angles = student.encode(stacked(toy_data(30, 0), 3)["features"])
    assert angles.shape == (3, 30, 5)
    torch.testing.assert_close(angles.amin(-1), torch.zeros(3, 30))
    torch.testing.assert_close(angles.amax(-1), torch.full((3, 30), 10.0))
    z = toy_data(30, 0)["features"] @ student.reduce_weight[1] + student.reduce_bias[1]
    expected = 10 * (z - z.min(1, keepdim=True)[0]) / (z.max(1, keepdim=True)[0] - z.min(1, keepdim=True)[0])
    torch.testing.assert_close(angles[1], expected)


def test_minmax_of_a_constant_row_is_finite():
    student = students([0], knobs("paper", qubits=5, layers=1))
    with torch.no_grad():
        student.reduce_weight.zero_()
        student.reduce_bias.fill_(3.0)
    assert student.encode(torch.ones(1, 2, 6)).isfinite().all()


def test_tanh_angles_lie_between_0_and_pi_and_take_standardised_features():
    student = students([0, 1])
    features = 100 + 50 * toy_data(40, 0)["features"]
    student.prepare(features)
    angles = student.encode(features.expand(2, -1, -1))
    assert (angles > 0).all() and (angles < math.pi).all()
    standardised = (features - features.mean(0)) / features.std(0)
    z = standardised @ student.reduce_weight[1] + student.reduce_bias[1]
    torch.testing.assert_close(angles[1], math.pi / 2 * (1 + torch.tanh(z)), atol=1e-4, rtol=1e-4)


def test_a_feature_that_never_changes_does_no_harm():
    student = students([0])
    features = toy_data(20, 0)["features"]
    features[:, 2] = 5.0
    student.prepare(features)
    assert student.encode(features[None]).isfinite().all()


def test_what_scaling_learnt_is_part_of_the_state_and_minmax_learns_nothing():
    features = 3 + toy_data(20, 0)["features"]
    tanh, minmax = students([0]), students([0], knobs("paper", qubits=4, layers=1))
    tanh.prepare(features)
    minmax.prepare(features)
    assert tanh.state_dict()["centre"][0].tolist() == pytest.approx(features.mean(0).tolist())
    assert (minmax.state_dict()["centre"] == 0).all() and (minmax.state_dict()["spread"] == 1).all()


def test_a_copy_is_drawn_from_its_own_seed():
    together, alone = students([5, 9]), students([9])
    for name, values in alone.named_parameters():
        copies = together.get_parameter(name)
        assert torch.equal(copies[1], values[0])
        assert not torch.equal(copies[0], values[0])


def test_the_initial_weights_have_the_scales_of_torch_and_mindquantum():
    student = students(range(40), PRESETS["paper"], dimension=768, classes=4)
    for weight, bound in (("reduce", 768**-0.5), ("head", 11**-0.5)):
        for part in ("weight", "bias"):
            values = student.get_parameter(f"{weight}_{part}")
            assert 0.95 * bound < values.abs().max() <= bound
    assert student.angles.std().item() == pytest.approx(0.01, rel=0.03)


def test_copies_have_no_gradient_from_each_other():
    student = students([0, 1, 2])
    student.losses(stacked(toy_data(8, 0), 3), 0)[1].sum().backward()
    for name, values in student.named_parameters():
        assert values.grad[1].abs().max() > 0, name
        assert (values.grad[0] == 0).all() and (values.grad[2] == 0).all(), name


def test_a_copy_answers_the_same_alone_and_in_company():
    together, alone, data = students([3, 4]), students([4]), toy_data(10, 0)
    torch.testing.assert_close(predict(together, data)[1], predict(alone, data)[0], atol=1e-6, rtol=1e-5)


def test_the_loss_is_the_papers_with_the_knobs_of_the_student():
    chosen = knobs("tuned", qubits=4, layers=1, alpha=0.3, temperature=5.0, divergence="released")
    student, batch = students([0], chosen), stacked(toy_data(8, 0), 1)
    expected = qdllm_loss(student.logits(batch)[0], batch["teacher"][0], batch["labels"][0], 0.3, 5.0, "released")
    torch.testing.assert_close(student.losses(batch, 0)[0], expected)


@pytest.mark.parametrize(
    "chosen",
    [
        knobs("tuned", qubits=4, layers=1, epochs=8, learning_rate=0.03),
        knobs("paper", qubits=4, layers=1, epochs=4),
    ],
    ids=["tuned", "paper"],
)
def test_a_separable_task_is_learnt_by_every_copy(chosen):
    train, test = toy_data(240, 0), toy_data(200, 1)
    student = students([0, 1, 2], chosen)
    student.prepare(train["features"])
    fit(student, train, toy_data(80, 2))
    accuracies = (predict(student, test).argmax(-1) == test["labels"]).float().mean(dim=1)
    assert (accuracies > 0.85).all(), accuracies  # a majority answer has 0.5


def test_the_size_is_told_in_words():
    assert students([0], PRESETS["paper"]).describe() == "11 qubits, 11 layers"
