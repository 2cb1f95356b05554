"""Distillation losses as pure functions of logits; each returns one value a row, (...,) from (..., C).

Logits, temperatures and probabilities are dimensionless; natural logarithms. Nothing here averages: the
training loop takes the mean over the rows of a batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(student: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(student)[label]; student (..., C), labels (...) of whole numbers."""
    return -F.log_softmax(student, dim=-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def kl(target: Tensor, other: Tensor) -> Tensor:
    """KL(target || other) of log-probabilities (..., C)."""
    return (target.exp() * (target - other)).sum(dim=-1)


def forward_kl(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(softmax(teacher/T) || softmax(student/T)) (Hinton et al. 2015; QD-LLM's L_KL)."""
    s, t = F.log_softmax(student / temperature, -1), F.log_softmax(teacher / temperature, -1)
    return temperature**2 * kl(t, s)


def reverse_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(student) || softmax(teacher)) (Gu et al. 2024, eq. 1), exact over C classes."""
    return kl(F.log_softmax(student, -1), F.log_softmax(teacher, -1))


def soft_cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """-softmax(teacher) . log softmax(student) at T = 1 (Jiao et al. 2020, eq. 10)."""
    return -(F.softmax(teacher, -1) * F.log_softmax(student, -1)).sum(dim=-1)


def jensen_shannon(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 JS(softmax(teacher/T), softmax(student/T)), with JS = (KL(p||m) + KL(q||m)) / 2, m = (p+q)/2.

    Lin (1991). The paper gives no temperature for it; it gets the one of the KL term, and the same T^2,
    so that the two keep their proportion at every T. At T = 1 it lies between 0 and ln 2.
    """
    s, t = F.log_softmax(student / temperature, -1), F.log_softmax(teacher / temperature, -1)
    m = torch.logaddexp(s, t) - torch.log(s.new_tensor(2.0))
    return temperature**2 * 0.5 * (kl(t, m) + kl(s, m))


def released_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """What the released code computes in place of the Jensen-Shannon divergence; kept for comparison.

    The teacher's probabilities are put through softmax a second time, the direction is KL(m || p) and
    KL(m || q), and the sum over classes is an average over classes; no temperature.
    """
    s = F.log_softmax(student, -1)
    t = F.log_softmax(F.softmax(teacher, -1), -1)
    m = torch.logaddexp(s, t) - torch.log(s.new_tensor(2.0))
    return 0.5 * (kl(m, s) + kl(m, t)) / student.shape[-1]


def qdllm_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    alpha: float = 0.9,
    temperature: float = 2.0,
    divergence: str = "jensen_shannon",
    soft: str = "kl+js",
) -> Tensor:
    """(1 - alpha) CE + alpha (KL + JS) (paper, eq. 14); student, teacher (..., C), labels (...).

    CE is taken on the unscaled logits, as in the released code. divergence: `jensen_shannon`, or
    `released` for the form of the released code. soft: `kl+js`, or one of the two alone (paper, Table 7).
    """
    terms = []
    if "kl" in soft:
        terms.append(forward_kl(student, teacher, temperature))
    if "js" in soft and divergence == "released":
        terms.append(released_divergence(student, teacher))
    elif "js" in soft:
        terms.append(jensen_shannon(student, teacher, temperature))
    return (1 - alpha) * cross_entropy(student, labels) + alpha * sum(terms[1:], terms[0])


def masked_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of each row over its valid entries.

    student, teacher: (B, ...); mask: (B, ...), 1 where an entry counts, broadcast to theirs.
    Returns (B,).
    """
    weight = mask.to(student.dtype).expand_as(student)
    squared = (student - teacher) ** 2 * weight
    return squared.flatten(1).sum(1) / weight.flatten(1).sum(1)
