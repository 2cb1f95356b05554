"""A saved folder back as a scikit-learn classifier; every file is checked by its hash, and pickles are never read."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model import tfidf
from qdllm_utils.model.classifier import DistilledClassifier
from qdllm_utils.model.embedders import Embedder, embedder
from qdllm_utils.model.encoder import Encoder
from qdllm_utils.model.heads import Head
from qdllm_utils.model.int8 import Int8
from qdllm_utils.model.saving import FORMAT, VERSION, VOCABULARY, WEIGHTS, file_hash
from qdllm_utils.model.static import Static
from qdllm_utils.model.text_model import OnEmbedding, Scorer, TextModel
from qdllm_utils.model.tokens import STATIC, weights_hash
from qdllm_utils.model.transformer import Transformer


def load(folder: str | Path, embedder: str | None = None) -> DistilledClassifier:
    """The classifier of a folder that `save` wrote, fitted.

    embedder: where the embedder's folder is now, if the model was trained with one of the user's own folders. Raises
    InputError where the folder is damaged, foreign, or of another version.
    """
    place = Path(folder).expanduser()
    config = read_config(place)
    check_files(place, config["files"])
    scorer = scorer_of(place, config, embedder)
    model = TextModel(scorer, config["classes"], float(config["temperature"]))
    parameters: dict[str, Any] = {"max_tokens": config["max_tokens"]}
    if "embedder" in config:
        parameters["embedder"] = config["embedder"]["name"]
    return DistilledClassifier.of(model, parameters)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json`, checked for what it must hold."""
    name = folder.name
    if not folder.is_dir():
        raise InputError(f"There is no folder {str(folder)!r}: give a folder that distil(...).save wrote.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"The folder {name!r} has no config.json: give a folder that distil(...).save wrote."
        ) from None
    except ValueError:
        raise InputError(f"config.json in {name!r} is damaged: save the model again.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise InputError(
            f"The folder {name!r} was not written by distil(...).save: its config.json is of something else."
        )
    if config.get("version") != VERSION:
        raise InputError(
            f"The model in {name!r} is of version {config.get('version')}, and this package reads version {VERSION}: "
            "save it again, or use the package that wrote it."
        )
    missing = {"kind", "classes", "temperature", "max_tokens", "files"} - set(config)
    if missing:
        raise InputError(f"config.json in {name!r} lacks {', '.join(sorted(missing))}: save the model again.")
    return config


def check_files(folder: Path, files: dict[str, str]) -> None:
    """Every file that the model needs is there, inside the folder, and as it was written."""
    for name, wanted in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"config.json in {folder.name!r} names a file outside the folder ({name!r}): do not use it."
            )
        if not path.is_file():
            raise InputError(f"The model in {folder.name!r} is not whole: {name} is missing; copy or save it again.")
        if file_hash(path) != wanted:
            raise InputError(
                f"{name} in {folder.name!r} is not the file that was saved (its SHA-256 differs): copy or "
                "save it again."
            )


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of `weights.safetensors`."""
    from safetensors.numpy import load_file

    return load_file(folder / WEIGHTS)


def scorer_of(folder: Path, config: dict[str, Any], place: str | None) -> Scorer:
    """What gives logits, by the model's kind; place: where the embedder's folder is now."""
    if place and config["kind"] in ("tfidf", "transformer"):
        raise InputError(f"The model in {folder.name!r} reads the text itself, with no embedder: leave embedder out.")
    if config["kind"] == "tfidf":
        vocabularies = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        return tfidf.restored(vocabularies, read_arrays(folder), len(config["classes"]), config["C"])
    if config["kind"] == "transformer":
        return Transformer(folder / "teacher", config["max_tokens"])
    if config["kind"] == "head":
        return OnEmbedding(found_embedder(folder, config, place), Head(arrays=read_arrays(folder), **config["head"]))
    raise InputError(
        f"The model in {folder.name!r} is of the kind {config['kind']!r}, which this package does not know."
    )


def found_embedder(folder: Path, config: dict[str, Any], place: str | None) -> Embedder:
    """The embedder that the model was trained on; raises InputError where its weights are other ones."""
    kept = config["embedder"]
    if place and (kept["name"] == STATIC or kept["kind"] == "int8"):
        raise InputError(f"The model in {folder.name!r} has its embedder in its own folder: leave embedder out.")
    if kept["name"] == STATIC:
        return Static(config["max_tokens"], folder / "embedder")
    if kept["kind"] == "int8":
        return Int8(kept["name"], kept["pooling"], config["max_tokens"], folder / "embedder")
    name = place or kept["name"]
    if place is None and kept["model"].startswith("folder "):
        raise InputError(
            f"The model in {folder.name!r} reads an embedder of your own, {kept['model']}: say where that folder is, "
            "in Python with load(folder, embedder='path'), in a command with --embedder path, in Figure 5 with -p "
            "embedder path."
        )
    found = embedder(name, config["max_tokens"], kept["pooling"])
    if isinstance(found, Encoder) and weights_hash(found.folder) != kept["sha256"]:
        raise InputError(
            f"The embedder {Path(name).name!r} here is not the one that the model in {folder.name!r} was "
            "trained on (its "
            "SHA-256 differs): use the same weights."
        )
    return found
