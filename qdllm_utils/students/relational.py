"""Relational distillation: the texts of a batch are to lie to each other as they do for the teacher.

Relational knowledge distillation (RKD, Park et al. 2019) compares distances and angles; its quantum form (QRKD, Liu et
al. 2025, arXiv 2508.13054, of which only the abstract was read) kernel values of quantum states, here their fidelities.
Each is added to the student's own loss. The teachers give class probabilities and nothing else, so the teacher's space
is softmax(logits / T), T of the loss; with two classes it is a line, and an angle there says which of three texts lies
between the others.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from qdllm_utils.learning.copies import affine, each
from qdllm_utils.learning.training import Data
from qdllm_utils.students.controls import Cosine
from qdllm_utils.students.quantum import QuantumStudents

DISTANCE_WEIGHT, ANGLE_WEIGHT = 25.0, 50.0  # of Park et al., section 4
FIDELITY_WEIGHT = 25.0  # ours: that of the distances
LEAST = 1e-12  # under a root


class Relational(QuantumStudents):
    """QD-LLM with RKD on its read-outs <Z_j>: the student's loss + 25 distances + 50 angles."""

    name = "rkd_quantum"
    title = "QD-LLM, relational loss"

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """The student's loss of each row and the batch's relational loss, (S, B)."""
        angles = self.encode(batch["features"])
        read = self.expectations(angles)
        plain = self.distillation(affine(read, self.head_weight, self.head_bias), batch)
        return plain + self.relational(angles, read, batch["teacher"] / self.knobs.temperature)[:, None]

    def relational(self, angles: Tensor, read: Tensor, teacher: Tensor) -> Tensor:
        """The relational loss of each copy, (S,), from angles and read-outs (S, B, n) and logits / T (S, B, C)."""
        return each(lambda seen, logits: rkd(seen, logits.softmax(-1)), read, teacher)


class RelationalCosine(Relational, Cosine):
    """The same loss on the student without its circuit."""

    name = "rkd_cosine"
    title = "cos, relational loss"


class Fidelity(Relational):
    """QD-LLM with fidelities: |<psi_i|psi_j>|^2 of its states against (sum_c sqrt(p_ic p_jc))^2 of the teacher's p.

    The ansatz U does not depend on the text, so it drops out: <phi_i|U^dagger U|phi_j> is that of the encoder's product
    states, and the fidelity is prod_k cos^2((z_ik - z_jk) / 2). It needs no circuit and trains no angle of one.
    """

    name = "qrkd_quantum"
    title = "QD-LLM, fidelity loss"

    def relational(self, angles: Tensor, read: Tensor, teacher: Tensor) -> Tensor:
        """The relational loss of each copy, (S,)."""
        return each(lambda z, logits: qrkd(z, logits.softmax(-1)), angles, teacher)


class FidelityCosine(Fidelity, Cosine):
    """The same loss on the student without its circuit, whose states are the encoder's."""

    name = "qrkd_cosine"
    title = "cos, fidelity loss"


def rkd(student: Tensor, teacher: Tensor) -> Tensor:
    """25 L_D + 50 L_A of a batch: student (B, n), teacher (B, C); a number (Park et al. 2019, RKD-DA).

    Huber losses (1 where they turn linear), averaged over all ordered pairs and triples, those of a text with itself
    among them, as in the authors' code.
    """
    distance = F.smooth_l1_loss(distances(student), distances(teacher))
    return DISTANCE_WEIGHT * distance + ANGLE_WEIGHT * F.smooth_l1_loss(cosines(student), cosines(teacher))


def distances(points: Tensor) -> Tensor:
    """|x_i - x_j| over the mean distance of two different points, (B, B), from (B, n)."""
    count = len(points)
    squared = (points[:, None] - points[None]).square().sum(dim=-1)
    apart = squared.clamp_min(LEAST).sqrt() * (1 - torch.eye(count, device=points.device))
    return apart / (apart.sum() / max(1, count * (count - 1))).clamp_min(LEAST)


def cosines(points: Tensor) -> Tensor:
    """The cosine of the angle at x_i between x_j and x_k, (B, B, B), from (B, n); 0 where two of them are one."""
    directions = F.normalize(points[None] - points[:, None], dim=-1)
    return directions @ directions.mT


def qrkd(angles: Tensor, teacher: Tensor) -> Tensor:
    """25 times the Huber loss of fidelities over all ordered pairs: angles (B, n) in rad, probabilities (B, C)."""
    amplitudes = teacher.sqrt()
    return FIDELITY_WEIGHT * F.smooth_l1_loss(fidelities(angles), (amplitudes @ amplitudes.T).square())


def fidelities(angles: Tensor) -> Tensor:
    """prod_k cos^2((z_ik - z_jk) / 2) of two product states of RX, (B, B), from angles (B, n) in rad."""
    return torch.cos((angles[:, None] - angles[None]) / 2).prod(dim=-1).square()
