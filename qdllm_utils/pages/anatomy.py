"""The circuit taken apart: one row, from the circuit's description and from random angles; no texts, no training."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from qdcircuits import expressibility
from qdcircuits.anatomy import Anatomy, anatomy, gradient_variance, jacobian, numerical_rank
from qdcircuits.ansatz import ANSATZE, layered_circuit, qdllm_circuit
from qdcircuits.errors import InputError
from qdcircuits.simulation import simulator
from qdllm_utils.config import Knobs
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import RECIPE
from qdllm_utils.runs.store import Row, Store

SAMPLES = {"demo": 500, "cpu": 5000, "paper": 5000}  # pairs of states; Sim et al. (2019) take 5,000
DEPTHS = (1, 2, 3, 11)
SMALL = 4  # qubits at which the circuits are compared, as in Sim et al.
SMALL_DEPTHS = (1, 2, 3, 5, 8, 11)
PLATEAU_QUBITS = (3, 4, 5, 6, 7, 8)
PLATEAU_DEPTHS = (1, 2, 5, 11)
QUANTILES = 20  # bins of the student's own fidelities
DRAWS = 4  # random draws of all angles by which autograd confirms a zero


@dataclass(frozen=True)
class Study:
    """What the notebook shows."""

    parameters: Parameters
    anatomy: Anatomy
    row: Row
    store: Store

    @property
    def knobs(self) -> Knobs:
        """Of the student in question."""
        return self.parameters.knobs


def study(parameters: Parameters) -> Study:
    """The anatomy of the preset's circuit. Raises InputError for fewer than 3 qubits or no samples."""
    knobs = parameters.knobs
    samples = SAMPLES[parameters.scale] if parameters.samples is None else parameters.samples
    if not 100 <= samples <= 1_000_000:
        raise InputError(f"samples is {samples}: it must lie between 100 and 1,000,000.")
    if knobs.qubits < 3:
        raise InputError(f"qubits is {knobs.qubits}: this page takes 3 to 20 qubits.")
    store = Store(refresh=parameters.refresh)
    identity = {
        "kind": "anatomy",
        "recipe": RECIPE,
        "qubits": knobs.qubits,
        "layers": knobs.layers,
        "samples": samples,
        "grid": [DEPTHS, SMALL, SMALL_DEPTHS, PLATEAU_QUBITS, PLATEAU_DEPTHS, QUANTILES, DRAWS],
    }
    row = store.get(identity, lambda: (measure(knobs.qubits, knobs.layers, samples), {}), "anatomy")
    return Study(parameters, anatomy(qdllm_circuit(knobs.qubits, knobs.layers)), row, store)


def measure(qubits: int, layers: int, samples: int) -> dict[str, Any]:
    """All numbers of the page; float64, random angles uniform in [0, 2 pi), fixed seeds.

    The student's own 2^n-dimensional states are costly: a tenth of the samples is drawn of them.
    """
    deep = qdllm_circuit(qubits, layers)
    few = samples // 10
    edges = expressibility.haar_quantiles(2**qubits, QUANTILES)
    return {
        "depths": [depth(qubits, number) for number in sorted({*DEPTHS, layers})],
        "untouched": untouched(anatomy(deep)),
        "ansatze": {ansatz: [quality(ansatz, SMALL, number, samples) for number in SMALL_DEPTHS] for ansatz in ANSATZE},
        "floor": expressibility.haar_floor(samples, 2**SMALL, expressibility.equal_widths()),
        "own": {
            "draws": few,
            "expressibility": expressibility.haar_divergence(expressibility.fidelities(deep, few), 2**qubits, edges),
            "floor": expressibility.haar_floor(few, 2**qubits, edges),
            "entangling": expressibility.entangling_capability(deep, few),
        },
        "plateau": [
            {"qubits": n, "layers": number, "variance": gradient_variance(qdllm_circuit(n, number), few)}
            for number, n in product(PLATEAU_DEPTHS, PLATEAU_QUBITS)
        ],
    }


def depth(qubits: int, layers: int) -> dict[str, Any]:
    """Counts of one circuit, each by reasoning and by autograd.

    dead_gradient: the largest |d<Z_j>/d weight| over DRAWS random draws where none should be; live_gradient:
    over the pairs of an output and a weight that should depend, the smallest of the largest such gradients.
    """
    circuit = qdllm_circuit(qubits, layers)
    found = anatomy(circuit)
    generator = torch.Generator().manual_seed(layers)
    inputs, weights = (
        2 * torch.pi * torch.rand(DRAWS, number, generator=generator, dtype=torch.float64)
        for number in (circuit.n_inputs, circuit.n_weights)
    )
    slopes = np.concatenate([part.abs().amax(dim=0).numpy() for part in jacobian(circuit, inputs, weights)], axis=1)
    cone = np.concatenate([found.inputs, found.weights], axis=1)
    rank = numerical_rank(circuit, samples=2 + -(-len(found.effective) // (qubits - 1)))
    return {
        "layers": layers,
        "weights": circuit.n_weights,
        "dead": len(found.dead),
        "dead_gradient": float(slopes[~cone].max(initial=0)),
        "live_gradient": float(slopes[cone].min()),
        "effective": len(found.effective),
        "independent": len(found.independent),
        "rank": rank.rank,
        "above": rank.above,
        "below": rank.below,
    }


def untouched(found: Anatomy) -> dict[str, float]:
    """{output that no trained angle reaches: largest |<Z_j> - cos z_j| over random angles}."""
    circuit = found.circuit
    generator = torch.Generator().manual_seed(0)
    inputs, weights = (
        2 * torch.pi * torch.rand(*shape, generator=generator, dtype=torch.float64)
        for shape in ((64, circuit.n_inputs), (circuit.n_weights,))
    )
    difference = (simulator(circuit)(inputs, weights) - inputs.cos()).abs().amax(dim=0)
    return {str(output): float(difference[output]) for output in np.flatnonzero(~found.weights.any(axis=1))}


def quality(ansatz: str, qubits: int, layers: int, samples: int) -> dict[str, Any]:
    """Expressibility (equal widths, as in Sim et al.) and entangling capability of one circuit."""
    circuit = layered_circuit(ansatz, qubits, layers)
    fidelities = expressibility.fidelities(circuit, samples)
    return {
        "layers": layers,
        "expressibility": expressibility.haar_divergence(fidelities, 2**qubits, expressibility.equal_widths()),
        "entangling": expressibility.entangling_capability(circuit, samples // 5),
    }
