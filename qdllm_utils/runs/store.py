"""The store: one row a run, written atomically, keyed by what the run is, never by where or when it ran.

A row is a JSON file `<key>.json` with identity, result, provenance and a checksum; arrays (logits, vectors,
a trained student) lie beside it in `<key>.npz`, whose checksum the row carries. Both are written aside and
then moved into place, the row last, so a run that is interrupted leaves no row. A damaged or half-written
file is named and recomputed.
"""

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.runs import provenance

PUBLISHED = Path(__file__).parents[2] / "book" / "results"


@dataclass
class Row:
    """One result. identity: what was run; result: what came out; provenance: by whom, where, how long.

    arrays: {name: array}, empty unless asked for.
    """

    identity: dict[str, Any]
    result: dict[str, Any]
    provenance: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The row's name in the store."""
        return key_of(self.identity)


class Damaged(Exception):
    """A file of the store that cannot be trusted; the message names it and says why."""


def key_of(identity: dict[str, Any]) -> str:
    """The key of an identity: its kind and 20 hexadecimal digits of the SHA-256 of its canonical JSON."""
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return f"{identity['kind']}-{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


def default_folder() -> Path:
    """QDLLM_STORE, or the folder results/ in the working directory."""
    return Path(os.environ.get("QDLLM_STORE", "results"))


class Store:
    """A folder of rows, and behind it, read only, the published rows of the book.

    refresh: treat what was there before as absent. say: how it tells what it computes and why.
    loaded, computed: the keys of the rows that were found and that were made.
    """

    def __init__(self, folder: Path | None = None, refresh: bool = False, say: Callable[[str], None] = print) -> None:
        """Open (and, at the first write, create) the folder."""
        self.folder = folder or default_folder()
        self.refresh, self.say = refresh, say
        self.loaded: set[str] = set()
        self.computed: set[str] = set()

    def load(self, identity: dict[str, Any], arrays: bool = False) -> Row | None:
        """The row of an identity, or None; a damaged file is named and counts as absent."""
        key = key_of(identity)
        if self.refresh and key not in self.computed:
            return None
        for folder in (self.folder, PUBLISHED):
            path = folder / f"{key}.json"
            if path.exists():
                try:
                    row = read(path, identity, arrays)
                    if key not in self.computed:
                        self.loaded.add(key)
                    return row
                except Damaged as damage:
                    self.say(f"{damage}: recomputing it.")
        return None

    def save(self, row: Row) -> None:
        """Write the arrays, then the row, each in one step; raises InputError where there is no room."""
        record: dict[str, Any] = {"identity": row.identity, "result": row.result, "provenance": row.provenance}
        files = {}
        if row.arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **row.arrays)
            record["arrays"] = hashlib.sha256(buffer.getvalue()).hexdigest()
            files[self.folder / f"{row.key}.npz"] = buffer.getvalue()
        record["checksum"] = checksum(record)
        files[self.folder / f"{row.key}.json"] = json.dumps(record, indent=1).encode()
        write(files)
        self.computed.add(row.key)

    @property
    def why(self) -> str:
        """Why a row is computed."""
        return "refresh was asked for" if self.refresh else "not in the store"

    def get(
        self,
        identity: dict[str, Any],
        compute: Callable[[], tuple[dict[str, Any], dict[str, np.ndarray]]],
        label: str,
        arrays: bool = False,
    ) -> Row:
        """The stored row, or a new one from compute() -> (result, arrays); `label` names it to the reader."""
        row = self.load(identity, arrays)
        if row is not None:
            return row
        self.say(f"{label}: computing ({self.why}).")
        with provenance.recorded() as record:
            result, values = compute()
        row = Row(identity, result, record, values)
        self.save(row)
        return row


def checksum(record: dict[str, Any]) -> str:
    """The SHA-256 of a record without its own checksum."""
    content = {name: value for name, value in record.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read(path: Path, identity: dict[str, Any], arrays: bool) -> Row:
    """A row from its file, checked; raises Damaged."""
    try:
        record = json.loads(path.read_bytes())
        if record["checksum"] != checksum(record):
            raise Damaged(f"{path.name} does not match its checksum")
        if key_of(record["identity"]) != key_of(identity):
            raise Damaged(f"{path.name} is the row of another run")
        row = Row(record["identity"], record["result"], record["provenance"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path.name} is damaged ({type(error).__name__})") from None
    if arrays and "arrays" in record:
        file = path.with_suffix(".npz")
        raw = file.read_bytes() if file.exists() else b""
        if hashlib.sha256(raw).hexdigest() != record["arrays"]:
            raise Damaged(f"{file.name} is {'damaged' if raw else 'missing'}")
        with np.load(io.BytesIO(raw), allow_pickle=False) as values:
            row.arrays = dict(values)
    return row


def write(files: dict[Path, bytes]) -> None:
    """Write files so that all are there whole or none is: each beside its place first, then moved into it."""
    staged: dict[Path, str] = {}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, staged[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(staged[path], 0o644)
        for path in files:
            os.replace(staged[path], path)
    except OSError as error:
        path = next(reversed(files))
        raise InputError(
            f"{path.name} could not be written to {path.parent.name}/ ({error.strerror}): make room or set "
            "QDLLM_STORE to another folder; the store is as it was."
        ) from error
    finally:
        for temporary in staged.values():
            Path(temporary).unlink(missing_ok=True)
