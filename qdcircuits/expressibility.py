"""Expressibility and entangling capability of a circuit, as Sim, Johnson and Aspuru-Guzik (2019) define them.

Both look at the states that a circuit reaches when all of its angles, the encoder's too, are drawn uniformly
from [0, 2 pi). They describe the circuit, not a trained student.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdcircuits.ansatz import Circuit
from qdcircuits.simulation import Simulator

BINS = 75  # of the fidelity histogram, as in the paper's experiments
CHUNK = 256  # states simulated together

Floats = NDArray[np.float64]


def random_states(circuit: Circuit, number: int, generator: torch.Generator) -> Iterator[Tensor]:
    """States of random angles, in chunks (up to CHUNK, 2^n), complex128."""
    run = Simulator(circuit)
    for start in range(0, number, CHUNK):
        size = min(CHUNK, number - start)
        inputs, weights = (
            2 * math.pi * torch.rand(size, *shape, generator=generator, dtype=torch.float64)
            for shape in ((1, circuit.n_inputs), (circuit.n_weights,))
        )
        yield run.states(inputs, weights)[..., 0]


def fidelities(circuit: Circuit, pairs: int, seed: int = 0) -> Floats:
    """|<psi|phi>|^2 of `pairs` independent pairs of random states, (pairs,)."""
    left, right = (torch.Generator().manual_seed(2 * seed + side) for side in (0, 1))
    both = zip(random_states(circuit, pairs, left), random_states(circuit, pairs, right), strict=True)
    return np.concatenate([((psi.conj() * phi).sum(dim=1).abs() ** 2).numpy() for psi, phi in both])


def equal_widths(bins: int = BINS) -> Floats:
    """Bin edges 0, 1/bins, ..., 1: the histogram of Sim et al."""
    return np.linspace(0, 1, bins + 1)


def haar_quantiles(dimension: int, bins: int = BINS) -> Floats:
    """Bin edges between which Haar-random fidelities fall equally often.

    A departure from Sim et al., for many qubits: of 11 qubits' Haar-random fidelities all but 1e-12 lie in the
    first of 75 equal widths, and nothing could be told apart.
    """
    return 1 - (1 - np.linspace(0, 1, bins + 1)) ** (1 / (dimension - 1))


def haar_divergence(sample: Floats, dimension: int, edges: Floats) -> float:
    """Expressibility: KL(sampled fidelities || Haar) over the bins, in nats; 0 is as expressive as can be.

    Haar-random states of `dimension` N have the density (N - 1) (1 - F)^(N - 2), so a bin holds the
    difference of (1 - F)^(N - 1) between its edges. A finite sample scores above 0, see `haar_floor`.
    """
    counts, _ = np.histogram(np.clip(sample, 0, 1), edges)
    share = counts / counts.sum()
    filled = share > 0
    log_haar = _log_bin_mass(edges, dimension)
    return float(np.sum(share[filled] * (np.log(share[filled]) - log_haar[filled])))


def haar_floor(pairs: int, dimension: int, edges: Floats, repeats: int = 50, seed: int = 0) -> float:
    """What so many pairs of Haar-random states score, by the scatter of the histogram alone: the mean of repeats."""
    sample = np.random.default_rng(seed).beta(1, dimension - 1, size=(repeats, pairs))
    return float(np.mean([haar_divergence(row, dimension, edges) for row in sample]))


def _log_bin_mass(edges: Floats, dimension: int) -> Floats:
    """log((1 - low)^(N-1) - (1 - high)^(N-1)): in logarithms, since the last bins hold less than 1e-300."""
    with np.errstate(divide="ignore"):
        low, high = (dimension - 1) * np.log1p(-edges[:-1]), (dimension - 1) * np.log1p(-edges[1:])
    return low + np.log(-np.expm1(high - low))


def meyer_wallach(states: Tensor) -> Tensor:
    """Q = 2 (1 - mean over qubits of Tr rho_k^2), (...,), from states (..., 2^n) (Meyer and Wallach 2002).

    0 for product states, 1 for GHZ; rho_k is the reduced state of qubit k (the form of Brennen 2003).
    """
    n_qubits = round(math.log2(states.shape[-1]))
    purities = []
    for qubit in range(n_qubits):
        split = states.reshape(*states.shape[:-1], 2**qubit, 2, -1)
        reduced = torch.einsum("...xay,...xby->...ab", split, split.conj())
        purities.append((reduced.abs() ** 2).sum(dim=(-2, -1)))
    return 2 * (1 - torch.stack(purities).mean(dim=0))


def entangling_capability(circuit: Circuit, number: int, seed: int = 0) -> float:
    """The mean of Q over `number` random states. Haar-random states reach (N - 2) / (N + 1), N = 2^n."""
    chunks = random_states(circuit, number, torch.Generator().manual_seed(seed))
    return float(torch.cat([meyer_wallach(states) for states in chunks]).mean())
