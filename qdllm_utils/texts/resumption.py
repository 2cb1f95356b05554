"""What lets a long run on texts be killed and go on: chunks, whole files, a clock, one process at a time, progress."""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from tqdm import tqdm

from qdcircuits.errors import InputError
from qdllm_utils.machine import peak_memory

CHUNK = 4  # batches of a stored chunk
MEASURED = 20.0  # seconds of work before the time left is said
Batch = dict[str, torch.Tensor]


def say(line: str) -> None:
    """A line on standard output at once, above the progress bar."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file aside, on the disk for certain, and then rename it: it is there whole or not at all."""
    aside = path.with_name(path.name + ".part")
    with open(aside, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not at all."""
    whole(path, lambda file: file.write((json.dumps(content, indent=1) + "\n").encode()))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder and hold it while this process works in it; an InputError where another one does.

    The lock is the operating system's: it goes with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"Another process works in the folder {folder.name!r}: wait for it or stop it.") from None
        yield


def claim(folder: Path, identity: dict[str, Any]) -> None:
    """Write what a folder belongs to into run.json; an InputError where it belongs to something else."""
    path = folder / "run.json"
    if not path.is_file():
        write_json(path, identity)
    elif json.loads(path.read_text()) != identity:
        raise InputError(
            f"The folder {folder.name!r} holds another run (texts, split, model or its number format differ): "
            "name another folder."
        )


class Clock:
    """Seconds, greatest memory in bytes and number of starts of a run over all its processes."""

    def __init__(self, folder: Path) -> None:
        """Go on from clock.json in the folder."""
        self.path, self.since = folder / "clock.json", time.monotonic()
        self.times = {"seconds": 0.0, "peak_bytes": 0, "starts": 0}
        if self.path.is_file():
            self.times = json.loads(self.path.read_text())
        self.times["starts"] += 1
        self.tick()

    def tick(self) -> None:
        """Add what has passed and write the file."""
        now = time.monotonic()
        self.times["seconds"] += now - self.since
        self.times["peak_bytes"] = max(self.times["peak_bytes"], peak_memory())
        self.since = now
        write_json(self.path, self.times)


class Progress:
    """A bar over all the work of a run, in tokens of a forward pass, and one line with the time once it is known."""

    def __init__(self, total: int) -> None:
        """total: tokens of all passes; a training step counts its tokens several times."""
        self.bar = tqdm(total=total, unit="token", unit_scale=True, mininterval=10, smoothing=0.02)
        self.started, self.worked, self.told = time.monotonic(), 0, False

    def skip(self, tokens: int) -> None:
        """Work that an earlier process did."""
        self.bar.total -= tokens  # so that the bar's time left is of what is left
        self.bar.refresh()

    def add(self, tokens: int) -> None:
        """Work that was done just now."""
        self.bar.update(tokens)
        self.worked += tokens
        seconds = time.monotonic() - self.started
        if not self.told and seconds >= MEASURED:
            self.told = True
            rate = self.worked / seconds
            say(
                f"Measured: {rate:,.0f} tokens a second; {duration((self.bar.total - self.worked) / rate)} left; "
                f"{peak_memory() / 1e9:.1f} GB of memory so far."
            )


def duration(seconds: float) -> str:
    """A time in words: 40 s, 12 min, 3.4 h."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else (f"{seconds / 3600:.1f} h")
    )


class Reader:
    """Texts as tokens: encoded once, lengths (N,), and batches padded to the longest text in them."""

    def __init__(self, tokenizer: Any, texts: list[str], max_tokens: int) -> None:
        """Cut every text at max_tokens; an InputError where one has none."""
        self.tokenizer = tokenizer
        encoded = tokenizer(texts, truncation=True, max_length=max_tokens)
        self.encoded = [{name: values[row] for name, values in encoded.items()} for row in range(len(texts))]
        self.lengths = np.array([len(one["input_ids"]) for one in self.encoded])
        if not self.lengths.min():
            raise InputError(f"The text {texts[int(self.lengths.argmin())]!r} has no tokens: remove it.")

    def batch(self, rows: np.ndarray) -> Batch:
        """The model's inputs for some texts, each (B, T)."""
        return dict(self.tokenizer.pad([self.encoded[row] for row in rows], return_tensors="pt"))

    def tokens(self, rows: np.ndarray) -> int:
        """Tokens of some texts, without padding."""
        return int(self.lengths[rows].sum())


def device() -> str:
    """The GPU where there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_device(batch: Batch) -> Batch:
    """The batch where the model is."""
    return {name: values.to(device()) for name, values in batch.items()}


@torch.inference_mode()
def in_chunks(
    reader: Reader,
    rows: np.ndarray,
    compute: Callable[[Batch], torch.Tensor],
    batch_size: int,
    folder: Path,
    name: str,
    bar: Progress,
) -> np.ndarray:
    """compute's results (B, ...) for some texts, (len(rows), ...), in the order of `rows`.

    Batches by length; CHUNK of them at a time are stored as <name>-<n>.npy in the folder and not computed again.
    """
    order = np.argsort(reader.lengths[rows], kind="stable")
    parts = []
    for number, start in enumerate(range(0, len(rows), CHUNK * batch_size)):
        chosen = rows[order[start : start + CHUNK * batch_size]]
        path = folder / f"{name}-{number}.npy"
        if path.is_file():
            bar.skip(reader.tokens(chosen))
        else:
            found = []
            for first in range(0, len(chosen), batch_size):
                batch = chosen[first : first + batch_size]
                found.append(compute(reader.batch(batch)).float().cpu().numpy())
                bar.add(reader.tokens(batch))
            chunk = np.concatenate(found)
            if not np.isfinite(chunk).all():
                raise InputError(
                    f"The model gives numbers that are not finite for {int((~np.isfinite(chunk)).any(axis=1).sum())} "
                    "of the texts: its weights or the learning rate are no good."
                )
            whole(path, lambda file, chunk=chunk: np.save(file, chunk))  # type: ignore[misc]
        parts.append(np.load(path, allow_pickle=False))
    result = np.empty_like(np.concatenate(parts))
    result[order] = np.concatenate(parts)
    return result


def data_hash(texts: list[str], *arrays: np.ndarray) -> str:
    """The SHA-256 of texts and arrays."""
    found = hashlib.sha256(json.dumps(texts).encode())
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
