"""The memory and disk that a model needs, from its configuration: said, or refused, before anything is fetched."""

import os
import shutil
from functools import lru_cache
from pathlib import Path

import torch

from qdcircuits.errors import InputError
from qdllm_utils.machine import available_memory

REST = 1e9  # bytes: Python and libraries
STATES = 30  # numbers a token, layer and width that a training step keeps for its gradients


@lru_cache
def count_parameters(source: str) -> int:
    """How many parameters a model has without its head; nothing but its configuration is read."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    with torch.device("meta"):
        return sum(value.numel() for value in AutoModel.from_config(config, trust_remote_code=False).parameters())


def bytes_needed(parameters: int, trained: int, width: int = 4) -> float:
    """Memory of a LoRA run: `width` bytes a parameter, 16 a trained one (weight, gradient, two moments), and the rest.

    A tenth more for what is copied while loading.
    """
    return REST + 1.1 * (width * parameters + 16 * trained)


def kept_states(tokens: int, layers: int, hidden: int, width: int = 4, recomputed: bool = False) -> float:
    """Bytes that a training step on so many tokens keeps for its gradients; recomputed: with gradient checkpointing.

    width: bytes a number. The adapter and the norms of a bfloat16 model keep float32 copies beside it, 6 bytes in all.
    With the weights this gives 13 GB for 1.54 billion parameters in float32 and 12 in bfloat16, in batches of 16 texts
    of 60 tokens; 13.7 and 11.1 were measured, the mapped file included.
    """
    if recomputed:
        return tokens * hidden * width * (2 * layers + STATES)
    return tokens * hidden * (4 if width == 4 else 6) * STATES * layers


def check_memory(parameters: int, trained: int = 0, width: int = 4, states: float = 0.0) -> str:
    """The sentence that says the memory a run needs; an InputError where that much is not free.

    width: bytes a parameter, 4 in float32, 2 in bfloat16. On a GPU its free memory counts, else the machine's.
    """
    needed = bytes_needed(parameters, trained, width) + states
    if torch.cuda.is_available():
        free, where = torch.cuda.mem_get_info()[0], "GPU memory"
    else:
        free, where = available_memory(), "memory"
    if needed > free:
        raise InputError(
            f"The model needs about {needed / 1e9:.1f} GB of {where} and {free / 1e9:.1f} GB are free: close what else "
            "runs, use a larger machine, or choose a smaller teacher."
        )
    return (
        f"{parameters / 1e9:.2f} billion parameters in {'float32' if width == 4 else 'bfloat16'}: about "
        f"{needed / 1e9:.1f} GB of {where}, {free / 1e9:.1f} GB are free."
    )


def check_download(name: str, parameters: int) -> None:
    """An InputError where the weights of a hub model (two bytes a parameter at least) do not fit on the disk.

    name: a hub id; a model that is in the cache already needs no room.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if any(
        isinstance(try_to_load_from_cache(name, file), str)
        for file in ("model.safetensors", "model.safetensors.index.json")
    ):
        return
    cache = Path(os.path.expanduser(constants.HF_HUB_CACHE))
    while not cache.exists():
        cache = cache.parent
    free, needed = shutil.disk_usage(cache).free, 2.0 * parameters
    if needed > free:
        raise InputError(
            f"{name} is a download of {needed / 1e9:.1f} GB or more and the disk of the cache has {free / 1e9:.1f} GB "
            "free: make room, set HF_HOME to a folder on another disk, or choose a smaller teacher."
        )
