"""An encoder in int8: ONNX Runtime's dynamic quantisation of weights and activations, on the CPU and without torch.

The scale of the activations is taken over all that is read at once, so that in a batch a text's embedding would depend
on its neighbours (cosines down to 0.98 were seen): here each text is read alone, and is what it is in any company.
"""

import copy
import logging
import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.encoder import POOLINGS, Encoder, frozen
from qdllm_utils.model.onnx_head import OPSET, session
from qdllm_utils.model.tokens import INT8, cut, tokeniser, weights_hash

FILE = "int8.onnx"
TOLERANCE = 1e-3  # of the float32 ONNX from torch, over the greatest value of the embeddings


@dataclass(frozen=True)
class Int8:
    """name: that of an encoder with `:int8` behind it; pooling, max_tokens: as Encoder. folder: of a saved model."""

    name: str
    pooling: str
    max_tokens: int
    folder: Path | None = None

    @property
    def source(self) -> Encoder:
        """The encoder in float32."""
        return Encoder(self.name.removesuffix(INT8), self.pooling, self.max_tokens)

    @property
    def identity(self) -> dict[str, Any]:
        """What `config.json` keeps; the quantised encoder itself lies in the model's folder."""
        source = self.source.identity
        return source | {
            "kind": "int8",
            "name": source["name"] + INT8,
            "model": f"int8 (dynamic, ONNX Runtime) of {source['model']}",
            "sha256": weights_hash(self.place),
            "source_sha256": source["sha256"],
        }

    @cached_property
    def place(self) -> Path:
        """The folder of the quantised encoder; made first where the cache has none."""
        return self.folder or quantised(self.source)

    @cached_property
    def model(self) -> Any:
        """The inference session, one thread a text."""
        return session(self.place / FILE, threads=1)

    @property
    def stored_bytes(self) -> int:
        """Of the ONNX file; the tokeniser is not counted."""
        return (self.place / FILE).stat().st_size

    def transform(self, texts: list[str]) -> np.ndarray:
        """Embeddings (N, d) float32."""
        from joblib import cpu_count

        model = self.model

        def one(encoding: Any) -> np.ndarray:
            ids = np.array([cut(encoding.ids, self.max_tokens)], np.int64)
            return model.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]

        with ThreadPoolExecutor(cpu_count()) as pool:  # ONNX Runtime lets go of Python's lock
            found = list(pool.map(one, tokeniser(self.place).encode_batch(list(texts))))
        return np.concatenate(found) if found else np.zeros((0, model.get_outputs()[0].shape[1]), np.float32)

    def poolings(self, texts: list[str], progress: bool = False) -> dict[str, np.ndarray]:
        """Every pooling of POOLINGS."""
        return {name: replace(self, pooling=name).transform(texts) for name in POOLINGS}

    def save(self, folder: Path) -> None:
        """Write the quantised encoder and its tokeniser."""
        shutil.copytree(self.place, folder, dirs_exist_ok=True)


def quantised(source: Encoder) -> Path:
    """The int8 form of an encoder in the user's cache, made where it is missing (seconds, once a pooling)."""
    import pooch

    target = Path(pooch.os_cache("qdllm")) / "int8" / f"{weights_hash(source.folder)[:16]}-{source.pooling}"
    if (target / FILE).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        whole, made = Path(scratch) / "float32.onnx", Path(scratch) / "made"
        made.mkdir()
        write_float(source, whole)
        quantise(whole, made / FILE)
        shutil.copy(source.folder / "tokenizer.json", made)
        try:
            made.rename(target)
        except OSError:  # another process was first
            if not (target / FILE).is_file():
                raise
    return target


def quantise(whole: Path, target: Path) -> None:
    """Weights to int8 a column, within 7 bits, so that a processor without VNNI does not saturate and agrees."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it recommends a preparation that changes nothing here
    try:
        quantize_dynamic(whole, target, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    finally:
        logging.root.setLevel(level)


def write_float(source: Encoder, path: Path) -> None:
    """The encoder and its pooling as ONNX, held against torch on texts of other lengths than it was traced with.

    Raises InputError where the architecture cannot be written so.
    """
    import torch

    model = copy.deepcopy(frozen(source.folder, False)).cpu()

    class Pooled(torch.nn.Module):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True).hidden_states
            layer = states[-1 if source.pooling == "mean" else len(states) // 2]  # what lies above is not written
            weight = attention_mask.unsqueeze(-1).to(layer.dtype)
            return (layer * weight).sum(1) / weight.sum(1)

    pooled = Pooled()
    pooled.encoder = model  # so that its weights are found
    axes = {"input_ids": {0: "N", 1: "T"}, "attention_mask": {0: "N", 1: "T"}, "embedding": {0: "N"}}
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the exporter that needs no further package is the older one
            torch.onnx.export(
                pooled.eval(),
                example(source, ("a text of some words", "short")),
                str(path),
                input_names=["input_ids", "attention_mask"],
                output_names=["embedding"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
            ids, mask = example(source, ("another text, which is longer than the one before", "word", "two words"))
            wanted = pooled(ids, mask).numpy()
            found = session(path).run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    except Exception as error:
        raise cannot(source, str(error).strip().split("\n")[0][:150].rstrip(".")) from error
    difference = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    if not difference <= TOLERANCE:
        raise cannot(source, f"its ONNX differs from torch by {difference:.1e}")


def cannot(source: Encoder, reason: str) -> InputError:
    """The refusal of an architecture that cannot be exported."""
    shown = Path(source.name).name
    return InputError(f"The embedder {shown!r} cannot be had in int8 ({reason}): take it without {INT8}, or static.")


def example(source: Encoder, texts: tuple[str, ...]) -> tuple[Any, Any]:
    """Token ids and mask of a few texts, padded, each (N, T)."""
    import torch

    rows = [torch.tensor(found.ids) for found in tokeniser(source.folder).encode_batch(list(texts))]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids, mask
