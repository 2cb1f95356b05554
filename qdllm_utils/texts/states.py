"""States of a frozen model of any size, text by text: what linear probes and students read; stored as it goes."""

from pathlib import Path

import numpy as np
import torch

from qdllm_utils.texts import pretrained
from qdllm_utils.texts.loading import check_finite, load_config, load_tokenizer, most_tokens
from qdllm_utils.texts.needs import check_memory, count_parameters
from qdllm_utils.texts.resumption import (
    Batch,
    Clock,
    Progress,
    Reader,
    alone,
    claim,
    data_hash,
    device,
    in_chunks,
    on_device,
    say,
)

NAMES = ("middle", "middle_last", "mean", "last_token")
BATCH = 64


def frozen_states(source: str, texts: list[str], folder: Path, max_tokens: int = 60) -> dict[str, np.ndarray]:
    """{name: (N, d) float32} for every name in NAMES, of a model, in float32.

    source: a name of `pretrained`, a folder or a hub id. middle: mean over the text's tokens at half depth;
    middle_last: the last token there; mean and last_token: the same after the last layer and its normalisation.
    Texts are cut at max_tokens and padded no further than the longest of their batch.
    A killed run goes on from the chunks in `folder`.
    """
    from transformers import AutoModel

    with alone(folder):
        claim(folder, {"model": pretrained.identity(source), "data": data_hash(texts), "max_tokens": max_tokens})
        clock, source = Clock(folder), pretrained.locate(source)
        say(check_memory(count_parameters(source)))
        tokenizer = load_tokenizer(source, load_config(source))
        model = AutoModel.from_pretrained(source, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
        check_finite(source, model)
        model.to(device()).eval()
        reader = Reader(tokenizer, texts, most_tokens(model.config, max_tokens))
        everything = np.arange(len(texts))
        bar = Progress(reader.tokens(everything))

        def states(batch: Batch) -> torch.Tensor:
            """(B, 4, d)."""
            batch = on_device(batch)
            found = model(**batch, output_hidden_states=True).hidden_states
            return pooled(found[len(found) // 2], found[-1], batch["attention_mask"])

        found = in_chunks(reader, everything, states, BATCH, folder, "states", bar)
        clock.tick()
    return {name: np.ascontiguousarray(found[:, column]) for column, name in enumerate(NAMES)}


def pooled(middle: torch.Tensor, last: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The four poolings (B, 4, d) of states (B, T, d); mask: (B, T), 1 for a token, 0 for padding on either side."""
    where = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(dim=1)
    parts = []
    for layer in (middle, last):
        parts.append((layer * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        parts.append(layer[torch.arange(len(where)), where])
    return torch.stack(parts, dim=1)
