"""Frozen embeddings E of the texts (paper, eq. 4): vectors that are computed once and never trained."""

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from qdllm_utils.texts.pretrained import locate

MAX_TOKENS = 60  # released code: every text is padded or cut to 60 tokens


@torch.inference_mode()
def embed(texts: list[str], embedder: str, batch_size: int = 64) -> dict[str, np.ndarray]:
    """The embedding of each text for every pooling, {pooling: (N, d) float32}.

    last: the hidden state at the last position after padding to 60 tokens, so nearly always at a PAD
    token; that is what the released code takes. mean: the average over the text's tokens. cls: the first
    position.
    """
    source = locate(embedder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModel.from_pretrained(source).to(device).eval()
    pooled: dict[str, list[np.ndarray]] = {"last": [], "mean": [], "cls": []}
    for start in tqdm(range(0, len(texts), batch_size), desc="embedding", unit="batch"):
        batch = tokenizer(
            texts[start : start + batch_size],
            padding="max_length",
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        ).to(device)
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled["last"].append(hidden[:, -1].cpu().numpy())
        pooled["mean"].append(((hidden * mask).sum(1) / mask.sum(1)).cpu().numpy())
        pooled["cls"].append(hidden[:, 0].cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in pooled.items()}
