"""A trained model that goes from text to the name of a class; nothing here needs torch by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.calibration import probabilities
from qdllm_utils.model.embedders import Embedder
from qdllm_utils.model.heads import Head


class Scorer(Protocol):
    """What gives class logits (N, C) of texts: Tfidf, OnEmbedding or Transformer."""

    @property
    def stored_bytes(self) -> int: ...  # noqa: D102
    def logits(self, texts: list[str]) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class OnEmbedding:
    """A head on an embedder."""

    embedder: Embedder
    head: Head

    @property
    def stored_bytes(self) -> int:
        """Of both."""
        return self.embedder.stored_bytes + self.head.stored_bytes

    def logits(self, texts: list[str]) -> np.ndarray:
        """(N, C) float64."""
        return self.head.logits(self.embedder.transform(texts))


@dataclass(frozen=True)
class TextModel:
    """scorer: gives logits. classes: their names, in the order of the columns. temperature: of the softmax."""

    scorer: Scorer
    classes: list[Any]
    temperature: float

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """(N, C) float64."""
        return probabilities(self.scorer.logits(texts), self.temperature)


def checked_texts(texts: Any) -> list[str]:
    """A list of strings from a list, tuple, array or column of texts; raises InputError for anything else."""
    if isinstance(texts, str | bytes) or (not isinstance(texts, Sequence) and not hasattr(texts, "__array__")):
        raise InputError(f"Texts must be a list of strings, not one {type(texts).__name__}: put it in a list.")
    if len(getattr(texts, "shape", (0,))) != 1:
        raise InputError(f"Texts must be one column of strings, not an array of shape {texts.shape}: pass one column.")
    found = list(texts)
    for number, text in enumerate(found):
        if not isinstance(text, str):
            raise InputError(
                f"Text number {number} is {text!r}, of type {type(text).__name__}: every text must be a "
                "string; fill in "
                "or leave out what is missing."
            )
    return [str(text) for text in found]
