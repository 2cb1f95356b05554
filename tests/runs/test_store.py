"""The store: rows come back as they went in, damage is named and never used, and a failed write changes nothing."""

import errno
import getpass
import hashlib
import json
import os
import re
import socket
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdllm_utils.runs import published as book
from qdllm_utils.runs import store as module
from qdllm_utils.runs.store import Row, Store, key_of

IDENTITY = {"kind": "trial", "seed": 3, "knobs": {"layers": 2, "alpha": 0.9}}
RESULT = {"acc": 0.1 + 0.2, "history": [0.5, 1 / 3], "size": "11 qubits", "note": None, "tuned": True}
ARRAYS = {
    "logits": np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32),
    "labels": np.arange(5),
    "adapter/model.weight": np.eye(3),
}


@pytest.fixture(autouse=True)
def published(monkeypatch, tmp_path) -> Path:
    """An empty folder in place of the book's rows."""
    monkeypatch.setattr(module, "PUBLISHED", tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def saved(folder) -> Row:
    row = Row(IDENTITY, RESULT, {"date": "2026-01-01", "seconds": 1.5}, ARRAYS)
    Store(folder).save(row)
    return row


def file(folder: Path, row: Row, suffix: str = ".json") -> Path:
    """The one file of a row with this ending; an array file's name carries its digest."""
    (found,) = folder.glob(f"{row.key}*{suffix}")
    return found


def reopened(folder: Path) -> tuple[Store, list[str]]:
    said: list[str] = []
    return Store(folder, say=said.append), said


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too, but for the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


# --- round trip and keys ----------------------------------------------------------------------------------


def test_a_row_comes_back_with_its_arrays(folder, saved):
    row = Store(folder).load(IDENTITY, arrays=True)
    assert (row.identity, row.result, row.provenance) == (saved.identity, saved.result, saved.provenance)
    assert set(row.arrays) == set(ARRAYS)
    for name, values in ARRAYS.items():
        assert row.arrays[name].dtype == values.dtype and np.array_equal(row.arrays[name], values)
    assert Store(folder).load(IDENTITY).arrays == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=3), st.dictionaries(st.text(), JSON, max_size=3))
def test_any_result_comes_back_to_the_last_digit(tmp_path_factory, result, identity):
    folder = tmp_path_factory.mktemp("store")
    identity = identity | {"kind": "any"}
    Store(folder).save(Row(identity, result, {}))
    assert Store(folder).load(identity).result == result


def test_a_key_is_the_kind_and_twenty_digits_of_the_canonical_identity():
    canonical = '{"kind":"trial","knobs":{"alpha":0.9,"layers":2},"seed":3}'
    assert key_of(IDENTITY) == f"trial-{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


def test_neither_order_nor_provenance_nor_result_changes_a_key():
    reordered = {"knobs": {"alpha": 0.9, "layers": 2}, "seed": 3, "kind": "trial"}
    assert key_of(reordered) == key_of(IDENTITY)
    assert Row(IDENTITY, RESULT, {"date": "today"}).key == Row(reordered, {}, {"date": "tomorrow"}).key


def test_a_tuple_and_the_list_it_is_read_back_as_have_one_key(folder):
    identity = {"kind": "trial", "size": {"layers": (0, 3)}}
    Store(folder).save(Row(identity, RESULT, {}))
    row = Store(folder).load(identity)
    assert row.result == RESULT and row.key == key_of(identity)


@pytest.mark.parametrize(
    "change", [{"kind": "teacher"}, {"seed": 4}, {"knobs": {"layers": 2, "alpha": 0.8}}, {"more": 1}], ids=str
)
def test_any_change_of_the_identity_is_another_row(folder, saved, change):
    assert key_of(IDENTITY | change) != key_of(IDENTITY)
    assert Store(folder).load(IDENTITY | change) is None


def test_the_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "elsewhere"))
    Store().save(Row(IDENTITY, RESULT, {}))
    assert [path.suffix for path in (tmp_path / "elsewhere").glob("[!.]*")] == [".json"]
    monkeypatch.delenv("QDLLM_STORE")
    assert Store().folder == Path("results")


def test_published_rows_are_read_and_never_written(folder, published, saved, tmp_path):
    book.import_rows(folder, published, "controls")
    folder = tmp_path / "another store"
    before = content(published)
    store, said = reopened(folder)
    assert store.load(IDENTITY, arrays=True).result == RESULT and not said
    store.save(Row(IDENTITY, {"acc": 1.0}, {}))
    assert content(published) == before and Store(folder).load(IDENTITY).result == {"acc": 1.0}


# --- computing --------------------------------------------------------------------------------------------


def counting(result):
    """A computation, and the list that grows each time it runs."""
    runs: list[int] = []

    def compute():
        runs.append(1)
        return dict(result), ARRAYS

    return compute, runs


def test_a_row_is_computed_once_and_says_why(folder):
    compute, runs = counting(RESULT)
    store, said = reopened(folder)
    first = store.get(IDENTITY, compute, "the student")
    assert said == ["the student: computing (not in the store)."]
    assert (store.computed, store.loaded) == ({key_of(IDENTITY)}, set())
    later, said = reopened(folder)
    second = later.get(IDENTITY, compute, "the student", arrays=True)
    assert len(runs) == 1 and not said and first.result == second.result == RESULT
    assert (later.computed, later.loaded) == (set(), {key_of(IDENTITY)})


def test_refresh_recomputes_once_and_says_why(folder, saved):
    compute, runs = counting({"acc": 1.0})
    said: list[str] = []
    store = Store(folder, refresh=True, say=said.append)
    rows = [store.get(IDENTITY, compute, "the student") for _ in range(3)]
    assert len(runs) == 1 and said == ["the student: computing (refresh was asked for)."]
    assert [row.result for row in rows] == [{"acc": 1.0}] * 3
    assert Store(folder).load(IDENTITY).result == {"acc": 1.0}


def test_a_computation_that_fails_leaves_no_row(folder):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Store(folder).get(IDENTITY, fail, "the student")
    assert Store(folder).load(IDENTITY) is None


def test_a_row_says_when_how_long_and_with_what_it_was_made_but_not_by_whom_or_where(folder):
    def compute():
        time.sleep(0.05)
        return RESULT, ARRAYS

    row = Store(folder).get(IDENTITY, compute, "the student")
    made = row.provenance
    assert made["source"] == "measured" and 0.05 <= made["seconds"] < 60 and made["cpu_seconds"] < made["seconds"] + 1
    assert re.fullmatch(r"[0-9a-f]{10}\+?|unknown", made["commit"])
    assert {"python", "torch", "numpy", "transformers"} <= set(made["versions"])
    assert made["machine"]["cores"] == os.cpu_count() and made["peak_memory_mb"] > 10
    written = file(folder, row).read_text()
    for private in (str(Path.home()), os.getcwd(), str(folder), f'"{socket.gethostname()}"'):
        assert private not in written
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", written)
    assert not re.search(r'"(/|[A-Z]:\\\\)', written)


# --- damage -----------------------------------------------------------------------------------------------


def recomputes(folder: Path, name: str, arrays: bool = False) -> None:
    """Assert that the damaged file is named, its row computed again, and the store then sound."""
    compute, runs = counting({"acc": 1.0})
    store, said = reopened(folder)
    assert store.get(IDENTITY, compute, "the student", arrays).result == {"acc": 1.0}
    assert len(runs) == 1
    assert name in said[0] and "recomputing" in said[0]
    store, said = reopened(folder)
    assert store.load(IDENTITY, arrays=True).result == {"acc": 1.0} and not said


def test_no_flipped_byte_of_a_row_is_ever_used(folder, saved):
    path = file(folder, saved)
    whole = path.read_bytes()
    store, said = reopened(folder)
    refused = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        row = store.load(IDENTITY)
        if row is None:
            refused += 1
            assert path.name in said[-1]
        else:  # a blank between two entries
            assert (row.identity, row.result, row.provenance) == (saved.identity, saved.result, saved.provenance)
    assert refused == len(said) > 0.6 * len(whole)


def test_no_truncated_row_is_ever_used(folder, saved):
    path = file(folder, saved)
    whole = path.read_bytes()
    store, said = reopened(folder)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.load(IDENTITY) is None
    assert len(said) == len(whole) and all(path.name in sentence for sentence in said)


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '"row"', "{}", '{"checksum": 1}', "\x00"])
def test_a_file_that_is_no_row_is_named_and_recomputed(folder, saved, text):
    file(folder, saved).write_text(text)
    recomputes(folder, file(folder, saved).name)


def test_a_row_with_a_result_changed_by_hand_is_named_and_recomputed(folder, saved):
    path = file(folder, saved)
    record = json.loads(path.read_text())
    record["result"]["acc"] = 0.99
    path.write_text(json.dumps(record))
    recomputes(folder, path.name)


def test_the_row_of_another_run_is_not_taken_for_this_one(folder, saved):
    other = Row(IDENTITY | {"seed": 4}, {"acc": 0.5}, {})
    Store(folder).save(other)
    file(folder, other).replace(folder / f"{saved.key}.json")
    recomputes(folder, file(folder, saved).name)


@pytest.mark.parametrize("damage", ["missing", "empty", "flipped", "another"])
def test_arrays_that_are_missing_or_damaged_are_named_and_recomputed(folder, saved, damage):
    path = file(folder, saved, ".npz")
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped":
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(whole)
    else:
        np.savez_compressed(path, **{name: values + 1 for name, values in ARRAYS.items()})
    recomputes(folder, path.name, arrays=True)


def test_arrays_that_hold_code_are_not_run(folder, saved):
    """A pickle in the npz, with checksums that fit: numpy refuses to load it."""
    path = file(folder, saved, ".npz")
    np.savez(path, logits=np.array([{"an": "object"}], dtype=object))
    record = json.loads(file(folder, saved).read_text())
    record["arrays"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.replace(folder / f"{saved.key}.{record['arrays'][:16]}.npz")
    record["checksum"] = module.checksum(record)
    file(folder, saved).write_text(json.dumps(record))
    store, said = reopened(folder)
    assert store.load(IDENTITY, arrays=True) is None
    assert "no plain array" in said[0] and "recomputing" in said[0]


# --- failed writes ----------------------------------------------------------------------------------------


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_in_a_sentence_and_leaves_the_store_as_it_was(refused, monkeypatch, folder, saved):
    before = content(folder)
    monkeypatch.setattr(module.os, "replace", full_disk)
    with refused("No space left", "QDLLM_STORE", "store/"):
        Store(folder).save(Row(IDENTITY, {"acc": 1.0}, {}, {"logits": np.zeros(3)}))
    assert content(folder) == before
    monkeypatch.undo()
    assert Store(folder).load(IDENTITY, arrays=True).result == RESULT


def test_a_disk_that_fills_up_between_arrays_and_row_leaves_the_old_row_sound(refused, monkeypatch, folder, saved):
    syncs = iter([lambda handle: None, full_disk])
    monkeypatch.setattr(module.os, "fsync", lambda handle: next(syncs)(handle))
    with refused("No space left"):
        Store(folder).save(Row(IDENTITY, {"acc": 1.0}, {}, {"logits": np.zeros(3)}))
    monkeypatch.undo()
    store, said = reopened(folder)
    row = store.load(IDENTITY, arrays=True)
    assert not said and row.result == RESULT and np.array_equal(row.arrays["logits"], ARRAYS["logits"])


def test_a_write_that_is_interrupted_by_hand_leaves_no_temporary_file(monkeypatch, folder, saved):
    before = content(folder)

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Store(folder).save(Row(IDENTITY, {"acc": 1.0}, {}))
    assert content(folder) == before


def test_a_store_that_cannot_be_made_is_told_in_a_sentence(refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with refused("could not be written", "QDLLM_STORE"):
        Store(tmp_path / "file" / "store").save(Row(IDENTITY, RESULT, {}))


def test_writers_at_the_same_time_leave_a_valid_row_and_nothing_else(folder):
    rows = [Row(IDENTITY, {"acc": 0.5}, {"writer": writer}, ARRAYS) for writer in (1, 2)] * 12
    joblib.Parallel(n_jobs=2)(joblib.delayed(Store(folder).save)(row) for row in rows)
    store, said = reopened(folder)
    row = store.load(IDENTITY, arrays=True)
    assert not said and row.result == {"acc": 0.5} and row.provenance["writer"] in (1, 2)
    assert np.array_equal(row.arrays["logits"], ARRAYS["logits"])
    assert set(content(folder)) == {file(folder, row).name, file(folder, row, ".npz").name}


def test_an_overwrite_never_touches_the_arrays_of_the_row_that_stands(monkeypatch, folder, saved):
    """Killed between the arrays and the row: the old row is there, whole; after the whole write the old arrays go."""
    replace, moved = module.os.replace, []

    def killed(source, target):
        if str(target).endswith(".json"):
            raise KeyboardInterrupt
        moved.append(target)
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", killed)
    new = Row(IDENTITY, {"acc": 1.0}, {}, {"logits": np.zeros(3)})
    with pytest.raises(KeyboardInterrupt):
        Store(folder).save(new)
    monkeypatch.undo()
    store, said = reopened(folder)
    row = store.load(IDENTITY, arrays=True)
    assert moved and not said and row.result == RESULT and np.array_equal(row.arrays["logits"], ARRAYS["logits"])
    Store(folder).save(new)
    row = Store(folder).load(IDENTITY, arrays=True)
    assert row.result == {"acc": 1.0} and np.array_equal(row.arrays["logits"], np.zeros(3))
    assert [path.name for path in folder.glob("*.npz")] == [Path(moved[0]).name]


def test_writers_of_different_arrays_leave_one_whole_row(folder):
    """Two processes, two results: whichever wins, its arrays are its own."""
    rows = [Row(IDENTITY, {"acc": value}, {}, {"logits": np.full(9, value)}) for value in (0.25, 0.75)] * 20
    joblib.Parallel(n_jobs=2)(joblib.delayed(Store(folder).save)(row) for row in rows)
    store, said = reopened(folder)
    row = store.load(IDENTITY, arrays=True)
    assert not said and np.array_equal(row.arrays["logits"], np.full(9, row.result["acc"]))
    assert len(list(folder.glob("*.npz"))) == 1


def test_arrays_of_an_older_store_are_read_and_replaced(folder, saved):
    """Their file had the key alone for its name."""
    file(folder, saved, ".npz").rename(folder / f"{saved.key}.npz")
    store, said = reopened(folder)
    assert np.array_equal(store.load(IDENTITY, arrays=True).arrays["logits"], ARRAYS["logits"]) and not said
    Store(folder).save(Row(IDENTITY, {"acc": 1.0}, {}, {"logits": np.zeros(3)}))
    assert not (folder / f"{saved.key}.npz").exists()
    assert np.array_equal(Store(folder).load(IDENTITY, arrays=True).arrays["logits"], np.zeros(3))
