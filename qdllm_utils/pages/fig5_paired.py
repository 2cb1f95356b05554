"""Classes counted text by text over all test texts: which ones shots and noise flip, and which mitigation brings back.

Sampling 2^11 bit strings for thousands of texts takes hours. A class depends only on how much each logit is above the
first one, which is the mean over the shots of a function of the bits. Its exact mean and covariance for all texts at
once come from carrying that function, and the products of two of them, back through the circuit (NoisyCircuit.means);
the values of `shots` shots are then drawn from the normal distribution with that mean and covariance, which for
thousands of shots is what they follow. Mitigation is linear too: a corrected reading is another function of the bits,
an extrapolation a weighted sum of independent draws.
"""

from typing import Any

import numpy as np

from qdcircuits.chip.counts import FOLDS, check_invertible
from qdcircuits.chip.noise import NoisyCircuit, on_each, signs

CONDITIONS = ("ideal", "shots", "noise", "readout mitigated", "extrapolated", "both")
MITIGATED = CONDITIONS[3:]


class Paired:
    """The counting for one student. head (n, C), bias (C,); parities: of each output; shots: of each circuit."""

    def __init__(self, head: np.ndarray, bias: np.ndarray, parities: Any, shots: int, rng: np.random.Generator) -> None:
        """Work out how much each class's logit is above the first one's, for every string of bits, (C - 1, 2^n)."""
        n = len(head)
        logits = head.T @ np.stack([signs(bits, n) for bits in parities]) + bias[:, None]
        self.above = logits[1:] - logits[0]
        self.shots, self.rng, self.n = shots, rng, n

    def without_shot_noise(self, circuit: NoisyCircuit, inputs: np.ndarray) -> np.ndarray:
        """The class (B,) of infinitely many shots."""
        return chosen(circuit.means(self.above, inputs))

    def draw(self, circuit: NoisyCircuit, inputs: np.ndarray, functions: np.ndarray) -> np.ndarray:
        """The mean over `shots` shots of functions of the bits (K, 2^n), (B, K), with their correlations."""
        mean, covariance = moments(circuit, inputs, functions)
        values, vectors = np.linalg.eigh(covariance / self.shots)
        noise = self.rng.standard_normal(mean.shape)[..., None]
        return mean + (vectors @ (np.sqrt(np.clip(values, 0, None))[..., None] * noise))[..., 0]

    def classes(
        self, ideal: NoisyCircuit, noisy: dict[int, NoisyCircuit], inputs: np.ndarray, known: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The class (B,) of every text in every condition; known: the confusion as it was learnt, a matrix a bit."""
        check_invertible(known)
        table = self.above.reshape((-1,) + (2,) * self.n)
        inverse = [np.linalg.inv(matrix).T for matrix in known]
        corrected = np.stack([on_each(function, inverse).ravel() for function in table])
        weights = np.linalg.pinv(np.vander(np.asarray(FOLDS, float), 2, increasing=True))[0]
        raw = {fold: self.draw(noisy[fold], inputs, self.above) for fold in FOLDS}
        better = {fold: self.draw(noisy[fold], inputs, corrected) for fold in FOLDS}
        values = {
            "ideal": ideal.means(self.above, inputs),
            "shots": self.draw(ideal, inputs, self.above),
            "noise": raw[1],
            "readout mitigated": better[1],
            "extrapolated": sum(w * raw[fold] for w, fold in zip(weights, FOLDS, strict=True)),
            "both": sum(w * better[fold] for w, fold in zip(weights, FOLDS, strict=True)),
        }
        return {name: chosen(found) for name, found in values.items()}

    def count(
        self,
        ideal: NoisyCircuit,
        noisy: dict[int, NoisyCircuit],
        inputs: np.ndarray,
        truth: np.ndarray,
        known: list[np.ndarray],
    ) -> dict[str, Any]:
        """Right texts and paired counts of every condition, over all texts."""
        return tally(self.classes(ideal, noisy, inputs, known), truth)


def chosen(above: np.ndarray) -> np.ndarray:
    """The class (B,) from how much each logit but the first is above the first one, (B, C - 1)."""
    return np.concatenate([np.zeros((len(above), 1)), above], axis=1).argmax(axis=1)


def moments(circuit: NoisyCircuit, inputs: np.ndarray, functions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (B, K) and covariance (B, K, K) of functions of the bits (K, 2^n) in one shot."""
    c = len(functions)
    upper = np.triu_indices(c)
    found = circuit.means(np.concatenate([functions, functions[upper[0]] * functions[upper[1]]]), inputs)
    mean, second = found[:, :c], np.empty((len(found), c, c))
    second[:, upper[0], upper[1]] = second[:, upper[1], upper[0]] = found[:, c:]
    return mean, second - mean[:, :, None] * mean[:, None, :]


def tally(classes: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, Any]:
    """Right texts, and of the flips against the exact circuit how many lost and won a right class.

    Of the texts that noise flips: how many each mitigation brings back, and how many others it flips.
    """
    ideal, noise = classes["ideal"], classes["noise"]
    right = {name: int((found == truth).sum()) for name, found in classes.items()}
    flips = {
        name: {
            "flipped": int((found != ideal).sum()),
            "lost": int(((ideal == truth) & (found != truth)).sum()),
            "won": int(((ideal != truth) & (found == truth)).sum()),
        }
        for name, found in classes.items()
    }
    back = {
        name: {
            "back": int(((noise != ideal) & (classes[name] == ideal)).sum()),
            "more": int(((noise == ideal) & (classes[name] != ideal)).sum()),
        }
        for name in MITIGATED
    }
    return {"right": right, "flips": flips, "back": back, "test_texts": len(truth)}
