"""Classical students of a given number of trainable parameters: what any small design has to beat.

Each solves its size from `budget`, the dimension and the number of classes, and exceeds the budget only where its
smallest size does. The budget counts everything that is trained. All read the standardised embedding or fixed
projections of it and keep the student's loss and batches.
"""

import torch
from torch import Tensor

from qdllm_utils.learning.copies import affine, elementwise
from qdllm_utils.learning.training import Data
from qdllm_utils.students.quantum_designs import Projected


class Small(Projected):
    """Projections -> features -> Linear(features, C)."""

    budget = 15

    @property
    def affordable(self) -> int:
        """Features that a linear head of the budget can read, at least one."""
        return max(1, self.budget // self.classes - 1)

    @property
    def width(self) -> int:
        """How many projections."""
        return self.affordable

    def features(self, seen: Tensor) -> Tensor:
        """What the head reads, (S, B, K), from the projections (S, B, width)."""
        return seen

    def outputs(self) -> int:
        """K."""
        return min(self.width, self.dimension)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The head alone."""
        return {"head_weight": (self.outputs(), self.classes), "head_bias": (self.classes,)}

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        return affine(self.features(self.seen(batch["features"])), self.head_weight, self.head_bias)

    def describe(self) -> str:
        """The size in words."""
        return f"{self.outputs()} features"


class PCALinear(Small):
    """The first principal components, linear."""


class PCAPolynomial(Small):
    """The first principal components and all their products of two, linear."""

    @property
    def width(self) -> int:
        """The most components k with k + k (k + 1) / 2 features within the budget, at least 1."""
        return max([1, *(k for k in range(1, 100) if k + k * (k + 1) // 2 <= self.affordable)])

    def features(self, seen: Tensor) -> Tensor:
        """Components and products."""
        left, right = torch.triu_indices(seen.shape[-1], seen.shape[-1])
        return torch.cat([seen, seen[..., left] * seen[..., right]], dim=-1)

    def outputs(self) -> int:
        """Components and their products."""
        return self.width + self.width * (self.width + 1) // 2


class RandomCosine(Small):
    """Random Fourier features (Rahimi and Recht 2007): cos and sin in turn of random projections, linear."""

    front = "random"

    def outputs(self) -> int:
        """As many as the head can read, whatever the dimension."""
        return self.width

    def features(self, seen: Tensor) -> Tensor:
        """cos of the even projections and sin of the odd ones."""
        shift = (torch.arange(seen.shape[-1], device=seen.device) % 2) * (torch.pi / 2)
        return elementwise(torch.cos, seen - shift)


class PCAMLP(Small):
    """The first principal components -> Linear -> ReLU -> Linear."""

    hidden = 2

    @property
    def width(self) -> int:
        """The components k with (k + 1) h + (h + 1) C within the budget, at least 1."""
        return max(1, (self.budget - self.classes * (self.hidden + 1)) // self.hidden - 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Two linear layers."""
        return {
            "reduce_weight": (min(self.width, self.dimension), self.hidden),
            "reduce_bias": (self.hidden,),
            "head_weight": (self.hidden, self.classes),
            "head_bias": (self.classes,),
        }

    def features(self, seen: Tensor) -> Tensor:
        """ReLU of the first layer."""
        return torch.relu(affine(seen, self.reduce_weight, self.reduce_bias))

    def describe(self) -> str:
        """The size in words."""
        return f"{min(self.width, self.dimension)} x {self.hidden} x {self.classes}"


class WidePCAMLP(PCAMLP):
    """The same with fewer components and more hidden units: 4, 8 from a budget of 150 on, 11 from 4,500 on."""

    @property
    def hidden(self) -> int:  # type: ignore[override]
        """Hidden units."""
        return 4 if self.budget < 150 else 8 if self.budget < 4500 else 11


class PCALogistic(Small):
    """The first principal components, C - 1 directions: the first class's logit is 0, which loses nothing.

    For two classes one direction, so that the budget buys twice the components of PCALinear.
    """

    @property
    def affordable(self) -> int:
        """Features that C - 1 directions of the budget can read, at least one."""
        return max(1, self.budget // (self.classes - 1) - 1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The head, without the first class."""
        return {"head_weight": (self.outputs(), self.classes - 1), "head_bias": (self.classes - 1,)}

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        scores = super().logits(batch)
        return torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)
