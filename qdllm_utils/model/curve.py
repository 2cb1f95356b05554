"""What more labels would bring: accuracy on the test texts against the number of training texts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qdllm_utils.model import tfidf
from qdllm_utils.model.data import Labelled
from qdllm_utils.model.training import say, train_head

SHARES = (0.125, 0.25, 0.5, 1.0)
DRAWS = 3


@dataclass(frozen=True)
class LearningCurve:
    """texts (K,); accuracy (K, DRAWS), each draw another part of the training texts. arm: what was trained."""

    arm: str
    texts: np.ndarray
    accuracy: np.ndarray

    @property
    def last_step(self) -> tuple[float, float]:
        """Mean gain from half of the training texts to all of them, and its standard deviation over draws."""
        gain = self.accuracy[-1] - self.accuracy[-2]
        return float(gain.mean()), float(gain.std(ddof=1))

    @property
    def sentence(self) -> str:
        """What the last doubling brought, in words."""
        mean, sd = self.last_step
        return (
            f"From {self.texts[-2]:,} to {self.texts[-1]:,} training texts the accuracy of {self.arm} on the "
            "test texts "
            f"changed by {100 * mean:+.1f} points (standard deviation {100 * sd:.1f} over {DRAWS} draws of the smaller "
            "part); the next doubling as a rule brings less than the last."
        )


def learning_curve(
    candidate: Any, data: Labelled, pooled: dict[str, Any], seed: int, progress: bool
) -> LearningCurve | None:
    """Of TF-IDF where that is recommended, else of the linear probe on the same embedding, on labels alone."""
    say("Learning curve: what more labels would bring.", progress)
    arm, _, suffix = candidate.name.partition("@")
    features = None
    if arm != "tfidf":
        if not pooled:
            return None
        _, features = pooled[suffix] if suffix else next(iter(pooled.values()))
    labels, test, held = data.labels, data.rows["test"], data.rows["validation"]
    sizes, found = [], []
    for share in SHARES:
        line = []
        for draw in range(DRAWS):
            rows = drawn(data, share, seed + draw)
            words = [data.texts[row] for row in rows]
            if len(np.unique(labels[rows])) < len(data.classes):
                break
            if features is None:
                model = tfidf.fit(words, labels[rows], data.part("validation"), labels[held], (3.0,))
                if model is None:
                    break
                logits = model.logits(data.part("test"))
            else:
                head, _ = train_head(
                    "linear",
                    (features[rows], labels[rows], None),
                    (features[held], labels[held]),
                    len(data.classes),
                    seed + draw,
                    (0.01,),
                )
                logits = head.logits(features[test])
            line.append(float((logits.argmax(axis=1) == labels[test]).mean()))
        if len(line) == DRAWS:
            sizes.append(len(rows))
            found.append(line)
    if len(sizes) < 2:
        return None
    return LearningCurve("TF-IDF" if features is None else "the linear probe", np.array(sizes), np.array(found))


def drawn(data: Labelled, share: float, seed: int) -> np.ndarray:
    """A share of each class's training rows, at least one, drawn by seed."""
    generator = np.random.default_rng(seed)
    rows = data.rows["train"]
    parts = []
    for number in range(len(data.classes)):
        mine = generator.permutation(rows[data.labels[rows] == number])
        parts.append(mine[: max(1, round(share * len(mine)))])
    return np.sort(np.concatenate(parts))
