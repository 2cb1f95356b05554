"""A model as a folder: weights as safetensors, `config.json`, a model card, ONNX, OpenQASM 3; nothing is pickled.

config.json          what the model is; names every other file that it needs with its SHA-256
weights.safetensors  of the head, or of TF-IDF (with vocabulary.json)
embedder/            the static token vectors, or the encoder in int8, where these are used
teacher/             a whole transformers classifier, where that is the model
head.onnx            embedding -> probabilities;  circuit.qasm: the trained circuit of a quantum student
README.md            the model card
"""

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.int8 import Int8
from qdllm_utils.model.static import Static
from qdllm_utils.model.text_model import OnEmbedding, TextModel
from qdllm_utils.model.tfidf import Tfidf
from qdllm_utils.model.transformer import Transformer

FORMAT = "qdllm-model"
VERSION = 1
WEIGHTS, VOCABULARY, ONNX, QASM = "weights.safetensors", "vocabulary.json", "head.onnx", "circuit.qasm"


def file_hash(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(distilled: Any, candidate: Any, folder: Path) -> Path:
    """Write a candidate into a new or empty folder, or over an older model; returns the folder.

    Raises InputError where something else lies there.
    """
    from qdllm_utils.model.card import model_card

    model: TextModel | None = candidate.model
    if model is None:
        raise InputError(
            "The teacher was given as probabilities, so there is no model of it to save: choose another one."
        )
    folder = make_room(folder.expanduser())
    scorer = model.scorer
    if isinstance(scorer, Tfidf):
        described, onnx_difference = save_tfidf(scorer, folder), None
    elif isinstance(scorer, OnEmbedding):
        described, onnx_difference = save_on_embedding(scorer, model, folder, distilled.data.part("test"))
    elif isinstance(scorer, Transformer):
        described, onnx_difference = save_transformer(scorer, folder), None
    else:
        raise TypeError(f"{type(scorer).__name__} cannot be saved.")
    files = {
        path.relative_to(folder).as_posix(): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    config = {
        "format": FORMAT,
        "version": VERSION,
        "title": candidate.title,
        **described,
        "classes": model.classes,
        "temperature": model.temperature,
        "max_tokens": distilled.max_tokens,
        "preprocessing": "none: a text is read as it is",
        "files": files,
        "packages": {name: version(name) for name in ("numpy", "scikit-learn", "safetensors")},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    card = model_card(distilled, candidate, config, onnx_difference)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def make_room(folder: Path) -> Path:
    """The folder, empty; the files of an older model in it are removed, and anything else is refused."""
    if folder.is_file():
        raise InputError(f"{folder.name!r} is a file: give the name of a folder for the model.")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            older = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            files = [*older["files"], "config.json", "README.md"] if older["format"] == FORMAT else []
        except (OSError, ValueError, KeyError, TypeError):
            files = []
        if not files:
            raise InputError(
                f"The folder {folder.name!r} holds other files: give a new or an empty folder for the model."
            )
        for name in files:
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """As safetensors."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, path)


def save_tfidf(scorer: Tfidf, folder: Path) -> dict[str, Any]:
    """Vocabulary, idf and coefficients."""
    write_arrays(scorer.arrays, folder / WEIGHTS)
    text = json.dumps(scorer.vocabularies, ensure_ascii=False)
    (folder / VOCABULARY).write_text(text, encoding="utf-8")
    return {"kind": "tfidf", "C": scorer.c}


def save_on_embedding(
    scorer: OnEmbedding, model: TextModel, folder: Path, texts: list[str]
) -> tuple[dict[str, Any], float]:
    """The head's arrays, its ONNX checked against torch on embeddings of `texts`, and what else it needs."""
    from qdcircuits.export.openqasm import openqasm3
    from qdllm_utils.model.onnx_head import save_checked

    head = scorer.head
    write_arrays(head.arrays, folder / WEIGHTS)
    difference = save_checked(head, model.temperature, folder / ONNX, scorer.embedder.transform(texts[:256]))
    if head.kind == "quantum":
        (folder / QASM).write_text(openqasm3(head.circuit, head.arrays["angles"].tolist()), encoding="utf-8")
    if isinstance(scorer.embedder, Static | Int8):
        scorer.embedder.save(folder / "embedder")
    return {"kind": "head", "head": head.description, "embedder": scorer.embedder.identity}, difference


def save_transformer(scorer: Transformer, folder: Path) -> dict[str, Any]:
    """Copy the folder of weights and tokeniser."""
    shutil.copytree(scorer.folder, folder / "teacher", dirs_exist_ok=True)
    return {"kind": "transformer"}
