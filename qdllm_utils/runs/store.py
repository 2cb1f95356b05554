"""The store: one row a run, written atomically, keyed by what the run is, never by where or when it ran.

A row is a JSON file `<key>.json` with identity, result, provenance and a checksum; arrays (logits, vectors,
a trained student) lie beside it in `<key>.<digest>.npz`, whose digest the row carries (older stores: `<key>.npz`).
Both are written aside and then moved into place, the row last: the arrays of the row that stands are never
overwritten, so that a run that is interrupted leaves the old row or the new one, whole. A damaged or half-written
file is named and recomputed.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.runs import provenance, schema
from qdllm_utils.runs.files import Claim, locked, sweep, try_folder, write
from qdllm_utils.runs.published import Published

PUBLISHED = Path(__file__).parents[2] / "book" / "results"
PARTS = ("identity", "result", "provenance", "arrays", "checksum")  # of a record; labels beside them are not checked


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
    """QDLLM_STORE (where ~ is the home), or the folder results/ in the working directory; InputError if it is empty."""
    place = os.environ.get("QDLLM_STORE", "results")
    if not place.strip():
        raise InputError("QDLLM_STORE is empty: give a folder for the rows, or unset it for results/ here.")
    try:
        return Path(place).expanduser()
    except RuntimeError:
        raise InputError(f"QDLLM_STORE is {place!r}, and there is no such home: give the folder in full.") from None


class Store:
    """A folder of rows, and behind it, read only, the published rows of the book.

    refresh: treat what was there before as absent. say: how it tells what it computes and why.
    loaded, computed: the keys of the rows that were found and that were made.
    """

    def __init__(self, folder: Path | None = None, refresh: bool = False, say: Callable[[str], None] = print) -> None:
        """Open (and, at the first write, create) the folder."""
        self.folder = folder or default_folder()
        self.refresh, self.say = refresh, say
        self.published = Published(PUBLISHED)
        self.loaded: set[str] = set()
        self.computed: set[str] = set()
        self.tried = False

    def check_writable(self) -> None:
        """Raise InputError, before anything is computed, where a row could not be written; once for each store."""
        if not self.tried:
            try_folder(self.folder)
            self.tried = True

    def claim(self, key: str) -> Claim:
        """What one process at a time can hold of a run."""
        return Claim(self.folder, key)

    def about(self, what: str) -> None:
        """Tell from now on what each sentence is about, where many runs of one student follow each other."""
        self.say = lambda sentence: print(f"{what}: {sentence}")

    def load(self, identity: dict[str, Any], arrays: bool = False) -> Row | None:
        """The row of an identity, or None; a damaged file is named and counts as absent."""
        key = key_of(identity)
        if self.refresh and key not in self.computed:
            return None
        for find in (self.own, self.from_the_book):
            try:
                row = find(key, arrays)
            except Damaged as damage:
                self.say(f"{damage}: recomputing it.")
                continue
            if row is not None:
                if key not in self.computed:
                    self.loaded.add(key)
                return row
        return None

    def own(self, key: str, arrays: bool = False) -> Row | None:
        """The row of a key in the folder; None where there is none. Raises Damaged."""
        path = self.folder / f"{key}.json"
        for attempt in (1, 2):
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                return None
            except OSError as error:
                raise Damaged(f"{path.name} cannot be read ({error.strerror})") from None
            record = checked(raw, key, path.name)
            try:
                name = arrays_name(self.folder, key, record)
                try:
                    raw_arrays = arrays_of(self.folder, key, record) if arrays else None
                except OSError as error:
                    raise Damaged(f"{name} cannot be read ({error.strerror})") from None
                return row_of(record, raw_arrays, name, arrays)
            except Damaged:
                # another process may have put a new row into its place between the two reads
                if attempt == 2 or path.read_bytes() == raw:
                    raise
        return None

    def from_the_book(self, key: str, arrays: bool = False) -> Row | None:
        """The published row of a key; None where there is none. Raises Damaged."""
        if key not in self.published.lines:
            return None
        home, line = self.published.lines[key]
        record = checked(line, key, f"{home}.jsonl ({key})")
        raw = self.published.arrays(key) if arrays else None
        return row_of(record, raw, f"{key}.npz, in the archives of {home},", arrays)

    def find(self, key: str, arrays: bool = False) -> Row | None:
        """The row of a key, where its identity is not known; None where there is none. Raises Damaged."""
        return self.own(key, arrays) or self.from_the_book(key, arrays)

    def save(self, row: Row) -> None:
        """Write the arrays, then the row, each in one step.

        Raises InputError where there is no room, and for a row with a number that is not finite.
        """
        schema.check_finite(row.identity, row.result, row.arrays)
        record: dict[str, Any] = {"identity": row.identity, "result": row.result, "provenance": row.provenance}
        raw = None
        if row.arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **row.arrays)
            raw = buffer.getvalue()
            record["arrays"] = hashlib.sha256(raw).hexdigest()
        record["checksum"] = checksum(record)
        with locked(self.folder):
            sweep(self.folder)
            files, before = files_of(self.folder, row.key, record, raw), self.arrays_file(row.key)
            write(files)
            if before and before not in files:
                before.unlink(missing_ok=True)
        self.computed.add(row.key)

    def arrays_file(self, key: str) -> Path | None:
        """Where the arrays of the row that stands in the folder are; None where it has none or is damaged."""
        try:
            return self.folder / arrays_name(self.folder, key, json.loads((self.folder / f"{key}.json").read_bytes()))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

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
        self.check_writable()
        told = f"{label}: another process is computing it: waiting."
        with self.claim(key_of(identity)).held(told, self.say):
            if (row := self.load(identity, arrays)) is not None:
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


def checked(raw: bytes, key: str, name: str) -> dict[str, Any]:
    """The record of a key from a file's or a line's bytes, without labels; raises Damaged, which calls it `name`."""
    try:
        record = json.loads(raw)
        record = {part: record[part] for part in PARTS if part in record}
        if record["checksum"] != checksum(record):
            raise Damaged(f"{name} does not match its checksum")
        if key_of(record["identity"]) != key:
            raise Damaged(f"{name} is the row of another run")
        if not isinstance(record["provenance"], dict):
            raise Damaged(f"{name} is damaged (no provenance)")
        if wrong := schema.wrong_with(record["identity"], record["result"]):
            raise Damaged(f"{name} is no whole row ({wrong})")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"{name} is damaged ({type(error).__name__})") from None
    return record


def row_of(record: dict[str, Any], raw: bytes | None, name: str, arrays: bool) -> Row:
    """A row from its checked record and, if asked for, the bytes of its arrays, called `name`; raises Damaged."""
    row = Row(record["identity"], record["result"], record["provenance"])
    if arrays and "arrays" in record:
        if raw is None or hashlib.sha256(raw).hexdigest() != record["arrays"]:
            raise Damaged(f"{name} is {'damaged' if raw else 'missing'}")
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as values:
                row.arrays = dict(values)
        except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
            raise Damaged(f"{name} holds what is no plain array ({type(error).__name__})") from None
    if arrays and (absent := schema.missing_array(row.identity, row.arrays)):
        raise Damaged(f"{name} has no array {absent!r}")
    return row


def arrays_name(folder: Path, key: str, record: dict[str, Any]) -> str:
    """The name of the file with a record's arrays: with their digest, or the one of older stores if that is there."""
    named = f"{key}.{record.get('arrays', '')[:16]}.npz"
    older = f"{key}.npz"
    return older if not (folder / named).exists() and (folder / older).exists() else named


def arrays_of(folder: Path, key: str, record: dict[str, Any]) -> bytes | None:
    """The bytes of a record's arrays in a working store, unchecked; None where it has none."""
    path = folder / arrays_name(folder, key, record)
    return path.read_bytes() if "arrays" in record and path.is_file() else None


def files_of(folder: Path, key: str, record: dict[str, Any], raw: bytes | None) -> dict[Path, bytes]:
    """The files of a row in a working store: its arrays first, then the row that names them."""
    files = {folder / f"{key}.{record['arrays'][:16]}.npz": raw} if raw is not None else {}
    return files | {folder / f"{key}.json": json.dumps(record, indent=1).encode()}
