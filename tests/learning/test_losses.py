"""Each loss against torch, scipy, scikit-learn or a literal transcription."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr, softmax
from sklearn.metrics import log_loss

from qdllm_utils.learning import losses

TEMPERATURES = st.sampled_from([0.5, 1.0, 2.0, 10.0])


def logits(rows: int, classes: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, (rows, classes), elements=st.floats(-8, 8, width=32))


@st.composite
def pairs(draw):
    """Student and teacher logits, (B, C) each, and labels (B,)."""
    shape = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    labels = draw(arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return tuple(map(torch.tensor, (draw(logits(*shape)), draw(logits(*shape)), labels)))


def close(actual: torch.Tensor, expected) -> None:
    np.testing.assert_allclose(actual.numpy(), np.asarray(expected), rtol=1e-9, atol=1e-12)


@given(pairs())
def test_cross_entropy_is_scikit_learns(data):
    student, _, labels = data
    actual = losses.cross_entropy(student, labels)
    classes = list(range(student.shape[1]))
    probabilities = softmax(student.numpy(), axis=1)
    expected = [log_loss([label], [row], labels=classes) for label, row in zip(labels, probabilities, strict=True)]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-6, atol=1e-9)


@given(pairs(), TEMPERATURES)
def test_forward_kl_is_torchs_at_the_temperature_times_its_square(data, t):
    student, teacher, _ = data
    expected = F.kl_div(F.log_softmax(student / t, -1), F.softmax(teacher / t, -1), reduction="none").sum(-1)
    close(losses.forward_kl(student, teacher, t), t**2 * expected)


@given(pairs())
def test_reverse_kl_is_scipys_with_the_student_first(data):
    student, teacher, _ = data
    close(losses.reverse_kl(student, teacher), rel_entr(softmax(student, axis=1), softmax(teacher, axis=1)).sum(axis=1))


@pytest.mark.filterwarnings("ignore:invalid value")  # scipy's root of minus nothing
@given(pairs(), TEMPERATURES)
def test_jensen_shannon_is_scipys_distance_squared(data, t):
    student, teacher, _ = data
    distance = jensenshannon(softmax(student.numpy() / t, axis=1), softmax(teacher.numpy() / t, axis=1), axis=1)
    actual = losses.jensen_shannon(student, teacher, t).numpy()
    np.testing.assert_allclose(actual, t**2 * np.nan_to_num(distance) ** 2, rtol=1e-6, atol=1e-9)


@given(pairs())
def test_jensen_shannon_is_symmetric_and_at_most_ln_2(data):
    student, teacher, _ = data
    value = losses.jensen_shannon(student, teacher)
    close(value, losses.jensen_shannon(teacher, student))
    assert (value >= -1e-12).all() and (value <= math.log(2)).all()


def test_jensen_shannon_of_disjoint_distributions_is_ln_2():
    apart = torch.tensor([[300.0, -300.0]], dtype=torch.float64)
    assert losses.jensen_shannon(apart, -apart).item() == pytest.approx(math.log(2), rel=1e-12)


@given(pairs(), TEMPERATURES, st.floats(-50, 50))
def test_a_divergence_vanishes_where_the_distributions_agree(data, t, shift):
    student = data[0]
    for divergence in (partial(losses.forward_kl, temperature=t), partial(losses.jensen_shannon, temperature=t)):
        assert divergence(student, student + shift).abs().max() < 1e-9
        assert divergence(student, student + torch.arange(student.shape[1])).min() > 0
    assert losses.reverse_kl(student, student + shift).abs().max() < 1e-9


@given(pairs())
def test_at_a_high_temperature_kl_is_half_the_mean_squared_difference_of_centred_logits(data):
    """Hinton et al. 2015, eq. 4: T^2 KL -> 1/(2 C) sum (s - t)^2 for zero-mean logits as T grows."""
    student, teacher, _ = data
    centred = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    actual = losses.forward_kl(student, teacher, 1e4).numpy()
    np.testing.assert_allclose(actual, (centred**2).mean(1).numpy() / 2, rtol=5e-3, atol=1e-6)


@given(pairs())
def test_soft_cross_entropy_is_kl_and_the_teachers_entropy(data):
    student, teacher, _ = data
    entropy = -(softmax(teacher.numpy(), 1) * np.log(softmax(teacher.numpy(), 1))).sum(1)
    close(losses.soft_cross_entropy(student, teacher), losses.forward_kl(student, teacher).numpy() + entropy)
    torchs = F.cross_entropy(student, F.softmax(teacher, -1), reduction="none")
    close(losses.soft_cross_entropy(student, teacher), torchs)


@pytest.mark.filterwarnings("ignore:reduction")
@given(pairs())
def test_the_released_divergence_is_its_literal_transcription(data):
    """SPEC section 2: softmax twice on the teacher, KL(m || p), averaged over rows and classes."""
    student, teacher, _ = data
    p = F.softmax(student, dim=-1)
    q = F.softmax(F.softmax(teacher, dim=-1), dim=-1)
    m = (p + q) / 2
    literal = (F.kl_div(p.log(), m, reduction="mean") + F.kl_div(q.log(), m, reduction="mean")) / 2
    close(losses.released_divergence(student, teacher).mean(), literal)


@given(pairs(), TEMPERATURES)
def test_alpha_one_is_distillation_alone_and_alpha_zero_the_labels_alone(data, t):
    student, teacher, labels = data
    p, q = softmax(teacher.numpy() / t, 1), softmax(student.numpy() / t, 1)
    m = (p + q) / 2
    js = (rel_entr(p, m) + rel_entr(q, m)).sum(1) / 2
    close(losses.qdllm_loss(student, teacher, labels, 1.0, t), t**2 * (rel_entr(p, q).sum(1) + js))
    close(losses.qdllm_loss(student, teacher, labels, 0.0, t), F.cross_entropy(student, labels, reduction="none"))


@given(pairs(), st.floats(0, 1), st.sampled_from(["jensen_shannon", "released"]))
def test_alpha_mixes_the_two(data, alpha, divergence):
    student, teacher, labels = data
    soft, hard = (losses.qdllm_loss(student, teacher, labels, end, 2.0, divergence) for end in (1.0, 0.0))
    mixed = losses.qdllm_loss(student, teacher, labels, alpha, 2.0, divergence)
    close(mixed, alpha * soft + (1 - alpha) * hard)


@given(pairs(), st.floats(0, 1), st.sampled_from(["jensen_shannon", "released"]))
def test_the_soft_terms_are_the_two_divergences_alone_or_together(data, alpha, divergence):
    """Table 7: KL and JS alone; with the labels' share they add up to the whole loss."""
    student, teacher, labels = data
    alone = {soft: losses.qdllm_loss(student, teacher, labels, 1.0, 2.0, divergence, soft) for soft in ("kl", "js")}
    close(alone["kl"], losses.forward_kl(student, teacher, 2.0))
    form = losses.released_divergence(student, teacher)
    close(alone["js"], form if divergence == "released" else losses.jensen_shannon(student, teacher, 2.0))
    whole = losses.qdllm_loss(student, teacher, labels, alpha, 2.0, divergence)
    close(whole, (1 - alpha) * losses.cross_entropy(student, labels) + alpha * (alone["kl"] + alone["js"]))


@given(pairs())
def test_the_released_loss_has_the_released_divergence_in_place_of_jensen_shannon(data):
    student, teacher, labels = data
    true = losses.qdllm_loss(student, teacher, labels, 1.0, 2.0, "jensen_shannon")
    released = losses.qdllm_loss(student, teacher, labels, 1.0, 2.0, "released")
    js, form = losses.jensen_shannon(student, teacher, 2.0), losses.released_divergence(student, teacher)
    close(true - js, released - form)


def test_the_defaults_are_the_papers():
    student, teacher = torch.tensor([[1.0, -1.0]]), torch.tensor([[-2.0, 0.5]])
    labels = torch.tensor([1])
    assert torch.equal(
        losses.qdllm_loss(student, teacher, labels),
        losses.qdllm_loss(student, teacher, labels, 0.9, 2.0, "jensen_shannon"),
    )


@settings(deadline=None, max_examples=10)
@given(pairs())
def test_gradients_are_those_of_finite_differences(data):
    student, teacher, labels = data
    student.requires_grad_(True)
    functions = [
        lambda s: losses.cross_entropy(s, labels),
        lambda s: losses.reverse_kl(s, teacher),
        lambda s: losses.soft_cross_entropy(s, teacher),
        lambda s: losses.qdllm_loss(s, teacher, labels),
        lambda s: losses.qdllm_loss(s, teacher, labels, 0.5, 2.0, "released"),
    ]
    for function in functions:
        assert torch.autograd.gradcheck(function, (student,), atol=1e-6)


@pytest.mark.parametrize("divergence", ["jensen_shannon", "released"])
@pytest.mark.parametrize("size", [0.0, 80.0, 1e4])
def test_gradients_stay_finite_at_any_size_of_logits(divergence, size):
    student = torch.tensor([[size, -size], [0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-size, size], [size, 0.0]])
    for values in (
        losses.qdllm_loss(student, teacher, torch.tensor([1, 0]), 0.9, 2.0, divergence),
        losses.reverse_kl(student, teacher),
    ):
        (gradient,) = torch.autograd.grad(values.sum(), student)
        assert values.isfinite().all() and gradient.isfinite().all()


def test_masked_mse_is_the_mse_of_what_the_mask_leaves():
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 3, 5, 4, generator=generator)
    lengths = [2, 5, 1]
    mask = torch.tensor([[1] * length + [0] * (5 - length) for length in lengths])
    actual = losses.masked_mse(student, teacher, mask[:, :, None])
    expected = [F.mse_loss(student[row, :length], teacher[row, :length]) for row, length in enumerate(lengths)]
    torch.testing.assert_close(actual, torch.stack(expected))
