"""The part of a model that was trained here: from an embedding to class logits, in numpy, from a few arrays.

    linear      E -> logits; bits 1 to 8: the weights packed, one scale
    quantum     E -> Linear -> angles -> circuit -> <Z_j> -> Linear
    surrogate   the same with a table of cosines and sines in place of the circuit

`of` takes the arrays out of a trained student, with the mean and spread of the features folded into the layer that
reads them; what is kept is all that a prediction needs, so its bytes are the model's.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qdcircuits.ansatz import Circuit, qdllm_circuit
from qdllm_utils.model.circuit import Dense, dense_steps, expectations

ROWS = 16  # texts at a time through a circuit, so that their states stay in the cache
LEAST_SPREAD = 1e-6  # what the students put for a feature that does not change


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers from 0 to 2^bits - 1 of any shape as bytes, `bits` bits each."""
    planes = (codes.reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(planes.astype(np.uint8))


def unpack(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """The `count` whole numbers that `pack` packed."""
    planes = np.unpackbits(packed, count=bits * count).reshape(count, bits)
    return (planes.astype(int) << np.arange(bits)).sum(axis=1)


@dataclass(frozen=True)
class Head:
    """kind: linear, quantum or surrogate. classes: C; dimension: d of the embedding.

    qubits, layers: of the circuit, 0 for a linear head. bits: of a linear head's weights, 32 for float32.
    """

    kind: str
    classes: int
    dimension: int
    arrays: dict[str, np.ndarray]
    bits: int = 32
    qubits: int = 0
    layers: int = 0

    @property
    def description(self) -> dict[str, Any]:
        """What `config.json` keeps of it."""
        names = ("kind", "classes", "dimension", "bits", "qubits", "layers")
        return {name: getattr(self, name) for name in names}

    @property
    def stored_bytes(self) -> int:
        """Of its arrays."""
        return sum(values.nbytes for values in self.arrays.values())

    @property
    def circuit(self) -> Circuit:
        """Of a quantum head."""
        return qdllm_circuit(self.qubits, self.layers)

    @cached_property
    def weight(self) -> np.ndarray:
        """A linear head's weights, (d, C) or (d, 1) for two classes with one direction, float64."""
        if self.bits == 32:
            return self.arrays["head_weight"].astype(float)
        outputs = len(self.arrays["head_bias"])
        codes = unpack(self.arrays["packed"], self.bits, self.dimension * outputs).reshape(-1, outputs)
        levels = 2.0 * codes - 1 if self.bits == 1 else codes - (2.0 ** (self.bits - 1) - 1)
        return levels * self.arrays["scale"].astype(float)

    @cached_property
    def steps(self) -> list[Dense]:
        """The circuit of a quantum head, ready to run."""
        return dense_steps(self.circuit, self.arrays["angles"].astype(float))

    def inputs(self, features: np.ndarray) -> np.ndarray:
        """The encoder's angles (B, n) in rad from embeddings (B, d), of a quantum head or its surrogate."""
        reduced = np.asarray(features, float) @ self.arrays["reduce_weight"].astype(float) + self.arrays["reduce_bias"]
        return np.pi / 2 * (1 + np.tanh(reduced))

    def read_out(self, angles: np.ndarray) -> np.ndarray:
        """What the last layer reads, (B, n), from the encoder's angles (B, n)."""
        if self.kind == "surrogate":
            return terms(angles) @ self.arrays["coefficients"].astype(float)
        parts = [expectations(self.steps, angles[i : i + ROWS], np.float32) for i in range(0, len(angles), ROWS)]
        return np.concatenate(parts)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(B, C) float64, from embeddings (B, d)."""
        features = np.asarray(features, float)
        if self.kind == "linear":
            scores = features @ self.weight + self.arrays["head_bias"]
            return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores
        z = self.read_out(self.inputs(features))
        return z @ self.arrays["head_weight"].astype(float) + self.arrays["head_bias"]


def terms(angles: np.ndarray) -> np.ndarray:
    """The surrogate's terms, (B, 2 n + 4 (n - 1)), in the order of `students.controls.terms`."""
    cos, sin = np.cos(angles), np.sin(angles)
    pairs = [left[:, :-1] * right[:, 1:] for left in (cos, sin) for right in (cos, sin)]
    return np.concatenate([cos, sin, *pairs], axis=1)


def folded(weight: np.ndarray, bias: np.ndarray, state: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A layer on the raw embedding from one on the standardised: a feature that never changed is of no use."""
    spread = state["spread"].astype(float)[:, None]
    whole = np.where(spread <= LEAST_SPREAD, 0.0, weight.astype(float) / spread)
    return whole, bias - state["centre"].astype(float) @ whole


def of(student: Any) -> Head:
    """The head of a single trained student (preset tuned): Linear, a probe, the surrogate or the quantum student."""
    state = {name: values[0].detach().cpu().numpy() for name, values in student.state_dict().items()}
    classes, dimension = student.classes, student.dimension
    if hasattr(student, "bits"):
        return quantised(student, state)
    first = "reduce" if "reduce_weight" in state else "head"
    kept = {name: values for name, values in state.items() if name not in ("centre", "spread")}
    weight, bias = folded(state[f"{first}_weight"], state[f"{first}_bias"], state)
    arrays = {
        name: v.astype(np.float32) for name, v in {**kept, f"{first}_weight": weight, f"{first}_bias": bias}.items()
    }
    if first == "head":
        return Head("linear", classes, dimension, arrays)
    layers = student.knobs.layers if "angles" in arrays else 0
    return Head("quantum" if layers else "surrogate", classes, dimension, arrays, 32, student.knobs.qubits, layers)


def quantised(student: Any, state: dict[str, np.ndarray]) -> Head:
    """A probe's weights on their levels, packed; its one spread goes into the scale, its means into the biases."""
    from qdllm_utils.students.probes import quantise

    weight, bits = quantise(student.head_weight.detach(), student.bits)[0].numpy().astype(float), student.bits
    top = 2 ** (bits - 1) - 1
    scale = np.abs(weight).max() / max(1, top) if np.any(weight) else 1.0
    levels = np.rint(weight / scale).astype(int)
    codes = (levels > 0).astype(int) if bits == 1 else levels + top
    spread = float(state["spread"][0])
    arrays = {
        "packed": pack(codes, bits),
        "scale": np.array([scale / spread], np.float32),
        "head_bias": (state["head_bias"] - state["centre"].astype(float) @ weight / spread).astype(np.float32),
    }
    return Head("linear", student.classes, student.dimension, arrays, bits)


def restored(head: Head) -> Any:
    """The same as a torch student in float64: the independent reference that exports are checked against."""
    import torch

    from qdllm_utils.config import knobs
    from qdllm_utils.students.controls import Linear, Surrogate
    from qdllm_utils.students.probes import PROBES
    from qdllm_utils.students.quantum import QuantumStudents

    kinds: dict[str, Any] = {"linear": Linear, "surrogate": Surrogate, "quantum": QuantumStudents}
    arrays = dict(head.arrays)
    if head.bits < 32:
        arrays = {"head_weight": head.weight, "head_bias": arrays["head_bias"]}
    kind = kinds[head.kind] if head.bits == 32 else PROBES[f"probe_{head.bits}bit"]
    chosen = knobs("tuned", qubits=head.qubits or None, layers=head.layers or None)
    student = kind(head.dimension, head.classes, chosen, [0]).double()
    state = student.state_dict()
    state |= {name: torch.from_numpy(values.astype(float))[None] for name, values in arrays.items()}
    student.load_state_dict(state)
    return student.eval()
