"""The controls of the quantum student: each is the student with one thing replaced.

They answer what the circuit adds. Embedding, teacher, loss, optimiser, batches, selection and the axis of S
seeds are the student's own, because each control is a subclass of it. Distillation or cross-entropy alone
is a knob (alpha = 0). The letters are those of the report's list of controls.
"""

import math

import torch
from torch import Tensor

from qdcircuits.ansatz import Circuit, layered_circuit
from qdllm_utils.learning.copies import affine, elementwise
from qdllm_utils.learning.training import Data
from qdllm_utils.students.quantum import WEIGHT_SD, QuantumStudents


class Linear(QuantumStudents):
    """(a) E -> Linear(d, C): no bottleneck, no circuit."""

    name = "linear"
    title = "linear probe"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The head alone, on the embedding."""
        return {"head_weight": (self.dimension, self.classes), "head_bias": (self.classes,)}

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        return affine(self.standardised(batch["features"]), self.head_weight, self.head_bias)

    def describe(self) -> str:
        """The size in words."""
        return f"{self.dimension} x {self.classes}"


class Bottleneck(QuantumStudents):
    """(b) E -> Linear(d, n) -> Linear(n, C): the student without angles and circuit."""

    name = "bottleneck"
    title = "two linear layers"

    def hidden(self) -> int:
        """The width between the two layers: as many as qubits."""
        return self.knobs.qubits

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The student's two linear layers."""
        width = self.hidden()
        return {
            "reduce_weight": (self.dimension, width),
            "reduce_bias": (width,),
            "head_weight": (width, self.classes),
            "head_bias": (self.classes,),
        }

    def encode(self, features: Tensor) -> Tensor:
        """Linear(E) itself, (S, B, n): no angles."""
        return self.reduce(features)

    def expectations(self, inputs: Tensor) -> Tensor:
        """The inputs, (S, B, n)."""
        return inputs

    def describe(self) -> str:
        """The size in words."""
        return f"{self.dimension} x {self.hidden()} x {self.classes}"


class Cosine(QuantumStudents):
    """(c) The student without its ansatz: on a product state of RX(z_j)|0>, <Z_j> = cos z_j."""

    name = "cosine"
    title = "cos in place of the circuit"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The student's without the circuit's angles."""
        return {name: shape for name, shape in super().shapes().items() if name != "angles"}

    def expectations(self, inputs: Tensor) -> Tensor:
        """cos z_j, (S, B, n)."""
        return elementwise(torch.cos, inputs)

    def describe(self) -> str:
        """The size in words."""
        return f"{self.dimension} x {self.knobs.qubits} x {self.classes}"


class MLP(Bottleneck):
    """(d) E -> Linear(d, h) -> ReLU -> Linear(h, C), with h so that it has the student's number of parameters.

    To the nearest hidden unit: within (d + 1 + C) / 2 parameters.
    """

    name = "mlp"
    title = "MLP of equal size"

    def hidden(self) -> int:
        """The width at which (d + 1) h + (h + 1) C is nearest to the student's parameters, at least 1."""
        student = sum(math.prod(shape) for shape in QuantumStudents.shapes(self).values())
        return max(1, round((student - self.classes) / (self.dimension + 1 + self.classes)))

    def expectations(self, inputs: Tensor) -> Tensor:
        """ReLU, (S, B, h)."""
        return torch.relu(inputs)


class Unentangled(QuantumStudents):
    """(e) The circuit without its RZZ and CNOT gates: n qubits that know nothing of each other."""

    name = "unentangled"
    title = "circuit without entangling gates"

    def circuit(self) -> Circuit:
        """The ansatz `unentangled`."""
        return layered_circuit("unentangled", self.knobs.qubits, self.knobs.layers)


class Frozen(QuantumStudents):
    """(f) The circuit at random angles, uniform on [0, 2 pi), that are never trained; the linear layers are."""

    name = "frozen"
    title = "circuit frozen at random angles"

    def __init__(self, *arguments: object) -> None:
        """As the student, with angles that take no gradient."""
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.angles.requires_grad_(False)

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Angles uniform on the circle."""
        if name == "angles":
            return 2 * math.pi * torch.rand(shape, generator=generator)
        return super().initial(name, shape, generator)


class Surrogate(QuantumStudents):
    """(g) The circuit's expansion, cut off and with free coefficients, trained directly.

    The encoder makes a product state, so every <Z_j> is a sum of products of one of {1, cos z_k, sin z_k} for
    each qubit k. Kept here: the terms of first order of every qubit and those of second order of neighbours
    (k, k + 1), which RZZ and CNOT couple; 2 n + 4 (n - 1) terms, with one trained coefficient for each term and
    output in place of the angles (at n = 11: 62 x 11 = 682). Output j starts at cos z_j + noise of the
    student's 0.01. No circuit needs to have these coefficients: more freedom in what is kept, none beyond.
    """

    name = "surrogate"
    title = "classical surrogate"
    coefficients: torch.nn.Parameter

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The student's, with coefficients in place of angles."""
        n = self.knobs.qubits
        shapes = super().shapes()
        return {
            ("coefficients" if name == "angles" else name): ((2 * n + 4 * (n - 1), n) if name == "angles" else shape)
            for name, shape in shapes.items()
        }

    def circuit(self) -> Circuit:
        """One layer: it only tells how many inputs and outputs there are."""
        return layered_circuit("qdllm", self.knobs.qubits, 1)

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Coefficients: 1 for cos z_j in output j, else 0, with N(0, 0.01^2) added."""
        if name != "coefficients":
            return super().initial(name, shape, generator)
        return torch.eye(*shape) + WEIGHT_SD * torch.randn(shape, generator=generator)

    def expectations(self, inputs: Tensor) -> Tensor:
        """The truncated expansion of every output, (S, B, n), from the angles (S, B, n)."""
        return affine(elementwise(terms, inputs), self.coefficients)

    def describe(self) -> str:
        """The size in words."""
        return f"{self.shapes()['coefficients'][0]} terms"


def terms(angles: Tensor) -> Tensor:
    """cos z_k, sin z_k, and cos cos, cos sin, sin cos, sin sin of neighbours: (..., 2 n + 4 (n - 1)) from (..., n)."""
    cos, sin = torch.cos(angles), torch.sin(angles)
    pairs = [left[..., :-1] * right[..., 1:] for left in (cos, sin) for right in (cos, sin)]
    return torch.cat([cos, sin, *pairs], dim=-1)


CONTROLS: dict[str, type[QuantumStudents]] = {
    control.name: control for control in (Linear, Bottleneck, Cosine, MLP, Unentangled, Frozen, Surrogate)
}
