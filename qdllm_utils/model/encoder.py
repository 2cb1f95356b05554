"""A frozen transformer as an embedder, as fast as it goes: no padding to a fixed length, batches of like length."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.tokens import cut, folder_of, in_batches, tokeniser, weights_hash
from qdllm_utils.texts import pretrained

POOLINGS = ("mean", "middle")  # over the tokens of the last layer, or of the layer at half depth


@dataclass(frozen=True)
class Encoder:
    """A frozen transformer. name: as given; pooling: one of POOLINGS; max_tokens: what a text is cut to."""

    name: str
    pooling: str
    max_tokens: int

    @property
    def identity(self) -> dict[str, Any]:
        """What `config.json` keeps: enough to find the same weights again, and to know them."""
        revision = pretrained.EMBEDDERS.get(self.name, self.name)
        if pretrained.looks_like_path(revision):
            revision = f"folder {Path(revision).name}"
        return {
            "kind": "encoder",
            "name": self.name if self.name in pretrained.EMBEDDERS or "/" in revision else revision,
            "model": revision,
            "sha256": weights_hash(self.folder),
            "pooling": self.pooling,
        }

    @cached_property
    def folder(self) -> Path:
        """Of its files."""
        return folder_of(self.name)

    @cached_property
    def model(self) -> Any:
        """The transformer, in evaluation mode; a BERT of half depth where only that is read."""
        return frozen(self.folder, self.pooling == "middle")

    @property
    def stored_bytes(self) -> int:
        """Of the weights that are read, float32; the tokeniser is not counted."""
        return sum(4 * values.numel() for values in self.model.parameters())

    def transform(self, texts: list[str]) -> np.ndarray:
        """Embeddings (N, d) float32."""
        return self.poolings(texts)[self.pooling]

    def poolings(self, texts: list[str], progress: bool = False) -> dict[str, np.ndarray]:
        """Every pooling of POOLINGS that the loaded depth gives."""
        import torch
        from tqdm import tqdm

        model, depth = self.model, getattr(self.model, "shortened", False)
        found = tokeniser(self.folder).encode_batch(list(texts))
        ids = [cut(encoding.ids, self.max_tokens) for encoding in found]
        lengths = np.array([len(row) for row in ids], dtype=int)
        parts: dict[str, np.ndarray] = {}
        device = next(model.parameters()).device
        with torch.inference_mode(), tqdm(total=len(ids), desc="embedding", unit="text", disable=not progress) as bar:
            for batch in in_batches(lengths):
                inputs = np.zeros((len(batch), max(1, lengths[batch].max())), dtype=np.int64)
                mask = np.arange(inputs.shape[1]) < lengths[batch][:, None]
                inputs[mask] = np.concatenate([ids[row] for row in batch])
                tokens = {"input_ids": torch.from_numpy(inputs), "attention_mask": torch.from_numpy(mask.astype(int))}
                tokens = {name: values.to(device) for name, values in tokens.items()}
                states = model(**tokens, output_hidden_states=not depth)
                layers = (
                    {"middle": states.last_hidden_state}
                    if depth
                    else {
                        "mean": states.hidden_states[-1],
                        "middle": states.hidden_states[len(states.hidden_states) // 2],
                    }
                )
                weight = tokens["attention_mask"].unsqueeze(-1).float()
                for name, layer in layers.items():
                    mean = (layer.float() * weight).sum(1) / weight.sum(1).clamp_min(1)
                    parts.setdefault(name, np.zeros((len(ids), mean.shape[1]), np.float32))[batch] = mean.cpu().numpy()
                bar.update(len(batch))
        return parts


@lru_cache(maxsize=2)
def frozen(folder: Path, half: bool) -> Any:
    """The model in a folder; of a BERT only the lower half where `half`, marked by the attribute `shortened`."""
    import torch
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging as transformers_logging

    shortened = {}
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if half and config.model_type == "bert":
        shortened = {"num_hidden_layers": (config.num_hidden_layers + 1) // 2}
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it would warn of the layers that are left out on purpose
    try:
        model = AutoModel.from_pretrained(folder, trust_remote_code=False, use_safetensors=True, **shortened)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:")
        raise InputError(
            f"The embedder in {folder.name!r} cannot be loaded ({reason}): its files must be whole, its weights "
            "safetensors of the architecture that its config.json names."
        ) from error
    finally:
        transformers_logging.set_verbosity(level)
    model.shortened = bool(shortened)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
