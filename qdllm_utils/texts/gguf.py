"""GGUF files (quantised weights of llama.cpp) -> a plain folder of float weights that transformers loads in seconds.

The weights stay what they are, 4-bit numbers for example, written out as bfloat16: this is not the model they were
quantised from, and a row or page that uses them says so.
"""

import hashlib
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from qdcircuits.errors import InputError

MAGIC = b"GGUF"
ORIGIN = "gguf.json"  # which file a folder was unpacked from


def unpack(gguf_path: str | Path, folder: str | Path) -> Path:
    """De-quantise a GGUF file into `folder`: config, tokeniser and bfloat16 safetensors, as save_pretrained writes.

    About 100 s and two bytes of disk a parameter for 1.5 billion of them. The folder is written aside and renamed at
    the end, so one that exists is whole; unpacked from the same file it is returned as it is. Raises InputError for
    a file that is no GGUF, is cut short, or of an architecture that transformers cannot read, where the package gguf
    is missing, where the disk is too small, and where the folder holds something else.
    """
    path, target = Path(gguf_path).expanduser(), Path(folder).expanduser()
    origin = {"file": path.name, "sha256": check(path)}
    if target.exists():
        if (target / ORIGIN).is_file() and json.loads((target / ORIGIN).read_text()) == origin:
            return target
        raise InputError(f"The folder {target.name!r} holds something else than {path.name}: name another folder.")
    parameters = count(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < 2.1 * parameters:
        raise InputError(
            f"{path.name} unpacks to {2 * parameters / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB free: "
            "make room, or name a folder on another disk."
        )
    print(f"{path.name}: unpacking {parameters / 1e9:.2f} billion parameters ({2 * parameters / 1e9:.1f} GB), once.")
    tokenizer, model = read(path)
    aside = target.with_name(target.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    plain(model).save_pretrained(aside)
    tokenizer.save_pretrained(aside)
    (aside / ORIGIN).write_text(json.dumps(origin) + "\n")
    for file in aside.iterdir():
        file.chmod(0o644)
    aside.rename(target)
    return target


def check(path: Path) -> str:
    """The SHA-256 of a GGUF file, after a look at its first bytes and at what is needed to read it."""
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}: pass the path of a GGUF file.")
    with open(path, "rb") as file:
        start = file.read(len(MAGIC))
        if start != MAGIC:
            raise InputError(f"{path.name} is not a GGUF file (it begins with {start!r}): fetch it again.")
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if find_spec("gguf") is None:
        raise InputError("GGUF files are read with the package gguf: install it with `pip install gguf`.")
    return found


def count(path: Path) -> int:
    """How many parameters a GGUF file holds; an InputError where the file ends before they do."""
    from gguf import GGUFReader

    try:
        return sum(int(tensor.n_elements) for tensor in GGUFReader(path).tensors)
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise InputError(f"{path.name} is damaged or cut short: fetch it again and compare its SHA-256.") from error


def read(path: Path) -> tuple[Any, Any]:
    """The tokeniser and the causal language model (bfloat16) of a GGUF file."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": path.name, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **where)
        model = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.bfloat16, **where)
    except (ValueError, KeyError, OSError, NotImplementedError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".:")[:200]
        raise InputError(
            f"{path.name} cannot be read ({reason}): pass a GGUF of an architecture that transformers knows."
        ) from error
    return tokenizer, model


def plain(model: Any) -> Any:
    """The same weights in a model that is not marked as quantised, which save_pretrained would refuse."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    with torch.device("meta"):  # no memory and no time for weights that are replaced at once
        fresh = type(model)(config)
    fresh.load_state_dict(model.state_dict(), assign=True)
    fresh.tie_weights()
    return fresh
