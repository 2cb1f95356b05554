"""The static embedding: one vector a token, distilled once from MiniLM by model2vec; a look-up and a mean, no torch."""

import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.tokens import STATIC, weights_hash
from qdllm_utils.texts import pretrained

STATIC_DIMENSION = 256


@dataclass(frozen=True)
class Static:
    """A vector for each token, and their mean, of length 1; distilled from MiniLM by model2vec, or from a folder."""

    max_tokens: int
    folder: Path | None = None
    name: str = STATIC
    pooling: str = "mean"

    @property
    def identity(self) -> dict[str, Any]:
        """What `config.json` keeps; the vectors themselves lie in the model's folder."""
        return {
            "kind": "static",
            "name": STATIC,
            "model": f"model2vec of {pretrained.MINILM_NAME}, {STATIC_DIMENSION} dimensions",
            "sha256": weights_hash(self.place),
            "pooling": self.pooling,
        }

    @cached_property
    def place(self) -> Path:
        """The folder of the vectors; distilled first where the cache has none."""
        return self.folder or distilled_static()

    @cached_property
    def model(self) -> Any:
        """model2vec's StaticModel."""
        from model2vec import StaticModel

        return StaticModel.from_pretrained(self.place, force_download=False)

    @property
    def stored_bytes(self) -> int:
        """Of the vectors, float16."""
        return int(self.model.embedding.nbytes)

    def transform(self, texts: list[str]) -> np.ndarray:
        """Embeddings (N, 256) float32; a text without a known token is the zero vector."""
        found = self.model.encode(list(texts), max_length=self.max_tokens, use_multiprocessing=False)
        return np.asarray(found, np.float32).reshape(len(texts), -1)

    def poolings(self, texts: list[str], progress: bool = False) -> dict[str, np.ndarray]:
        """The one pooling there is."""
        return {"mean": self.transform(texts)}

    def save(self, folder: Path) -> None:
        """Write the vectors and the tokeniser as safetensors and JSON."""
        self.model.save_pretrained(folder)


def distilled_static() -> Path:
    """The static table of MiniLM in the user's cache, made where it is missing (some twenty seconds, once)."""
    import pooch

    source = Path(pretrained.locate("minilm"))
    target = Path(pooch.os_cache("qdllm")) / "static" / f"{weights_hash(source)[:16]}-{STATIC_DIMENSION}"
    if (target / "config.json").is_file():
        return target
    try:
        from model2vec.distill import distill
    except ImportError:
        raise InputError(
            "The embedder static needs model2vec and skeletoken to be distilled: pip install 'model2vec[distill]'."
        ) from None
    logging.getLogger("model2vec").setLevel(logging.ERROR)
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    distill(str(source), pca_dims=STATIC_DIMENSION, device="cpu").save_pretrained(aside)
    try:
        aside.rename(target)
    except OSError:  # another process was first
        if not (target / "config.json").is_file():
            raise
    return target
