"""The model as a scikit-learn classifier of texts, for Pipeline, cross_val_score, GridSearchCV and the rest."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from qdcircuits.errors import InputError
from qdllm_utils.model.text_model import OnEmbedding, TextModel, checked_texts

ROWS = 1024  # texts at a time


class DistilledClassifier(ClassifierMixin, BaseEstimator):
    """Distil a teacher (or learn from labels alone), choose on validation texts, and classify.

    kind: `auto` chooses among the candidates, or the name of one (tfidf, linear, probe_1bit ... probe_8bit, surrogate,
    quantum). teacher, embedder, max_tokens, seed: as in `distil`. X is a list of strings, y their labels.
    """

    model_: TextModel
    classes_: np.ndarray

    def __init__(
        self,
        kind: str = "auto",
        teacher: str | None = None,
        embedder: str = "minilm",
        max_tokens: int | str = 60,
        seed: int = 0,
    ) -> None:
        """Keep the parameters as they are given."""
        self.kind = kind
        self.teacher = teacher
        self.embedder = embedder
        self.max_tokens = max_tokens
        self.seed = seed

    @classmethod
    def of(cls, model: TextModel, parameters: dict[str, Any] | None = None) -> "DistilledClassifier":
        """A fitted classifier from a trained model; parameters: what `fit` would train again with."""
        classifier = cls(**(parameters or {}))
        classifier.model_, classifier.classes_ = model, np.array(model.classes)
        return classifier

    def fit(self, texts: Any, labels: Any) -> "DistilledClassifier":
        """Split off validation texts, train the candidates, keep the recommended one."""
        from qdllm_utils.model.candidates import ARMS
        from qdllm_utils.model.distillation import distil

        arms = ARMS if self.kind == "auto" else (self.kind,)
        distilled = distil(
            checked_texts(texts),
            labels,
            self.teacher,
            max_tokens=self.max_tokens,
            embedder=self.embedder,
            seed=self.seed,
            arms=arms,
            keep_teacher=self.kind == "auto",
            curve=False,
            progress=False,
        )
        chosen = distilled.classifier()
        self.model_, self.classes_ = chosen.model_, chosen.classes_
        return self

    def predict_proba(self, texts: Any) -> np.ndarray:
        """Calibrated probabilities (N, C), columns in the order of `classes_`."""
        if not hasattr(self, "model_"):
            raise NotFittedError("This DistilledClassifier is not fitted: call fit, or load a saved folder.")
        found = checked_texts(texts)
        parts = [self.model_.probabilities(found[start : start + ROWS]) for start in range(0, len(found), ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes_)))

    def predict(self, texts: Any) -> np.ndarray:
        """The name of each text's class, (N,)."""
        chances = self.predict_proba(texts)
        return self.classes_[chances.argmax(axis=1)]

    def embed(self, texts: Any) -> np.ndarray:
        """The embedding that the head reads, and its `head.onnx`: (N, d) float32. InputError where there is no head."""
        scorer = self.model_.scorer if hasattr(self, "model_") else None
        if not isinstance(scorer, OnEmbedding):
            raise InputError("This model reads no embedding: only heads do (linear, probes, surrogate, quantum).")
        return np.asarray(scorer.embedder.transform(checked_texts(texts)), np.float32)

    def __sklearn_tags__(self) -> Any:
        """One column of strings."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is a model."""
        return hasattr(self, "model_")
