"""Frozen embeddings E of the texts (paper, eq. 4): vectors that are computed once and never trained."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from qdcircuits.errors import InputError
from qdllm_utils.config import FROZEN_POOLINGS
from qdllm_utils.texts.pretrained import locate

MAX_TOKENS = 60  # released code: every text is padded or cut to 60 tokens


@torch.inference_mode()
def embed(texts: list[str], embedder: str, batch_size: int = 64, encoder: Any = None) -> dict[str, np.ndarray]:
    """The embedding of each text for every pooling of FROZEN_POOLINGS, {pooling: (N, d) float32; several: (N, 3 d)}.

    For encoders (BERT, MPNet, ...), which read texts padded to 60 tokens as the released code does; `states` has what
    a decoder gives. encoder: a fine-tuned model to read the texts with, in place of the embedder's weights; the
    tokeniser is the embedder's. Raises InputError where the states of a text are not finite.
    """
    from transformers import AutoModel, AutoTokenizer

    source = locate(embedder)
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="right", trust_remote_code=False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if encoder is None:
        encoder = AutoModel.from_pretrained(source, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
    model = encoder.to(device).eval()
    parts: list[dict[str, Tensor]] = []
    for start in tqdm(range(0, len(texts), batch_size), desc="embedding", unit="batch"):
        batch = tokenizer(
            texts[start : start + batch_size],
            padding="max_length",
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        ).to(device)
        states = model(**batch, output_hidden_states=True).hidden_states
        parts.append({name: values.float().cpu() for name, values in pooled(states, batch["attention_mask"]).items()})
    vectors = {name: torch.cat([part[name] for part in parts]).numpy() for name in FROZEN_POOLINGS}
    for name, values in vectors.items():
        check_finite(values, name, embedder)
    return vectors


def check_finite(values: np.ndarray, pooling: str, embedder: str) -> None:
    """Raise InputError where an embedding (N, d) is not finite, naming the first text."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise InputError(
            f"The embedder {embedder} gives values that are not finite for {len(bad):,} texts (pooling {pooling}, the "
            f"first is text {bad[0]}): its weights are damaged or overflow; take another embedder or fetch it again."
        )


def pooled(states: tuple[Tensor, ...], mask: Tensor) -> dict[str, Tensor]:
    """Every pooling of a batch, from the states of every layer, each (B, T, d), and the mask of tokens (B, T).

    last: the state at the last position after padding to 60 tokens, so nearly always at a PAD token; that is what
    the released code takes. The other poolings leave the PAD tokens out. Layer 0 are the token embeddings: half
    depth is layer 6 of 12, three quarters layer 9.
    """
    token = mask.unsqueeze(-1).bool()
    depth = len(states) - 1
    last, middle, upper = states[-1], states[(depth + 1) // 2], states[3 * depth // 4]
    rows, ends = torch.arange(len(mask), device=mask.device), mask.sum(1) - 1

    def mean(of: Tensor) -> Tensor:
        return (of * token).sum(1) / token.sum(1)

    return {
        "last": last[:, -1],
        "mean": mean(last),
        "cls": last[:, 0],
        "middle": mean(middle),
        "upper": mean(upper),
        "last_token": last[rows, ends],
        "middle_last": middle[rows, ends],
        "several": torch.cat([last[:, 0], mean(last), last.masked_fill(~token, -torch.inf).amax(1)], dim=1),
    }
