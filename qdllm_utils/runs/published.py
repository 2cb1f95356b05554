"""The book's rows: a JSON line a row in a few files, and their arrays in a few archives beside them.

`<page>-<task>.jsonl` holds the rows that were first published with a page, sorted; a line is the key, the labels of
`identity.describe` in plain words, and the record as the working store writes it (identity, result, provenance, digest
of the arrays, checksum). `<page>-<task>.zip` holds the arrays, one member `<key>.npz` a row, stored as they are
(`unzip`, then `numpy.load`). A file that would pass ARCHIVE bytes becomes several, `<page>-<task>.1.jsonl` and so on.
Labels are no part of a key or of a checksum.
"""

import hashlib
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.runs.identity import LABELS, describe

ARCHIVE = 3_000_000  # bytes, at most, of one file
OPENING = b'{"key": "'
ORDER = ("kind", "task", "teacher", "embedder", "preset", "changes", "student", "stored_as", "seed")


@dataclass(frozen=True)
class NewRow:
    """A row on its way into the book: the page that brings it, its record, and the bytes of its .npz (or None)."""

    page: str
    record: dict[str, Any]
    arrays: bytes | None = None


class Published:
    """The published rows of a folder, read once, at the first question."""

    def __init__(self, folder: Path) -> None:
        """Look into `folder` (which may be absent) as soon as something is asked."""
        self.folder = folder

    @cached_property
    def lines(self) -> dict[str, tuple[str, bytes]]:
        """{key: (name of its file without .jsonl, line)}; a line that is no row counts as absent."""
        return {
            line[len(OPENING) : line.index(b'"', len(OPENING))].decode(): (path.stem, line)
            for path in sorted(self.folder.glob("*.jsonl"))
            for line in path.read_bytes().splitlines()
            if line.startswith(OPENING) and b'"' in line[len(OPENING) :]
        }

    @cached_property
    def archives(self) -> dict[str, Path]:
        """{key: the archive with its arrays}."""
        found: dict[str, Path] = {}
        for path in sorted(self.folder.glob("*.zip")):
            try:
                with zipfile.ZipFile(path) as archive:
                    found |= {name.removesuffix(".npz"): path for name in archive.namelist()}
            except zipfile.BadZipFile:
                continue
        return found

    def record(self, key: str) -> dict[str, Any] | None:
        """The record of a row without its labels, unchecked; None where there is none. Raises ValueError if damaged."""
        if key not in self.lines:
            return None
        line = json.loads(self.lines[key][1])
        return {name: value for name, value in line.items() if name not in ("key", *LABELS)}

    def arrays(self, key: str) -> bytes | None:
        """The bytes of a row's .npz, or None where they are not published or damaged."""
        if key not in self.archives:
            return None
        try:
            with zipfile.ZipFile(self.archives[key]) as archive:
                return archive.read(f"{key}.npz")
        except (zipfile.BadZipFile, KeyError, OSError):
            return None


def page_of(file: str) -> str:
    """The page of a file of rows: of `controls-emotion.2` it is `controls`."""
    return file.split(".")[0].split("-")[0]


def line_of(key: str, record: dict[str, Any]) -> bytes:
    """The line of a row, without its end."""
    return json.dumps({"key": key, **describe(record["identity"]), **record}).encode()


def labelled(key: str, line: bytes) -> bytes:
    """A published line with its labels in today's words; a damaged one as it is."""
    try:
        record = {name: value for name, value in json.loads(line).items() if name not in ("key", *LABELS)}
        return line_of(key, record)
    except (ValueError, KeyError, TypeError, AttributeError):
        return line


def place(line: bytes) -> tuple[Any, ...]:
    """Where a line stands in its file: by its labels, then by its key."""
    row = json.loads(line)
    labels = [row.get(name) for name in ORDER]
    return (*((value is not None, value if isinstance(value, int) else str(value)) for value in labels), row["key"])


def publish(folder: Path, rows: Iterable[NewRow], remove: Iterable[str] = ()) -> list[Path]:
    """Put rows into the folder, each into the file it stands in already or into its page's; take out those of `remove`.

    Rows that are not named stay as they are. Returns the files that changed. Raises InputError for arrays that fit
    into no archive.
    """
    from qdllm_utils.runs.store import key_of, write

    there = Published(folder)
    homes = {key: file.split(".")[0] for key, (file, _) in there.lines.items()}
    lines = {key: labelled(key, line) for key, (_, line) in there.lines.items()}
    arrays = {key: there.arrays(key) for key in there.archives}
    for key in remove:
        homes.pop(key, None)
        lines.pop(key, None)
    for row in rows:
        key = key_of(row.record["identity"])
        task = describe(row.record["identity"])["task"]
        homes.setdefault(key, f"{row.page}-{task}" if task else row.page)
        lines[key] = line_of(key, row.record)
        arrays[key] = row.arrays or kept(arrays.get(key), row.record)
    members: dict[str, list[str]] = defaultdict(list)
    for key in sorted(homes, key=lambda key: place(lines[key])):
        members[homes[key]].append(key)
    wanted: dict[Path, bytes] = {}
    for home, keys in members.items():
        packed = pack([(key, raw) for key in keys if (raw := arrays.get(key))])
        for ending, parts in (("jsonl", in_parts([lines[key] + b"\n" for key in keys])), ("zip", packed)):
            for number, part in enumerate(parts, start=1):
                wanted[folder / f"{home}{f'.{number}' if len(parts) > 1 else ''}.{ending}"] = part
    old = {path for pattern in ("*.jsonl", "*.zip") for path in folder.glob(pattern)}
    changed = {path: raw for path, raw in wanted.items() if path not in old or path.read_bytes() != raw}
    write(changed)
    for path in old - set(wanted):
        path.unlink()
    return sorted([*changed, *(old - set(wanted))])


def kept(raw: bytes | None, record: dict[str, Any]) -> bytes | None:
    """Arrays that another page published with the same row: a page that brings none takes none away."""
    return raw if raw is not None and hashlib.sha256(raw).hexdigest() == record.get("arrays") else None


def in_parts(lines: list[bytes]) -> list[bytes]:
    """The lines in order, as files of at most ARCHIVE bytes each (one line more than that is a file of its own)."""
    parts: list[bytes] = []
    for line in lines:
        if parts and len(parts[-1]) + len(line) <= ARCHIVE:
            parts[-1] += line
        else:
            parts.append(line)
    return parts


def pack(members: list[tuple[str, bytes]]) -> list[bytes]:
    """Archives of (key, bytes of its .npz), in order, each below ARCHIVE; the same members give the same bytes."""
    packed: list[bytes] = []
    part: list[tuple[str, bytes]] = []
    for key, raw in [*members, ("", b"")]:
        if part and (not key or sum(len(other) + 300 for _, other in part) + len(raw) + 400 > ARCHIVE):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
                for name, content in part:
                    archive.writestr(zipfile.ZipInfo(f"{name}.npz", (1980, 1, 1, 0, 0, 0)), content)
            packed.append(buffer.getvalue())
            part = []
        if key and len(raw) + 400 > ARCHIVE:
            raise InputError(
                f"The arrays of {key} have {len(raw):,} bytes, and a file of the book has at most {ARCHIVE:,}: publish "
                "the row without them."
            )
        part.append((key, raw))
    return packed


def export_rows(folder: Path, target: Path) -> int:
    """Write every published row of `folder` as the working store does, one file a row, into `target`; how many."""
    from qdllm_utils.runs.store import files_of, write

    published = Published(folder)
    for key in published.lines:
        record = published.record(key)
        assert record is not None
        write(files_of(target, key, record, published.arrays(key)))
    return len(published.lines)


def import_rows(source: Path, folder: Path, pages: dict[str, str] | str) -> int:
    """Publish every row of a working store into `folder`; pages: the page of each key, or of all. Returns how many."""
    from qdllm_utils.runs.store import arrays_of

    rows = []
    for path in sorted(source.glob("*.json")):
        record = json.loads(path.read_bytes())
        page = pages if isinstance(pages, str) else pages[path.stem]
        raw = arrays_of(source, path.stem, record)
        whole = raw is not None and hashlib.sha256(raw).hexdigest() == record.get("arrays")
        rows.append(NewRow(page, record, raw if whole else None))
    publish(folder, rows)
    return len(rows)
