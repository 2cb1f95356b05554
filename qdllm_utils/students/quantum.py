"""QD-LLM's student: E -> Linear(d, n) -> angles -> circuit -> <Z_j> -> Linear(n, C) (paper, eqs. 4 to 13).

S students (one a seed) live in one module: every parameter has a leading axis S, so that ten seeds are
trained for little more than the price of one.
"""

import math

import torch
from torch import Tensor, nn

from qdcircuits.ansatz import Circuit, qdllm_circuit
from qdcircuits.simulation import simulator
from qdllm_utils.config import Knobs
from qdllm_utils.learning.copies import EachAlone, affine, elementwise
from qdllm_utils.learning.losses import qdllm_loss
from qdllm_utils.learning.training import Data, Settings

ANGLE_RANGE = 10.0  # rad; the released code scales each row to [0, 10]
WEIGHT_SD = 0.01  # rad; MindQuantum's default initialisation of a circuit's parameters


class QuantumStudents(nn.Module):
    """S quantum students on frozen embeddings.

    dimension: of E; classes: C; seeds: one a student. The batch holds `features` (S, B, dimension),
    `teacher` logits (S, B, C) and `labels` (S, B).
    Trainable parameters of one student: (dimension + 1) n + circuit + (n + 1) C; 9,275 for d = 768, n = 11,
    L = 11, C = 2.
    """

    name = "quantum"
    copies_apart = True  # every subclass keeps to it
    centre: Tensor
    spread: Tensor
    reduce_weight: nn.Parameter
    reduce_bias: nn.Parameter
    angles: nn.Parameter
    head_weight: nn.Parameter
    head_bias: nn.Parameter

    def __init__(self, dimension: int, classes: int, knobs: Knobs, seeds: list[int]) -> None:
        """Initialise each student from its own seed (linear layers as torch does, angles N(0, 0.01^2))."""
        super().__init__()
        self.knobs, self.seeds, self.classes = knobs, list(seeds), classes
        self.settings = Settings(knobs.learning_rate, knobs.batch_size, knobs.epochs, knobs.schedule)
        self.dimension = dimension
        if "angles" in self.shapes():  # a control without angles runs no circuit
            self.simulator = self.simulated()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for name, shape in self.shapes().items():
            copies = [self.initial(name, shape, generator) for generator in generators]
            setattr(self, name, nn.Parameter(torch.stack(copies)))
        self.register_buffer("centre", torch.zeros(len(self.seeds), dimension))
        self.register_buffer("spread", torch.ones(len(self.seeds), dimension))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of one student, in the order in which they are drawn."""
        circuit = self.circuit()
        return {
            "reduce_weight": (self.dimension, circuit.n_inputs),
            "reduce_bias": (circuit.n_inputs,),
            "angles": (circuit.n_weights,),
            "head_weight": (circuit.n_qubits, self.classes),
            "head_bias": (self.classes,),
        }

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A parameter's first value: angles N(0, 0.01^2) rad, linear layers uniform within 1 / sqrt(fan in)."""
        if name == "angles":
            return WEIGHT_SD * torch.randn(shape, generator=generator)
        bound = 1 / math.sqrt(self.shapes()[f"{name.split('_')[0]}_weight"][0])
        return bound * (2 * torch.rand(shape, generator=generator) - 1)

    def circuit(self) -> Circuit:
        """The circuit of these students, as data."""
        return qdllm_circuit(self.knobs.qubits, self.knobs.layers)

    def simulated(self) -> nn.Module:
        """What takes (inputs, angles) to the read-out."""
        found = simulator(self.circuit())
        return found if found.backend == "numba" else EachAlone(found)

    def prepare(self, features: Tensor) -> None:
        """Learn from the training rows (N, dimension) their mean and spread, where E is to be standardised."""
        if self.knobs.scaling == "tanh" or self.knobs.standardise:
            self.centre[:] = features.mean(dim=0)
            self.spread[:] = features.std(dim=0).clamp_min(1e-6)

    def standardised(self, features: Tensor) -> Tensor:
        """E (S, B, dimension) with the mean and spread of the training rows taken out, where `prepare` learnt them."""
        if self.knobs.scaling == "tanh" or self.knobs.standardise:
            return (features - self.centre[:, None]) / self.spread[:, None]
        return features

    def reduce(self, features: Tensor) -> Tensor:
        """Linear(E), (S, B, n), from E (S, B, dimension)."""
        return affine(self.standardised(features), self.reduce_weight, self.reduce_bias)

    def encode(self, features: Tensor) -> Tensor:
        """The encoder's angles, (S, B, n) in rad, from E (S, B, dimension).

        minmax: each row of Linear(E) scaled so that its least entry is 0 and its greatest 10 rad.
        tanh: z = pi/2 (1 + tanh(Linear(E))), E standardised on the training rows.
        """
        z = self.reduce(features)
        if self.knobs.scaling == "tanh":
            return math.pi / 2 * (1 + elementwise(torch.tanh, z))
        low, high = z.amin(dim=-1, keepdim=True), z.amax(dim=-1, keepdim=True)
        return ANGLE_RANGE * (z - low) / (high - low).clamp_min(1e-12)

    def expectations(self, inputs: Tensor) -> Tensor:
        """<Z_j> of every qubit, (S, B, n), from the encoder's angles."""
        return self.simulator(inputs, self.angles)

    def logits(self, batch: Data) -> Tensor:
        """(S, B, C)."""
        z = self.expectations(self.encode(batch["features"]))
        return affine(z, self.head_weight, self.head_bias)

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """The loss of each row, (S, B)."""
        return self.distillation(self.logits(batch), batch)

    def distillation(self, logits: Tensor, batch: Data) -> Tensor:
        """The paper's loss (eq. 14) of each row, (S, B), from the student's logits (S, B, C)."""
        k = self.knobs

        def loss(logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
            return qdllm_loss(logits, teacher, labels, k.alpha, k.temperature, k.divergence, k.soft)

        return elementwise(loss, logits, batch["teacher"], batch["labels"])

    def trainable(self) -> int:
        """Trainable parameters of one student."""
        return sum(values[0].numel() for values in self.parameters() if values.requires_grad)

    def stored_bytes(self) -> int:
        """What one trained student takes up as float32. (`standardised` folds into the first linear layer.)"""
        return sum(4 * values[0].numel() for values in self.parameters())

    def describe(self) -> str:
        """The size in words."""
        return f"{self.knobs.qubits} qubits, {self.knobs.layers} layers"
