"""The published rows: they load, they say what they are, and on the authors' data they come out again."""

import json

import numpy as np
import pytest

from qdllm_utils.config import SCALES, TASKS, knobs
from qdllm_utils.runs import published as published_rows
from qdllm_utils.runs import store as store_module
from qdllm_utils.runs.experiments import ON_EMBEDDINGS_RECIPE, Experiment
from qdllm_utils.runs.identity import LABELS, describe
from qdllm_utils.runs.jobs import BASELINES, ON_EMBEDDINGS, RELATED
from qdllm_utils.runs.published import Published
from qdllm_utils.runs.recompute import experiment_of
from qdllm_utils.runs.store import PUBLISHED, Row, Store, key_of
from qdllm_utils.texts.sources import Source, authors_fingerprint


def experiment(task: str, preset: str, data_dir: str | None = None, **changes) -> Experiment:
    scale = SCALES["cpu"]
    return Experiment(Source(task, scale, data_dir), scale, "minilm", knobs(preset, **changes), Store())


@pytest.mark.parametrize("task", ["hiding", "thematic"])
def test_published_baselines_and_teachers_are_there_and_measured(task):
    published = experiment(task, "paper")
    for student in BASELINES:
        for seed in range(3):
            row = published.store.load(published.student_identity(student, seed), arrays=True)
            assert row is not None and row.provenance["source"] == "measured"
            assert 0.5 < row.result["acc"] < 1 and len(row.arrays["test_logits"]) >= 800
    teacher = published.store.load(published.teacher_identity, arrays=True)
    assert teacher is not None and teacher.arrays["logits"].shape[1] == len(TASKS[task].classes)


def test_the_key_of_every_published_run_comes_from_what_it_says_in_words():
    """Task, teacher, embedder, knobs, student and seed, put together again by the code of today, give the key."""
    store, checked = Store(), 0
    for key, (_, line) in Published(PUBLISHED).lines.items():
        row = json.loads(line)
        identity = row["identity"]
        if row["kind"] not in ("student", "teacher") or row["stored_as"] or row["student"] == "tfidf":
            continue
        gone = row["kind"] == "student" and row["student"] not in {*ON_EMBEDDINGS, *BASELINES, *RELATED}
        if (gone or row["student"] in ON_EMBEDDINGS) and identity["recipe"] != ON_EMBEDDINGS_RECIPE:
            continue  # made before a copy's bits were its own; recompute says so
        again = experiment_of(identity, row, store, None)
        found = (
            again.teacher_identity if row["kind"] == "teacher" else again.student_identity(row["student"], row["seed"])
        )
        assert key_of(found) == key, row["key"]
        checked += 1
    assert checked


def test_a_teacher_of_a_share_says_so_and_a_share_of_all_is_not_in_the_key():
    """Where a scale caps its texts, the billion-parameter teacher learns from half of the two larger corpora."""
    told = {}
    for task in TASKS:
        for size in ("cpu", "paper"):
            asked = Experiment(Source(task, SCALES[size], None), SCALES[size], "qwen", knobs("paper"), Store())
            identity = {"kind": "teacher", "data": {"fingerprint": authors_fingerprint(TASKS[task])}}
            told[task, size] = describe(identity | asked.teacher_spec.identity)["changes"]
    half = {("emotion", "cpu"), ("thematic", "cpu")}
    assert told == {key: "teacher_share_learnt=0.5" if key in half else None for key in told}


def test_all_rows_in_the_book_are_whole_sorted_and_said_in_words():
    """Key, checksum and arrays of every row; its labels are those of its identity; its line stands where it belongs."""
    store, lines = Store(), Published(PUBLISHED).lines
    for home in {home for home, _ in lines.values()}:
        own = [line for place, line in lines.values() if place == home]
        assert own == sorted(own, key=published_rows.place), home
    for key, (home, line) in lines.items():
        row = store.from_the_book(key, arrays=key in store.published.archives)
        assert row is not None and row.key == key
        told = {name: value for name, value in json.loads(line).items() if name in LABELS}
        assert told == describe(row.identity)
        assert home.split(".")[0].endswith(told["task"]) if told["task"] else "-" not in home
    assert set(store.published.archives) <= set(lines)
    files = [path for path in PUBLISHED.iterdir() if not path.name.startswith(".")]
    assert len(files) <= 80 and all(path.stat().st_size <= published_rows.ARCHIVE for path in files)
    assert sum(len(path.read_bytes().splitlines()) for path in files if path.suffix == ".jsonl") == len(lines)


def test_rows_go_into_the_book_and_come_back_without_loss(tmp_path):
    """Byte for byte, with and without arrays; a second import changes nothing; a changed row stays in its file."""
    old, book, back = (tmp_path / name for name in ("old", "book", "back"))
    store = Store(old)
    for seed in range(5):
        identity = {"kind": "student", "student": "quantum", "seed": seed, "knobs": knobs("tuned").identity}
        arrays = {"logits": np.random.default_rng(seed).normal(size=(7, 2))} if seed % 2 else {}
        store.save(Row(identity, {"acc": 0.1 + 0.2 * seed, "none": None}, {"commit": "a"}, arrays))
    (old / ".lock").unlink()
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    assert published_rows.import_rows(old, book, "controls") == 5
    assert published_rows.export_rows(book, back) == 5
    assert {path.name: path.read_bytes() for path in back.iterdir()} == before
    written = {path.name: path.read_bytes() for path in book.iterdir()}
    assert set(written) == {"controls.jsonl", "controls.zip"}
    published_rows.import_rows(old, book, "another page")
    assert {path.name: path.read_bytes() for path in book.iterdir()} == written
    one = json.loads(next(old.glob("*.json")).read_bytes())
    published_rows.publish(book, [published_rows.NewRow("x", one | {"result": {"acc": 9}})], [key_of(identity)])
    lines = [json.loads(line) for line in (book / "controls.jsonl").read_text().splitlines()]
    assert [line["result"]["acc"] for line in lines].count(9) == 1 and len(lines) == 4


def test_a_page_that_brings_a_row_without_its_arrays_takes_none_away_but_those_of_another_row(tmp_path):
    old, book = Store(tmp_path / "old"), tmp_path / "book"
    identity = {"kind": "student", "student": "quantum", "seed": 0, "knobs": knobs("tuned").identity}
    key = key_of(identity)

    def record(accuracy: float) -> dict:
        old.save(Row(identity, {"acc": accuracy}, {}, {"logits": np.full((7, 2), accuracy)}))
        return json.loads((old.folder / f"{key}.json").read_bytes())

    published_rows.publish(
        book, [published_rows.NewRow("table4", record(0.5), arrays := old.arrays_file(key).read_bytes())]
    )
    published_rows.publish(book, [published_rows.NewRow("features", record(0.5))])
    assert Published(book).arrays(key) == arrays
    published_rows.publish(book, [published_rows.NewRow("features", record(0.6))])
    assert Published(book).arrays(key) is None


def test_rows_are_shared_out_over_files_below_the_limit(tmp_path, monkeypatch):
    old, book = tmp_path / "old", tmp_path / "book"
    for seed in range(6):
        Store(old).save(Row({"kind": "student", "student": "quantum", "seed": seed}, {"acc": 0.1 * seed}, {}))
    published_rows.import_rows(old, book, "controls")
    (whole,) = book.glob("*.jsonl")
    lines = whole.read_bytes()
    monkeypatch.setattr(published_rows, "ARCHIVE", len(lines) // 2)
    published_rows.import_rows(old, book, "another page")
    files = sorted(book.glob("*.jsonl"))
    assert [path.name for path in files] == [f"controls.{n}.jsonl" for n in range(1, len(files) + 1)] and len(files) > 1
    assert b"".join(path.read_bytes() for path in files) == lines
    assert all(path.stat().st_size <= len(lines) // 2 for path in files)
    assert {published_rows.page_of(home) for home, _ in Published(book).lines.values()} == {"controls"}
    monkeypatch.undo()
    published_rows.import_rows(old, book, "another page")
    assert [path.name for path in book.glob("*.jsonl")] == ["controls.jsonl"] and whole.read_bytes() == lines


def test_arrays_are_shared_out_over_archives_below_the_limit(monkeypatch, refused):
    monkeypatch.setattr(published_rows, "ARCHIVE", 3000)
    members = [(f"student-{number}", bytes([number]) * 900) for number in range(7)]
    packed = published_rows.pack(members)
    assert len(packed) > 2 and all(len(raw) <= 3000 for raw in packed)
    assert b"".join(packed).count(bytes([3]) * 900) == 1
    with refused("student-9 have 2,700 bytes", "without them"):
        published_rows.pack([("student-9", b"x" * 2700)])


def test_a_damaged_line_of_the_book_is_named_and_not_used(tmp_path, monkeypatch):
    folder, said = tmp_path / "book", []
    identity = {"kind": "student", "seed": 1}
    Store(tmp_path / "old").save(Row(identity, {"acc": 0.5}, {}))
    published_rows.import_rows(tmp_path / "old", folder, "controls")
    path = folder / "controls.jsonl"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    monkeypatch.setattr(store_module, "PUBLISHED", folder)
    assert Store(tmp_path / "empty", say=said.append).load(identity) is None
    assert "controls.jsonl" in said[0] and "does not match its checksum" in said[0]


@pytest.mark.parametrize(("task", "measured_first"), [("hiding", 0.741), ("thematic", 0.909)])
def test_published_teacher_agrees_with_what_was_measured_first(task, measured_first):
    """BASELINES.md's teacher, on another split: within three standard errors of an accuracy on this test set."""
    published = experiment(task, "paper")
    teacher = published.store.load(published.teacher_identity)
    assert teacher is not None
    error = (measured_first * (1 - measured_first) / teacher.result["rows"]["test"]) ** 0.5
    assert abs(teacher.result["acc"] - measured_first) < 3 * error
