"""BERT-QTC, quantum temporal convolution on frozen encoder states. Yang et al., ICASSP 2022.

The text's frozen embedding is a sequence of d features. A window of five slides over it; its features are the RX
angles of five qubits, entangling layers follow, and <Z> of each qubit is read. The maximum over the five qubits
is the window's feature, so that a filter gives d - 4 of them; a linear layer on those of all filters makes the
logits. Only the linear layer is trained on random circuits (`BertQTC`), as published; `TrainedBertQTC` trains
the circuits' angles as well.

A layer is RZ RY RZ on every qubit and a ring of CNOTs; the pooling over a window's qubits, and the encoder's one
vector of a text as the sequence, are those of Paddle Quantum's public implementation (no code of it is used).
Departures: features are standardised on the training rows and put to angles pi/2 (1 + tanh) as in the preset
`tuned`, because raw states are so small that the cosine hides their sign; at the small size MiniLM's mean-pooled
state in place of BERT's CLS state.
"""

from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from qdcircuits.ansatz import Circuit, layered_circuit
from qdcircuits.simulation import simulator
from qdllm_utils.learning.losses import cross_entropy
from qdllm_utils.learning.training import Data, Settings


@dataclass(frozen=True)
class Size:
    """filters: circuits with angles of their own; window: features in a window, and qubits; layers: of a circuit.

    pooling: which frozen embedding is read, a name of config.POOLINGS.
    """

    filters: int
    window: int
    layers: int
    pooling: str


class BertQTC(nn.Module):
    """Random five-qubit circuits slid over a frozen embedding; a trained linear head. S = 1.

    The batch holds angles (1, B, d), features (1, B, filters (d - 4)) where the circuits stay fixed, and labels (1, B).
    """

    name, title = "bert_qtc", "BERT-QTC, random circuits"
    small = Size(2, 5, 1, "mean")
    paper = Size(2, 5, 1, "cls")
    note = "circuits fixed at random angles"
    weights: ClassVar[dict[str, Any]] = {}
    learning_rate, batch_size, patience = 1e-2, 32, 3
    trained = False

    def __init__(self, size: Size, classes: int, epochs: int, seed: int) -> None:
        """Draw each filter's angles uniformly from [0, 2 pi), by the seed."""
        super().__init__()
        self.size, self.classes, self.seeds = size, classes, [seed]
        self.settings = Settings(self.learning_rate, self.batch_size, epochs, "cosine", patience=self.patience)
        circuit = self.circuit()
        self.simulator = simulator(circuit)
        self.generator = torch.Generator().manual_seed(seed)
        angles = 2 * pi * torch.rand(size.filters, circuit.n_weights, generator=self.generator)
        self.weights_of_circuits = nn.Parameter(angles, requires_grad=self.trained)

    def circuit(self) -> Circuit:
        """The circuit of a filter, as data."""
        return layered_circuit("strongly_entangling", self.size.window, self.size.layers)

    def read(self, features: np.ndarray, train: np.ndarray) -> Data:
        """Put the frozen features (N, d) to angles, scaled on the training rows; fixed circuits are run once, here."""
        values = torch.as_tensor(features)
        centre, spread = values[train].mean(dim=0), values[train].std(dim=0).clamp_min(1e-6)
        angles = pi / 2 * (1 + torch.tanh((values - centre) / spread))
        width = self.size.filters * (angles.shape[1] - self.size.window + 1)
        bound = width**-0.5
        draw = torch.rand(self.classes, width + 1, generator=self.generator)
        self.head = nn.Linear(width, self.classes)
        with torch.no_grad():
            self.head.weight.copy_(bound * (2 * draw[:, :-1] - 1))
            self.head.bias.copy_(bound * (2 * draw[:, -1] - 1))
            if self.trained:
                return {"angles": angles}
            return {"features": torch.cat([self.convolve(part) for part in angles.split(256)])}

    def convolve(self, angles: Tensor) -> Tensor:
        """(B, filters (d - 4)) from angles (B, d): the greatest <Z> of every filter on every window."""
        windows = angles.unfold(1, self.size.window, 1)
        z = self.simulator(windows.flatten(0, 1).contiguous(), self.weights_of_circuits)  # (filters, B (d - 4), window)
        pooled = z.amax(dim=-1).unflatten(1, windows.shape[:2])
        return pooled.movedim(0, 1).flatten(1)

    def logits(self, batch: Data) -> Tensor:
        """(1, B, C)."""
        features = self.convolve(batch["angles"].squeeze(0)) if self.trained else batch["features"].squeeze(0)
        return self.head(features).unsqueeze(0)

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """Cross-entropy of each row, (1, B)."""
        return cross_entropy(self.logits(batch), batch["labels"])

    def trainable(self) -> int:
        """Trainable parameters; the frozen encoder and fixed angles are not counted."""
        return sum(values.numel() for values in self.parameters() if values.requires_grad)

    def describe(self) -> str:
        """The size in words."""
        size = self.size
        return f"{size.filters} filters of {size.window} qubits, {size.layers} layer{'s' if size.layers > 1 else ''}"


class TrainedBertQTC(BertQTC):
    """The same with the circuits' angles trained."""

    name, title = "bert_qtc_trained", "BERT-QTC, trained circuits"
    note = "circuits trained with the head"
    trained = True
