"""Probabilities that mean what they say: one temperature, fitted on the validation texts, and how it is judged.

Guo et al. 2017: softmax(logits / T) keeps every decision and moves the confidence. numpy and scipy only, because a
saved model uses it where no torch is installed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

RANGE = (0.01, 100.0)  # of T
BINS = 10


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """softmax(logits / T), (N, C) float64."""
    return softmax(np.asarray(logits, float) / temperature, axis=1)


def targets(labels: np.ndarray, classes: int) -> np.ndarray:
    """What the temperature is fitted to, (N, C): the label with weight (N + 1) / (N + 2), the rest even.

    Platt's (1999) targets: where every validation text is right, the likelihood alone would make every later
    probability 1.
    """
    n = len(labels)
    rest = 1 / (n + 2) / max(1, classes - 1)
    found = np.full((n, classes), rest)
    found[np.arange(n), labels] = (n + 1) / (n + 2)
    return found


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Of the targets at a temperature, nats a text."""
    chances = log_softmax(np.asarray(logits, float) / temperature, axis=1)
    return float(-(targets(labels, logits.shape[1]) * chances).sum(axis=1).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T in RANGE of the least negative log-likelihood on validation logits (N, C) and labels (N,)."""
    low, high = np.log(RANGE)
    found = minimize_scalar(
        lambda x: negative_log_likelihood(logits, labels, float(np.exp(x))),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Reliability:
    """Confidence of the predicted class against how often it is right, in even bins of confidence that hold a text.

    confidence, accuracy, texts: of each bin. ece: expected calibration error, the mean |accuracy - confidence| over
    texts (Naeini et al. 2015), between 0 and 1.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    texts: np.ndarray
    ece: float


def reliability(chances: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """Of class probabilities (N, C) and labels (N,)."""
    confidence, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    texts = np.bincount(place, minlength=bins)
    held = texts > 0
    mean_confidence = np.bincount(place, confidence, bins)[held] / texts[held]
    mean_accuracy = np.bincount(place, right, bins)[held] / texts[held]
    ece = float((texts[held] * np.abs(mean_accuracy - mean_confidence)).sum() / len(labels))
    return Reliability(mean_confidence, mean_accuracy, texts[held], ece)
