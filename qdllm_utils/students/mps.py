"""A matrix product state as the classifier (Stoudenmire and Schwab 2016), and an MLP of its size.

Every reduced feature is a local vector (cos(z/2), sin(z/2)), the amplitudes of RY(z)|0>, and the logit of a class is
the contraction of these with a chain of matrices whose middle carries the class. Trained by gradients of all sites at
once, where the paper sweeps over pairs of them.
"""

import math

import torch
from torch import Tensor

from qdllm_utils.learning.copies import affine, each
from qdllm_utils.learning.training import Data
from qdllm_utils.students.controls import Cosine

BOND = 4  # the bond dimension
NOISE = 0.1  # sd, around a chain of identities: at much less all sites would start alike


class MPS(Cosine):
    """Linear(d, n) -> z -> matrix product state of bond dimension 4 -> C logits; no other head.

    Trained behind the first layer: 4 D at both ends, 2 D^2 at each of the n - 2 sites between, C D^2 in the middle; 336
    for n = 11, D = 4, C = 2 (8,795 in all at d = 768), the chain's gauge freedom among them.
    """

    name = "mps"
    title = "matrix product state"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The first layer, the ends (2, 2, D), the sites (n - 2, 2, D, D) and the class's matrices (D, D, C)."""
        first = {name: shape for name, shape in super().shapes().items() if not name.startswith("head")}
        sites = (self.knobs.qubits - 2, 2, BOND, BOND)
        return {**first, "ends": (2, 2, BOND), "sites": sites, "middle": (BOND, BOND, self.classes)}

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Sites and ends that let everything through, over sqrt(2) so that the logits keep their size, and noise."""
        if name == "middle":
            return (2 * torch.rand(shape, generator=generator) - 1) / math.sqrt(BOND)
        if name not in ("ends", "sites"):
            return super().initial(name, shape, generator)
        through = torch.eye(BOND) if name == "sites" else torch.full((BOND,), BOND**-0.5)
        return through / math.sqrt(2) + NOISE * torch.randn(shape, generator=generator)

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        parts = (self.get_parameter(name) for name in ("ends", "sites", "middle"))
        return each(contraction, self.encode(batch["features"]), *parts)

    def describe(self) -> str:
        """The size in words."""
        return f"{self.knobs.qubits} sites, bond dimension {BOND}"


def contraction(z: Tensor, ends: Tensor, sites: Tensor, middle: Tensor) -> Tensor:
    """The logits (B, C) from z (B, n) in rad: from both ends to the middle, where the class is."""
    local = torch.stack([torch.cos(z / 2), torch.sin(z / 2)], dim=-1)  # (B, n, 2)
    half = len(sites) // 2
    left, right = local[:, 0] @ ends[0], local[:, -1] @ ends[1]  # (B, D)
    for number in range(half):
        left = through_site(left, local[:, number + 1], sites[number])
    for number in reversed(range(half, len(sites))):
        right = through_site(right, local[:, number + 1], sites[number].mT)
    return (left[:, :, None] * right[:, None, :]).flatten(1) @ middle.flatten(0, 1)


def through_site(state: Tensor, local: Tensor, site: Tensor) -> Tensor:
    """The chain's state (B, D) after a site (2, D, D) and its local vector (B, 2): one matrix product."""
    return (local[:, :, None] * state[:, None, :]).flatten(1) @ site.flatten(0, 1)


class ReducedMLP(Cosine):
    """Linear(d, n) -> z -> Linear(n, h) -> ReLU -> Linear(h, C) with as many numbers as the matrix product state.

    To the nearest hidden unit, h = 24 for n = 11 and C = 2 (8,797 in all at d = 768).
    """

    name = "reduced_mlp"
    title = "MLP on the same angles"

    def hidden(self) -> int:
        """h, at least 1."""
        n, c = self.knobs.qubits, self.classes
        state = 4 * BOND + 2 * BOND**2 * (n - 2) + c * BOND**2
        return max(1, round((state - c) / (n + 1 + c)))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Three linear layers."""
        first = {name: shape for name, shape in super().shapes().items() if not name.startswith("head")}
        n, h = self.knobs.qubits, self.hidden()
        second: dict[str, tuple[int, ...]] = {"hidden_weight": (n, h), "hidden_bias": (h,)}
        return {**first, **second, "head_weight": (h, self.classes), "head_bias": (self.classes,)}

    def expectations(self, inputs: Tensor) -> Tensor:
        """ReLU of the second layer, (S, B, h)."""
        return torch.relu(affine(inputs, self.get_parameter("hidden_weight"), self.get_parameter("hidden_bias")))

    def describe(self) -> str:
        """The size in words."""
        return f"{self.dimension} x {self.knobs.qubits} x {self.hidden()} x {self.classes}"
