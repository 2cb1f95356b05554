"""What lies in a model's folder, looked at before anything is loaded: whole safetensors, and nothing that runs code."""

import json
from pathlib import Path

from qdcircuits.errors import InputError

POINTER = b"version https://git-lfs"
WEIGHTS = "*.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def check_folder(folder: Path) -> None:
    """An InputError for an adapter, pickles, missing shards, Git LFS pointers and weights that are cut short."""
    if (folder / "adapter_config.json").is_file():
        base = json.loads((folder / "adapter_config.json").read_text()).get("base_model_name_or_path")
        raise InputError(
            f"The folder {folder.name!r} is a PEFT adapter of {base}, not a whole model: load it on its base, "
            "merge_and_unload it, and save that model with its tokeniser in a folder of its own."
        )
    if not (folder / "config.json").is_file():
        raise InputError(f"The folder {folder.name!r} holds no config.json: pass a folder with a whole model.")
    for path in sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors", ".model", ".txt")):
        with open(path, "rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise InputError(
                    f"{path.name} in {folder.name!r} is a Git LFS pointer and not the file itself: run `git lfs pull` "
                    "there, or download it from the hub."
                )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"config.json in {folder.name!r} is not JSON: fetch or save the model again.") from None
    weights = sorted(folder.glob(WEIGHTS))
    if not weights:
        pickled = sorted(file.name for kind in PICKLES for file in folder.glob(kind))
        raise InputError(
            f"The folder {folder.name!r} has "
            + (
                f"its weights as a pickle ({pickled[0]}), which can run code when it is read"
                if pickled
                else "no weights"
            )
            + ": save it with save_pretrained, which writes safetensors."
        )
    for path in weights:
        check_whole(path)
    index = folder / "model.safetensors.index.json"
    if index.is_file() and not (folder / "model.safetensors").is_file():
        needed = set(json.loads(index.read_text())["weight_map"].values())
        absent = sorted(name for name in needed if not (folder / name).is_file())
        if absent:
            raise InputError(f"{absent[0]} is missing in {folder.name!r}: fetch the model again.")


def check_whole(path: Path) -> None:
    """An InputError for a safetensors file that is shorter or longer than its header says, or has no header."""
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < size else {}
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        whole = bool(ends) and size == 8 + length + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f"{path.name} in {path.parent.name!r} is damaged or cut short: fetch the model again.")
