"""Full, read-only and missing disks; files of the store that are folders, too deep, or of another shape; no network."""

import errno
import hashlib
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qdllm_utils.runs import files, schema
from qdllm_utils.runs import store as module
from qdllm_utils.runs.missing import train_missing
from qdllm_utils.runs.store import Row, Store, default_folder
from qdllm_utils.texts import sources

SCORES = {"acc": 0.5, "p": 0.5, "r": 0.5, "f1": 0.5, "parameters": 9, "validation": 0.5, "size": "small"}
IDENTITY = {"kind": "student", "student": "pkd", "seed": 0}
TEACHER = {"kind": "teacher", "model": "m"}
TAUGHT = SCORES | {"name": "m", "classes": ["a"], "cleaning": "c", "rows": {}, "validation": {"acc": 1.0}}
LOGITS = {"logits": np.eye(2)}


@pytest.fixture(autouse=True)
def nothing_published(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "PUBLISHED", tmp_path / "published")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def quota():
    """No file of this process may grow beyond half a megabyte: the system refuses the write, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def never(*given):
    raise AssertionError("computed in spite of the disk")


# --- before anything is trained ---------------------------------------------------------------------------


def test_a_full_disk_is_found_before_anything_is_computed(folder, quota, refused):
    with refused("could not be written", "QDLLM_STORE", "store/"):
        Store(folder).get({"kind": "any"}, never, "a teacher")
    with refused("could not be written"):
        train_missing(Store(folder), [never])
    assert [path.name for path in folder.iterdir() if path.name != ".lock"] == []


def test_a_full_disk_while_a_row_is_written_is_a_sentence(folder, quota, refused):
    noise = np.random.default_rng(0).normal(size=200_000)
    with refused("could not be written"):
        Store(folder).save(Row({"kind": "any"}, {}, {}, {"noise": noise}))
    assert not list(folder.glob("any-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_small_disk_that_is_really_full(folder, refused):
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        with refused("No space left", "QDLLM_STORE"):
            Store(folder).get({"kind": "any"}, never, "a teacher")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_store_that_cannot_be_written_is_found_before_anything_is_computed(tmp_path, refused):
    (tmp_path / "file").write_text("in the way")
    with refused("could not be written", "QDLLM_STORE"):
        Store(tmp_path / "file" / "store").get({"kind": "any"}, never, "a teacher")


def test_a_lock_that_cannot_be_taken_is_a_sentence(folder, refused, monkeypatch):
    """A disk mounted read-only."""

    def refuse(self):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.FileLock, "acquire", refuse)
    with refused("Read-only file system"):
        Store(folder).save(Row({"kind": "any"}, {}, {}))


def test_a_row_that_is_there_is_read_from_a_disk_that_is_full(folder, request):
    Store(folder).save(Row({"kind": "any"}, {"a": 1}, {}))
    request.getfixturevalue("quota")
    assert Store(folder).get({"kind": "any"}, never, "a row").result == {"a": 1}


def test_the_home_is_expanded_and_an_empty_place_refused(monkeypatch, tmp_path, refused):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("QDLLM_STORE", "~/rows")
    assert default_folder() == tmp_path / "rows" == Store().folder
    for empty in ("", "  "):
        monkeypatch.setenv("QDLLM_STORE", empty)
        with refused("QDLLM_STORE is empty"):
            Store()
    monkeypatch.setenv("QDLLM_STORE", "~nobody-of-this-name/rows")
    with refused("no such home"):
        Store()


def test_what_a_killed_writer_left_is_swept_and_nothing_else(folder):
    kept = Store(folder)
    kept.save(Row({"kind": "any"}, {}, {}, LOGITS))
    before = {path.name for path in folder.iterdir()}
    for name in (".any-0.json.abc123", ".any-0.12ab.npz.xyz"):
        (folder / name).write_bytes(b"half")
    kept.check_writable()
    assert {path.name for path in folder.iterdir()} == before


def test_compiled_code_that_finds_no_room_is_compiled_without_being_kept(tmp_path):
    """A cache on a disk that takes no byte: the circuit still runs."""
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from qdcircuits.kernel.compiling import compiled\n"
        "from tests.faults.sums import total\n"
        "import numpy\n"
        "assert compiled(total)(numpy.arange(4.0)) == 6, 'wrong'\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# --- what is read -----------------------------------------------------------------------------------------


def resealed(folder: Path, identity, result, arrays: dict[str, np.ndarray] | None) -> None:
    """A row whose checksums fit, whatever it holds."""
    record = {"identity": identity, "result": result, "provenance": {}}
    key = module.key_of(identity)
    folder.mkdir(exist_ok=True)
    if arrays is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        record["arrays"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        (folder / f"{key}.{record['arrays'][:16]}.npz").write_bytes(buffer.getvalue())
    record["checksum"] = module.checksum(record)
    (folder / f"{key}.json").write_text(json.dumps(record))


def load(folder: Path, identity) -> tuple[Row | None, list[str]]:
    said: list[str] = []
    return Store(folder, say=said.append).load(identity, arrays=True), said


@pytest.mark.parametrize(
    ("identity", "result", "arrays", "why"),
    [
        (TEACHER, TAUGHT, None, "'logits'"),
        (TEACHER, TAUGHT, {"other": np.eye(2)}, "'logits'"),
        (TEACHER, TAUGHT, {"logits": np.array([{"a": 1}], dtype=object)}, "no plain array"),
        ({"kind": "embedding", "pooling": "mean"}, {"dimension": 2}, {"last": np.eye(2)}, "'mean'"),
        (IDENTITY, {name: value for name, value in SCORES.items() if name != "f1"}, None, "'f1'"),
        (IDENTITY, SCORES | {"acc": "0.5"}, None, "'acc'"),
        (IDENTITY, SCORES | {"acc": True}, None, "'acc'"),
        (IDENTITY, SCORES | {"acc": 7.0}, None, "between 0 and 1"),
        (IDENTITY, SCORES | {"acc": float("nan")}, None, "between 0 and 1"),
        (IDENTITY, SCORES | {"history": 3}, None, "'history'"),
        (IDENTITY, [1, 2], None, "no table"),
        (IDENTITY, None, None, "no table"),
    ],
)
def test_a_resealed_row_of_another_shape_is_named_and_counts_as_absent(folder, identity, result, arrays, why):
    resealed(folder, identity, result, arrays)
    row, said = load(folder, identity)
    assert row is None and len(said) == 1 and why in said[0] and module.key_of(identity) in said[0]


def test_a_whole_row_passes(folder):
    resealed(folder, TEACHER, TAUGHT, LOGITS)
    resealed(folder, IDENTITY, SCORES | {"history": [0.5], "best_epoch": 1, "epoch_seconds": 2.5}, None)
    for identity in (TEACHER, IDENTITY):
        row, said = load(folder, identity)
        assert row is not None and not said


def test_every_published_row_has_the_shape_that_is_asked_for():
    results = Path(schema.__file__).parents[2] / "book" / "results"
    records = [json.loads(line) for path in results.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert len(records) > 100
    assert {schema.wrong_with(record["identity"], record["result"]) for record in records} == {None}
    for record in records:
        schema.check_finite(record["identity"], record["result"], {})


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_row_or_an_array_that_is_a_folder_is_named_and_counts_as_absent(folder, suffix):
    resealed(folder, TEACHER, TAUGHT, LOGITS)
    (path,) = folder.glob(f"*{suffix}")
    path.unlink()
    path.mkdir()
    row, said = load(folder, TEACHER)
    assert row is None and len(said) == 1 and path.name in said[0]


def test_a_row_or_an_array_that_may_not_be_read_is_named(folder, monkeypatch):
    resealed(folder, TEACHER, TAUGHT, LOGITS)
    read = Path.read_bytes

    def refuse(path):
        if path.suffix == ".npz":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    row, said = load(folder, TEACHER)
    assert row is None and len(said) == 1


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"checksum": "x", "identity": 3}', '"' + "9" * 5000]
)
def test_json_that_is_deep_or_odd_is_named(folder, text):
    folder.mkdir()
    (folder / f"{module.key_of(IDENTITY)}.json").write_text(text)
    row, said = load(folder, IDENTITY)
    assert row is None and len(said) == 1 and "recomputing" in said[0]


# --- the network ------------------------------------------------------------------------------------------


def test_a_download_without_a_network_is_a_sentence(monkeypatch, tmp_path, refused):
    """Really asked for, at a port of this machine where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(sources, "PUBLISHED", f"http://127.0.0.1:{port}/")
    monkeypatch.setattr(sources, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with refused("could not be fetched", "QDLLM_DATA"):
        sources.fetch()
