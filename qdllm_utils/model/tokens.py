"""Tokens and files of an embedder: where it lies, what it is, and how long the texts are for it; no torch."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts import pretrained

STATIC = "static"
INT8 = ":int8"  # behind an encoder's name; no hub id has a colon
TOKENS_A_BATCH = 4096
LONGEST = 512  # tokens; 'auto' goes no further


@cache
def weights_hash(folder: Path) -> str:
    """The SHA-256 of a folder's files of weights and tokeniser, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".onnx", ".bin") or path.name in ("tokenizer.json", "vocab.txt"):
            with open(path, "rb") as file:
                whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def folder_of(name: str) -> Path:
    """Where the encoder's files lie; a hub model is brought into the hub's cache."""
    found = Path(pretrained.locate(name))
    if found.is_dir():
        return found
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.safetensors", "*.model"]
    return Path(snapshot_download(str(found), allow_patterns=wanted, ignore_patterns=["*/*"]))


def encoder_name(name: str) -> str:
    """The encoder whose tokens an embedder reads."""
    return "minilm" if name == STATIC else name.removesuffix(INT8)


def in_batches(lengths: np.ndarray, tokens: int = TOKENS_A_BATCH) -> list[np.ndarray]:
    """Row numbers in batches of like length, each of at most `tokens` tokens with its padding (but one text at least).

    lengths: (N,) in tokens.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or (stop - start + 1) * lengths[order[stop]] > tokens:
            batches.append(order[start:stop])
            start = stop
    return batches


@lru_cache(maxsize=4)
def tokeniser(folder: Path) -> Any:
    """The fast tokeniser of a folder, without truncation or padding; raises InputError where there is none."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"The embedder in {folder.name!r} has no tokenizer.json: save its fast tokeniser beside it.")
    found = Tokenizer.from_file(str(path))
    found.no_padding()
    found.no_truncation()
    return found


def lengths_in_tokens(texts: list[str], name: str) -> np.ndarray:
    """The length of each text in the embedder's tokens, with the special ones, (N,)."""
    folder = folder_of(encoder_name(name))
    return np.array([len(found.ids) for found in tokeniser(folder).encode_batch(list(texts))], dtype=int)


def automatic(lengths: np.ndarray) -> int:
    """max_tokens for 'auto': the 95th percentile of the lengths, up to a multiple of 8, between 16 and 512."""
    longest = int(np.ceil(np.percentile(lengths, 95) / 8) * 8)
    return min(LONGEST, max(16, longest))


def cut(ids: list[int], most: int) -> list[int]:
    """At most so many tokens, the last one (a separator) kept, as transformers' truncation does."""
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]
