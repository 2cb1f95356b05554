"""The texts: found, verified, cleaned and split; an own file; and the authors' data as the specification counts it."""

import functools
import hashlib
import http.server
import threading
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdllm_utils.config import SCALES, TASKS
from qdllm_utils.texts import sources
from qdllm_utils.texts.sources import Source, clean, find_folder, read_authors, split

EMOTION = TASKS["emotion"]
CPU = SCALES["cpu"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- cleaning ---------------------------------------------------------------------------------------------

# Few words, with and without spaces at their ends, so that repetitions and contradictions are common.
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", "a ", " b", "\tc"]), st.sampled_from("xyz")))


@given(ROWS)
def test_cleaning_keeps_each_text_with_one_label_once_in_its_order(rows):
    kept, _, _ = clean(rows)
    labels = defaultdict(set)
    for text, label in rows:
        labels[text.strip()].add(label)
    first_seen = list(labels)
    assert [text for text, _ in kept] == [text for text in first_seen if len(labels[text]) == 1]
    assert all({label} == labels[text] for text, label in kept)


@given(ROWS)
def test_cleaning_accounts_for_every_row(rows):
    kept, duplicates, contradictions = clean(rows)
    pairs = Counter(text for text, _ in {(text.strip(), label) for text, label in rows})
    contradictory = {text for text, count in pairs.items() if count > 1}
    assert contradictions == len(contradictory)
    assert len(rows) == len(kept) + duplicates + contradictions


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(max_size=3), st.sampled_from("xy")), max_size=8))
def test_what_is_clean_stays_as_it_is(rows):
    kept, _, _ = clean(rows)
    assert clean(kept) == (kept, 0, 0)


def test_texts_that_an_uncased_embedder_cannot_tell_apart_are_one_text():
    kept, duplicates, contradictions = clean([("So  happy", "pos"), ("so happy", "pos"), ("Hm", "pos"), ("hm", "neg")])
    assert kept == [("So  happy", "pos")] and duplicates == 2 and contradictions == 1


# --- splits -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(tens=st.lists(st.integers(1, 12), min_size=2, max_size=4), seed=st.integers(0, 10_000))
def test_a_split_is_six_two_two_in_every_class_disjoint_and_complete(tens, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(tens)), np.array(tens) * 10))
    parts = split(labels, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    counts = {part: np.bincount(labels[rows]).tolist() for part, rows in parts.items()}
    assert counts == {
        "train": [6 * ten for ten in tens],
        "validation": [2 * ten for ten in tens],
        "test": [2 * ten for ten in tens],
    }


def test_the_seed_alone_decides_a_split():
    labels = np.arange(200) % 4
    again, other = split(labels, 3), split(labels, 4)
    for part, rows in split(labels, 3).items():
        assert np.array_equal(rows, again[part])
        assert not np.array_equal(np.sort(rows), np.sort(other[part]))


# --- own files (the rest in test_own_file.py) ----------------------------------------------------------------


def own_texts(folder: Path, each: int) -> str:
    path = folder / "own.csv"
    path.write_text("text,label\n" + "".join(f"text {n},{'ba'[n % 2]}\n" for n in range(2 * each)))
    return str(path)


def test_a_csv_becomes_a_corpus_named_after_its_file_with_its_classes_in_order(tmp_path):
    corpus = Source("emotion", CPU, path=own_texts(tmp_path, 8)).corpus
    assert (corpus.title, corpus.classes) == ("own", ("a", "b"))
    assert corpus.texts == tuple(f"text {n}" for n in range(16))
    assert corpus.labels.tolist() == [1, 0] * 8


def test_thinning_draws_the_same_texts_evenly_and_keeps_their_order():
    rows = [(f"text {n}", "ba"[n % 2]) for n in range(60)]
    thinned = sources.thin(rows, 20, 2)
    numbers = [int(text.removeprefix("text ")) for text, _ in thinned]
    assert numbers == sorted(set(numbers)) and thinned == sources.thin(rows, 20, 2)
    assert Counter(label for _, label in thinned) == {"a": 10, "b": 10}
    assert numbers != list(range(20)) and sources.thin(rows, 0, 2) == rows


# --- finding the authors' files ---------------------------------------------------------------------------


@pytest.fixture
def published(monkeypatch, tmp_path) -> dict[str, bytes]:
    """Small files that stand for the authors'; each path of sources.SHA256 gets two lines and its true hash."""
    contents = {name: f"one of {name}\r\ntwo of {name}\r\n".encode() for name in sources.SHA256}
    monkeypatch.setattr(sources, "SHA256", {name: sha256(content) for name, content in contents.items()})
    monkeypatch.setattr(sources, "cache", lambda: tmp_path / "cache")
    return contents


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_data_dir_comes_first_then_the_environment_then_the_cache(published, monkeypatch, tmp_path):
    given, environment, cache = (put(tmp_path / name, published) for name in ("given", "environment", "cache"))
    assert find_folder(EMOTION, None) == cache / "senti"
    monkeypatch.setenv("QDLLM_DATA", str(environment))
    assert find_folder(EMOTION, None) == environment / "senti"
    assert find_folder(EMOTION, str(given)) == given / "senti"


def test_texts_nowhere_to_be_found_say_what_to_do(refused, published):
    with refused("emotion", "QDLLM_DATA", "data_dir", "senti/", "demo"):
        find_folder(EMOTION, None)


def test_a_place_without_the_tasks_folder_is_refused_not_skipped(refused, published, monkeypatch, tmp_path):
    put(tmp_path / "cache", published)
    with refused("data_dir", "'senti'"):
        find_folder(EMOTION, str(tmp_path))
    monkeypatch.setenv("QDLLM_DATA", str(tmp_path / "absent"))
    with refused("QDLLM_DATA", "absent"):
        find_folder(EMOTION, None)


def test_the_published_line_ends_are_read_and_no_line_is_lost(published, tmp_path):
    folder = put(tmp_path / "given", published)
    expected = [(f"{line} of senti/train_{label}.txt", label) for label in ("neg", "pos") for line in ("one", "two")]
    assert read_authors(EMOTION, str(folder)) == expected


def test_a_file_with_changed_line_ends_is_not_the_published_one(refused, published, tmp_path):
    published["senti/train_pos.txt"] = published["senti/train_pos.txt"].replace(b"\r\n", b"\n")
    with refused("senti/train_pos.txt", "SHA-256"):
        read_authors(EMOTION, str(put(tmp_path / "given", published)))


def test_a_missing_file_is_named(refused, published, tmp_path):
    del published["senti/train_neg.txt"]
    with refused("train_neg.txt", "senti/"):
        read_authors(EMOTION, str(put(tmp_path / "given", published)))


def test_the_fingerprint_of_the_authors_texts_needs_no_file(published):
    prints = {task: Source(task, CPU).fingerprint for task in TASKS}
    assert len(set(prints.values())) == 3
    sources.SHA256["topic/train_sci.txt"] = "0" * 64
    changed = {task: Source(task, CPU).fingerprint for task in TASKS}
    assert [task for task in TASKS if changed[task] != prints[task]] == ["thematic"]


# --- fetching them ----------------------------------------------------------------------------------------


@pytest.fixture
def server(published, monkeypatch, tmp_path):
    """A loopback server of the published files; yields its folder and the list of paths asked of it."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *message):
            asked.append(self.path)

    root = put(tmp_path / "server", published)
    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(sources, "PUBLISHED", f"http://127.0.0.1:{listening.server_port}/")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
        yield root, asked
        listening.shutdown()
        thread.join()


def test_fetching_puts_the_published_files_into_the_cache_once(server, published):
    folder = sources.fetch()
    assert {name: (folder / name).read_bytes() for name in published} == published
    asked = len(server[1])
    assert sources.fetch() == folder and len(server[1]) == asked == len(published)
    assert len(read_authors(TASKS["thematic"], None)) == 8


def test_a_corrupted_download_is_refused_and_not_kept(server, published, tmp_path):
    (server[0] / "senti/train_neg.txt").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"train_neg\.txt"):
        sources.fetch()
    assert not (tmp_path / "cache" / "senti" / "train_neg.txt").exists()


# --- the authors' data ------------------------------------------------------------------------------------

# SPEC: duplicate rows and texts with both labels, compared without regard to case and spacing; average words.
COUNTS = {"emotion": (20_000, 85, 26), "hiding": (4_000, 0, 0), "thematic": (8_000, 136, 3)}
WORDS = {"emotion": 13.3, "hiding": 10.7, "thematic": 31.8}


def test_the_published_hashes_are_those_of_the_files_list(authors_data):
    lines = (authors_data / "SHA256SUMS").read_text().splitlines()
    assert {name: value for value, name in (line.split() for line in lines)} == sources.SHA256


@pytest.mark.parametrize("task", COUNTS)
def test_the_authors_rows_are_as_many_as_specified(authors_data, task):
    labels = defaultdict(set)
    rows = read_authors(TASKS[task], str(authors_data))
    for text, label in rows:
        labels[" ".join(text.lower().split())].add(label)
    both = sum(len(of_one) > 1 for of_one in labels.values())
    assert (len(rows), len(rows) - len(labels), both) == COUNTS[task]


@pytest.mark.parametrize("task", COUNTS)
def test_cleaning_the_authors_rows_removes_what_the_specification_counts(authors_data, task):
    rows, repeated, both = COUNTS[task]
    corpus = Source(task, replace(CPU, max_texts=0), str(authors_data)).corpus
    assert corpus.contradictions == both
    assert len(corpus.texts) == rows - repeated - both


@pytest.mark.parametrize("task", WORDS)
def test_average_lengths_are_those_measured_not_those_of_the_papers_table(authors_data, task):
    corpus = Source(task, replace(CPU, max_texts=0), str(authors_data)).corpus
    table = sources.statistics(corpus)
    assert table["average length"] == pytest.approx(WORDS[task], abs=0.1)
    assert table["words"] == len(" ".join(corpus.texts).split())
    assert table["vocabulary"] == len(Counter(" ".join(corpus.texts).split()))
    assert (table["texts"], table["classes"]) == (len(corpus.texts), len(corpus.classes))


def test_the_scale_cpu_takes_ten_thousand_tweets_evenly(authors_data):
    corpus = Source("emotion", CPU, str(authors_data)).corpus
    assert np.bincount(corpus.labels).tolist() == [5000, 5000]
