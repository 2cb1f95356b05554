"""A whole sequence classifier of transformers as a model: the teacher itself, or a compressed BERT; needs torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.model.tokens import in_batches


@dataclass(frozen=True)
class Transformer:
    """folder: written by save_pretrained, tokeniser included; max_tokens: what a text is cut to."""

    folder: Path
    max_tokens: int

    @cached_property
    def parts(self) -> tuple[Any, Any]:
        """Tokeniser and model, in evaluation mode."""
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(
            self.folder, trust_remote_code=False, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        return tokenizer, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def stored_bytes(self) -> int:
        """Of the files of weights."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))

    def logits(self, texts: list[str]) -> np.ndarray:
        """(N, C) float64."""
        import torch

        tokenizer, model = self.parts
        encoded = [tokenizer(text, truncation=True, max_length=self.max_tokens) for text in texts]
        lengths = np.array([len(row["input_ids"]) for row in encoded], dtype=int)
        found = np.zeros((len(texts), model.config.num_labels))
        with torch.inference_mode():
            for batch in in_batches(lengths):
                tokens = tokenizer.pad([encoded[row] for row in batch], return_tensors="pt").to(model.device)
                found[batch] = model(**tokens).logits.float().cpu().numpy()
        return found
