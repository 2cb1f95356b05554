"""Circuits of the kind that the paper's framework allows, beyond the one that it uses.

They vary layers, entangler, re-uploading with trained scaling (Perez-Salinas et al. 2020), amplitude encoding,
fixed projections in front (principal components, random), and the read-out (<Z_j>, also <Z_i Z_j>, or the
probabilities of the basis states). Each keeps the loss, batches and selection of the quantum student.
"""

import math

import torch
from torch import Tensor, nn

from qdcircuits.ansatz import ANSATZE, Circuit, Gate, angle_encoder
from qdcircuits.simulation import Permute, Simulator, rotate
from qdcircuits.steps import signs
from qdllm_utils.config import Knobs
from qdllm_utils.learning.copies import EachAlone, affine, each, elementwise
from qdllm_utils.students.quantum import WEIGHT_SD, QuantumStudents

LEAST_VARIANCE = 1e-4  # of a component that is scaled to 1; less is rounding


class Projected(QuantumStudents):
    """A student that sees fixed projections of the standardised embedding.

    front: `pca`, the first principal components of the training rows, each with spread 1; `random`, Gaussian
    directions drawn from the student's seed; `linear` and `all`, the standardised embedding as it is.
    """

    front = "pca"
    projection: Tensor

    def __init__(self, dimension: int, classes: int, knobs: Knobs, seeds: list[int]) -> None:
        """As the student, with room for the projection."""
        super().__init__(dimension, classes, knobs, seeds)
        # Not kept with a student: `prepare` makes it again, and it would be most of the row.
        room = torch.zeros(len(self.seeds), dimension, self.projections())
        self.register_buffer("projection", room, persistent=False)

    @property
    def width(self) -> int:
        """How many projections are wanted."""
        raise NotImplementedError

    def projections(self) -> int:
        """How many there are: no more components than dimensions, none where the embedding is seen whole."""
        if self.front in ("linear", "all"):
            return 0
        return self.width if self.front == "random" else min(self.width, self.dimension)

    def prepare(self, features: Tensor) -> None:
        """Learn mean and spread, and the projection, from the training rows (N, dimension)."""
        self.centre[:] = features.mean(dim=0)
        self.spread[:] = features.std(dim=0).clamp_min(1e-6)
        if self.front == "random":
            for copy, seed in enumerate(self.seeds):
                generator = torch.Generator().manual_seed(seed)
                self.projection[copy] = torch.randn(self.projection.shape[1:], generator=generator)
            self.projection /= math.sqrt(self.dimension)
        elif self.projections():
            rows = (features - self.centre[0]) / self.spread[0]
            variances, directions = torch.linalg.eigh(rows.T @ rows / (len(rows) - 1))
            components = directions / variances.clamp_min(LEAST_VARIANCE).sqrt()
            self.projection[:] = components.flip(-1)[:, : self.projections()]

    def seen(self, features: Tensor) -> Tensor:
        """The projections, (S, B, width), or the standardised embedding, from E (S, B, dimension)."""
        standardised = (features - self.centre[:, None]) / self.spread[:, None]
        return affine(standardised, self.projection) if self.projection.shape[-1] else standardised


class QuantumDesign(Projected):
    """A circuit of the family: `qubits`, `layers`, `ansatz`, `reuploading`, `readout`, `front` (also `amplitude`).

    Angles: z = pi/2 (1 + tanh(u)), u = Linear(E), or scale * projection + shift with a trained pair for each
    encoder gate. Re-uploading repeats the encoder before each layer with a pair of its own.
    """

    qubits = 2
    layers = 1
    ansatz = "qdllm"
    reuploading = False
    readout = "z"

    @property
    def width(self) -> int:
        """One projection a qubit; for amplitudes one a basis state where the embedding itself has no room."""
        if self.front != "amplitude":
            return self.qubits
        return 2**self.qubits if self.dimension > 2**self.qubits else 0

    def simulated(self) -> nn.Module:
        """The plain simulator with the read-out's observables; the student's own where that is <Z_j>."""
        if self.readout == "z" and self.front != "amplitude":
            return super().simulated()
        found = AmplitudeSimulator(self.circuit()) if self.front == "amplitude" else Simulator(self.circuit())
        found.signs = self.observables().float()
        return EachAlone(found)

    def observables(self) -> Tensor:
        """The read-out's eigenvalues on the basis states, (2^n, K)."""
        z = signs(self.qubits)
        if self.readout == "probabilities":
            return torch.eye(2**self.qubits)
        pairs = [z[:, i] * z[:, j] for i in range(self.qubits) for j in range(i)]
        return torch.cat([z, torch.stack(pairs, dim=1)], dim=1) if self.readout == "zz" else z

    def circuit(self) -> Circuit:
        """The encoder and the layers; each upload has input angles of its own.

        Amplitudes need no encoder: a chain of CNOTs and its inverse stand in its place, together the identity,
        so that no rotation is the first step, which Simulator applies to |0> only.
        """
        chain = [Gate("CNOT", (wire, wire + 1)) for wire in range(self.qubits - 1)]
        gates = [*chain, *reversed(chain)] if self.front == "amplitude" else []
        weights = 0
        for layer in range(self.layers):
            if self.front != "amplitude" and (layer == 0 or self.reuploading):
                first = layer * self.qubits
                gates += [Gate(g.name, g.wires, "input", first + g.index) for g in angle_encoder(self.qubits)]
            added = list(ANSATZE[self.ansatz](self.qubits, weights))
            weights += sum(gate.source == "weight" for gate in added)
            gates += added
        return Circuit(self.qubits, tuple(gates))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Linear layer, or scale and shift; angles; head."""
        circuit = self.circuit()
        shapes: dict[str, tuple[int, ...]] = {}
        if self.front == "linear":
            shapes |= {"reduce_weight": (self.dimension, self.qubits), "reduce_bias": (self.qubits,)}
        if self.front in ("pca", "random") or self.reuploading:
            shapes |= {"scale": (circuit.n_inputs,), "shift": (circuit.n_inputs,)}
        outputs = self.observables().shape[1]
        return shapes | {
            "angles": (circuit.n_weights,),
            "head_weight": (outputs, self.classes),
            "head_bias": (self.classes,),
        }

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Scales 1 and shifts 0, with the angles' noise; the rest as the student's."""
        if name in ("scale", "shift"):
            return float(name == "scale") + WEIGHT_SD * torch.randn(shape, generator=generator)
        return super().initial(name, shape, generator)

    def encode(self, features: Tensor) -> Tensor:
        """The encoder's angles, (S, B, inputs) in rad, or the amplitudes, (S, B, 2^n) of norm 1."""
        seen = self.seen(features)
        if self.front == "amplitude":
            padded = torch.nn.functional.pad(seen, (0, 2**self.qubits - seen.shape[-1]))
            return each(lambda rows: torch.nn.functional.normalize(rows, dim=-1), padded)
        if self.front == "linear":
            seen = affine(seen, self.reduce_weight, self.reduce_bias)
        if "scale" in self.shapes():
            scale, shift = self.get_parameter("scale"), self.get_parameter("shift")
            seen = seen.repeat(1, 1, scale.shape[-1] // self.qubits)
            seen = each(lambda rows, by, to: rows * by + to, seen, scale, shift)
        return math.pi / 2 * (1 + elementwise(torch.tanh, seen))

    def describe(self) -> str:
        """The design in words."""
        parts = [f"{self.qubits} qubits, {self.layers} x {self.ansatz}", self.front, self.readout]
        return ", ".join(parts + (["re-uploading"] if self.reuploading else []))


class AmplitudeSimulator(Simulator):
    """The plain simulator from given amplitudes: forward(amplitudes (..., B, 2^n), weights (..., n_weights))."""

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """The read-out, (..., B, K). The steps are applied to the columns of the state, as in Simulator."""
        states = inputs.mT.to(inputs.dtype.to_complex())
        for step, operator in zip(self.steps, self.operators(inputs[..., :0], weights), strict=True):
            if step.kind == "permutation":
                states = Permute.apply(states, operator)
            else:
                states = states * operator if step.kind == "diagonal" else rotate(states, operator)
        return (states.real**2 + states.imag**2).mT @ self.get_buffer("signs").to(inputs.dtype)
