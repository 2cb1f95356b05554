"""What the simulators are compared on: a case, its numbers, and the student's shells around a circuit.

A contestant takes a Case and the numbers of `numbers`, and offers
    train()   one step: 768 -> n linear layer, circuit, n -> 2 head, cross-entropy, backward, Adam
    infer()   <Z> of a batch from the encoder's angles, no gradients
    check()   <Z> and the gradients of the sum of <Z> with respect to angles and weights, as arrays
              (a case that is not trained is checked on infer() alone: gradients at batch 512 take 20 GB)
Every contestant trains the circuit's own weights. The peers run the fused circuit, one rotation where
the ansatz has three in a row; ours runs the circuit as it stands.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

FEATURES, CLASSES, RATE = 768, 2, 0.06


@dataclass
class Case:
    """What is run. layer: (name, wires, weight of the layer's fused ones or -1) of one layer's gates.

    sums: (fused weights of the circuit, n_weights), 1 where a weight is part of a fused one.
    """

    n: int
    layers: int
    batch: int
    students: int = 1
    layer: list[tuple[str, list[int], int]] = field(default_factory=list)
    sums: Any = None

    def gates(self) -> list[tuple[str, list[int], int]]:
        """All layers' gates, each with its fused weight in the whole circuit."""
        width = len(self.sums) // self.layers
        return [
            (name, wires, index + layer * width if index >= 0 else -1)
            for layer in range(self.layers)
            for name, wires, index in self.layer
        ]


def numbers(case: Case, n_weights: int) -> dict[str, np.ndarray]:
    """The same data, angles and initial parameters for every contestant, float32."""
    generator = np.random.default_rng(7)
    shapes = {
        "features": (case.batch, FEATURES),
        "angles": (case.batch, case.n),
        "weights": (case.students, n_weights),
        "into": (case.students, case.n, FEATURES),
        "head": (case.students, CLASSES, case.n),
    }
    found = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found["into"] /= FEATURES**0.5
    found["classes"] = generator.integers(CLASSES, size=case.batch)
    return found


class TorchShell:
    """The student around circuit(angles (B, n), weights (n_weights,)) -> (B, n), in torch."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Build the parameters and the optimiser."""
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        as_tensor = {name: torch.from_numpy(value.copy()) for name, value in data.items()}
        if case.students == 1:
            as_tensor |= {name: as_tensor[name][0] for name in ("weights", "into", "head")}
        self.features, self.classes = as_tensor["features"], as_tensor["classes"]
        self.angles = as_tensor["angles"]
        self.weights, self.into, self.head = (as_tensor[name].requires_grad_() for name in ("weights", "into", "head"))
        biases = [matrix.detach()[..., 0].clone().zero_().requires_grad_() for matrix in (self.into, self.head)]
        self.into_bias, self.head_bias = biases
        parameters = [self.into, self.into_bias, self.weights, self.head, self.head_bias]
        self.optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
        self.sums = torch.from_numpy(np.asarray(case.sums, dtype=np.float32).T.copy())

    def circuit(self, angles: Any, weights: Any) -> Any:
        """The contestant's own."""
        raise NotImplementedError

    def train(self) -> None:
        """One step."""
        self.optimiser.zero_grad()
        angles = self.features @ self.into.mT + self.into_bias.unsqueeze(-2)
        z = self.circuit(angles, self.weights)
        logits = z @ self.head.mT + self.head_bias.unsqueeze(-2)
        classes = self.classes.expand(logits.shape[:-1]).flatten()
        # the sum over students, so that each has the gradient that it would have alone
        losses = self.torch.nn.functional.cross_entropy(logits.flatten(0, -2), classes, reduction="sum")
        (losses / len(self.classes)).backward()
        self.optimiser.step()

    def infer(self) -> Any:
        """<Z> without gradients."""
        with self.torch.no_grad():
            return self.circuit(self.angles, self.weights)

    def check(self) -> list[np.ndarray]:
        """<Z> and gradients."""
        angles = self.angles.clone().requires_grad_()
        z = self.circuit(angles, self.weights)
        gradients = self.torch.autograd.grad(z.sum(), (angles, self.weights))
        return [part.detach().numpy() for part in (z, *gradients)]
