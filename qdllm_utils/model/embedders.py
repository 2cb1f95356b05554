"""From text to embedding, as fast as it goes: no padding to a fixed length, batches of texts of like length.

    minilm, bert, a hub id, a folder   a frozen encoder of transformers (torch), mean over tokens
    static                             one vector a token, distilled from MiniLM by model2vec: a look-up and a mean
    minilm-int8                        MiniLM as ONNX with 8-bit weights (onnxruntime)

Only the first needs torch when a saved model is used.
"""

import hashlib
import logging
import os
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts import pretrained

STATIC, INT8 = "static", "minilm-int8"
STATIC_DIMENSION = 256
POOLINGS = ("mean", "middle")  # over the tokens of the last layer, or of the layer at half depth
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
    folder = folder_of("minilm" if name in (STATIC, INT8) else name)
    return np.array([len(found.ids) for found in tokeniser(folder).encode_batch(list(texts))], dtype=int)


def automatic(lengths: np.ndarray) -> int:
    """max_tokens for 'auto': the 95th percentile of the lengths, up to a multiple of 8, between 16 and 512."""
    longest = int(np.ceil(np.percentile(lengths, 95) / 8) * 8)
    return min(LONGEST, max(16, longest))


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


def cut(ids: list[int], most: int) -> list[int]:
    """At most so many tokens, the last one (a separator) kept, as transformers' truncation does."""
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


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
            f"The embedder in {folder.name!r} cannot be loaded ({reason}): save it with save_pretrained."
        ) from error
    finally:
        transformers_logging.set_verbosity(level)
    model.shortened = bool(shortened)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


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


Embedder = Encoder | Static


def embedder(name: str, max_tokens: int, pooling: str = "mean") -> Embedder:
    """The embedder of a name; raises InputError for one that does not exist."""
    if name == STATIC:
        return Static(max_tokens)
    return Encoder(name, pooling, max_tokens)
