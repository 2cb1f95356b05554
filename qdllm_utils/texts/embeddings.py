"""Frozen embeddings E of the texts (paper, eq. 4): vectors that are computed once and never trained."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from qdcircuits.errors import InputError
from qdllm_utils.config import DECODER_POOLINGS, FROZEN_POOLINGS
from qdllm_utils.texts.pretrained import ENCODERS, locate

MAX_TOKENS = 60  # released code: every text is padded or cut to 60 tokens


@torch.inference_mode()
def embed(texts: list[str], embedder: str, batch_size: int = 64, encoder: Any = None) -> dict[str, np.ndarray]:
    """The embedding of each text for every pooling that the model has, {pooling: (N, d) float32; several: (N, 3 d)}.

    An encoder (BERT, MPNet, ...) has all of FROZEN_POOLINGS and reads texts padded to 60 tokens, as the released code
    does. A decoder has DECODER_POOLINGS and reads batches of texts of like length: padding to 60 tokens would cost
    five times as much, and none of its states sees a token to its right.

    encoder: a fine-tuned model to read the texts with, in place of the embedder's weights; the tokeniser is the
    embedder's. Raises InputError where the states of a text are not finite.
    """
    from transformers import AutoModel, AutoTokenizer

    source = locate(embedder)
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="right", trust_remote_code=False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = encoder
    if model is None:
        model = AutoModel.from_pretrained(source, dtype=torch.float32, trust_remote_code=False)
    model = model.to(device).eval()
    padded = model.config.model_type in ENCODERS
    order = range(len(texts)) if padded else np.argsort([len(text) for text in texts], kind="stable").tolist()
    parts: list[dict[str, Tensor]] = []
    for start in tqdm(range(0, len(texts), batch_size), desc="embedding", unit="batch"):
        batch = tokenizer(
            [texts[row] for row in order[start : start + batch_size]],
            padding="max_length" if padded else "longest",
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        ).to(device)
        states = model(**batch, output_hidden_states=True).hidden_states
        found = pooled(states, batch["attention_mask"], FROZEN_POOLINGS if padded else DECODER_POOLINGS)
        parts.append({name: values.float().cpu() for name, values in found.items()})
    place = np.argsort(np.asarray(order), kind="stable")
    vectors = {name: torch.cat([part[name] for part in parts]).numpy()[place] for name in parts[0]}
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


def pooled(states: tuple[Tensor, ...], mask: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The poolings of a batch, from the states of every layer, each (B, T, d), and the mask of tokens (B, T).

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

    ways = {
        "last": lambda: last[:, -1],
        "mean": lambda: mean(last),
        "cls": lambda: last[:, 0],
        "middle": lambda: mean(middle),
        "upper": lambda: mean(upper),
        "last_token": lambda: last[rows, ends],
        "middle_last": lambda: middle[rows, ends],
        "several": lambda: torch.cat([last[:, 0], mean(last), last.masked_fill(~token, -torch.inf).amax(1)], dim=1),
    }
    return {name: ways[name]() for name in names}
