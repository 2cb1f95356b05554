"""Teachers made of the true labels: how good could a student be if its teacher were this good?"""

import numpy as np

CONFIDENCE = 0.9  # the probability of the class that it names


def label_logits(labels: np.ndarray, classes: int, right: float, seed: int) -> np.ndarray:
    """Logits (N, C), log-probabilities, of a teacher that is right on a share of the texts drawn at random.

    labels: (N,). right: from 0 to 1, met to the nearest text. On the other texts it names a wrong class, each as often.
    The class that it names has the probability CONFIDENCE, the others share the rest: so it is soft, but its softness
    knows nothing of the text.
    """
    generator = np.random.default_rng(seed)
    wrong = generator.permutation(len(labels))[: len(labels) - round(right * len(labels))]
    named = labels.copy()
    named[wrong] = (labels[wrong] + generator.integers(1, classes, len(wrong))) % classes
    probabilities = np.full((len(labels), classes), (1 - CONFIDENCE) / (classes - 1))
    probabilities[np.arange(len(labels)), named] = CONFIDENCE
    return np.log(probabilities).astype(np.float32)
