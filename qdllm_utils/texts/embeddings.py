"""Frozen embeddings E of the texts (paper, eq. 4): vectors that are computed once and never trained."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from qdllm_utils.config import FROZEN_POOLINGS
from qdllm_utils.texts.pretrained import locate

MAX_TOKENS = 60  # released code: every text is padded or cut to 60 tokens


@torch.inference_mode()
def embed(texts: list[str], embedder: str, batch_size: int = 64, encoder: Any = None) -> dict[str, np.ndarray]:
    """The embedding of each text for every pooling of FROZEN_POOLINGS, {pooling: (N, d) float32; several: (N, 3 d)}.

    encoder: a fine-tuned model to read the texts with, in place of the embedder's weights; the tokeniser is the
    embedder's.
    """
    from transformers import AutoModel, AutoTokenizer

    source = locate(embedder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = (AutoModel.from_pretrained(source) if encoder is None else encoder).to(device).eval()
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
        parts.append(pooled(states[-1], states[len(states) // 2], batch["attention_mask"]))
    return {name: torch.cat([part[name] for part in parts]).float().cpu().numpy() for name in FROZEN_POOLINGS}


def pooled(last: Tensor, middle: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Every pooling of a batch, from the last and the middle layer's states (B, T, d) and the mask of tokens (B, T).

    last: the state at the last position after padding to 60 tokens, so nearly always at a PAD token; that is what
    the released code takes. The other poolings leave the PAD tokens out.
    """
    token = mask.unsqueeze(-1).bool()

    def mean(states: Tensor) -> Tensor:
        return (states * token).sum(1) / token.sum(1)

    first, greatest = last[:, 0], last.masked_fill(~token, -torch.inf).amax(1)
    return {
        "last": last[:, -1],
        "mean": mean(last),
        "cls": first,
        "middle": mean(middle),
        "several": torch.cat([first, mean(last), greatest], dim=1),
    }
