"""The data check of an own file: near-duplicates against brute force, tokens cut, unknown and equal, scripts."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdllm_utils.texts import pretrained, sources
from qdllm_utils.texts.own_file import OwnTexts, read_own_file
from qdllm_utils.texts.own_file_checks import data_check
from qdllm_utils.texts.own_file_near import near_rows
from qdllm_utils.texts.own_file_tokens import auto_max_tokens, position_limit, read_tokens, scripts, without_equals


@pytest.fixture(scope="session")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(pretrained.minilm_folder())


def own_of(folder: Path, rows: list[tuple[str, str]], header: str = "text,label") -> OwnTexts:
    path = folder / "own.csv"
    path.write_text(header + "\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return read_own_file(str(path))


# --- near-duplicates --------------------------------------------------------------------------------------


def jaccard(one: str, other: str) -> float:
    """Of the sets of character 5-grams, by the definition."""
    a, b = ({text.lower()[k : k + 5] for k in range(len(text) - 4)} for text in (one, other))
    return len(a & b) / len(a | b) if a | b else 0.0


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "it", "of", "x", "delta", "rain"]), min_size=1, max_size=9)


@settings(deadline=None, max_examples=150)
@given(
    left=st.lists(WORDS.map(" ".join), min_size=1, max_size=12),
    right=st.lists(WORDS.map(" ".join), min_size=1, max_size=80),
    at_least=st.sampled_from([0.3, 0.5, 0.8]),
)
def test_near_duplicates_are_those_of_the_definition(left, right, at_least):
    texts = left + right
    rows, others = np.arange(len(left)), np.arange(len(left), len(texts))
    found = near_rows(texts, rows, others, at_least)
    expected = [row for row in rows if any(jaccard(texts[row], texts[other]) >= at_least - 1e-9 for other in others)]
    assert [near.row for near in found] == expected
    for near in found:
        assert (
            near.jaccard == pytest.approx(jaccard(texts[near.row], texts[near.neighbour])) and near.neighbour in others
        )


def test_one_near_duplicate_is_found_among_twenty_thousand_texts():
    rng = np.random.default_rng(0)
    vocabulary = np.array(["".join(word) for word in rng.choice(list("abcdefghijklmnop"), (3000, 6))])
    texts = [" ".join(some) for some in vocabulary[rng.integers(3000, size=(20_000, 12))]]
    texts[7], texts[8] = texts[15_000].upper() + " more", "short"
    found = near_rows(texts, np.arange(4000), np.arange(4000, 20_000))
    assert [(near.row, near.neighbour) for near in found] == [(7, 15_000)]


def test_the_thematic_corpus_has_the_share_that_brute_force_found(authors_data):
    from qdllm_utils.config import SCALES

    corpus = sources.Source("thematic", dataclasses.replace(SCALES["cpu"], max_texts=0), str(authors_data)).corpus
    parts = sources.split(corpus.labels, 0)
    found = near_rows(list(corpus.texts), parts["test"], parts["train"])
    assert len(found) / len(parts["test"]) == pytest.approx(0.1545, abs=0.0005)  # all pairs, by scikit-learn's counts


# --- the check ----------------------------------------------------------------------------------------------


def test_the_check_counts_classes_parts_and_neighbours_and_says_them(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f"{rng.integers(10**12)} {rng.integers(10**12)}", "many" if n % 8 else "few") for n in range(240)]
    rows += [(f"the very same sentence but for its end {n}", "many") for n in range(20)]
    own = own_of(tmp_path, [*rows, rows[0], ("both", "few"), ("both", "many")])
    check = data_check(own)
    assert {one.name: one.texts for one in check.classes} == {"few": 30, "many": 230}
    parts = sources.split(own.labels, 0)
    for number, one in enumerate(check.classes):
        assert one.parts == {part: int((own.labels[rows_] == number).sum()) for part, rows_ in parts.items()}
    assert check.imbalance == pytest.approx(230 / 30) and check.rows == 263 and len(check.dropped) == 3
    neighbours = sum("very same" in own.texts[row] for part in ("validation", "test") for row in parts[part])
    assert len(check.near) == neighbours > 0 and {near.same_label for near in check.near} == {True}
    said = " ".join(check.sentences())
    for piece in (
        "263 rows",
        "'few' 30, 'many' 230",
        "unbalanced",
        "line 262",
        "another label",
        "nearly repeat",
        "88.",
    ):
        assert piece in said
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in check.sentences())
    assert dataclasses.asdict(check)["max_tokens"] is None


def test_a_quiet_corpus_has_no_warnings(tmp_path):
    rng = np.random.default_rng(1)
    own = own_of(
        tmp_path, [(" ".join(rng.choice(list("abcdefghij"), 12)) + str(n**7), "ab"[n % 2]) for n in range(200)]
    )
    assert len(data_check(own).sentences()) == 2


def test_agreement_of_the_given_probabilities_is_measured(tmp_path):
    rows = [(f"text {n}", f"{'ab'[n % 2]},{0.9 if n % 4 else 0.1},{0.1 if n % 4 else 0.9}") for n in range(40)]
    own = own_of(tmp_path, rows, "text,label,p_a,p_b")
    expected = np.mean([("a" if n % 4 else "b") == "ab"[n % 2] for n in range(40)])
    check = data_check(own)
    assert check.agreement == expected and "25.0%" in " ".join(check.sentences())


# --- tokens -------------------------------------------------------------------------------------------------


def test_lengths_and_cuts_are_those_of_the_tokeniser(tokenizer):
    texts = ["word " * n for n in range(1, 80)]
    read = read_tokens(texts, tokenizer, 60)
    assert read.lengths.tolist() == [n + 2 for n in range(1, 80)]  # [CLS] and [SEP]
    assert np.flatnonzero(read.cut).tolist() == list(range(58, 79))
    assert read.equal == (tuple(range(57, 79)),)  # 58 words and more are 58 words after the cut


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=300), st.none() | st.integers(10, 512))
def test_auto_reads_all_but_one_in_a_hundred_unless_the_model_cannot(lengths, limit):
    chosen = auto_max_tokens(lengths, limit)
    whole = np.mean(np.array(lengths) <= chosen)
    assert limit is None or chosen <= limit
    assert whole >= 0.99 or chosen == limit
    assert np.mean(np.array(lengths) <= chosen - 1) < 0.99


def test_auto_is_capped_by_the_position_table_and_the_cut_is_said(tmp_path, tokenizer):
    own = own_of(tmp_path, [(f"{n} " + "word " * 700, "ab"[n % 2]) for n in range(30)])
    check = data_check(own, tokenizer, "auto")
    assert check.max_tokens == 512 == check.most and check.cut == 30
    assert "this embedder reads no more" in " ".join(check.sentences())
    assert data_check(own, tokenizer, "auto", limit=100).max_tokens == 100
    assert "raise max_tokens" in " ".join(data_check(own, tokenizer).sentences())


def test_a_limit_that_no_model_has_is_refused(refused, tokenizer):
    for wrong in (0, -1, "many", 2.5, True):
        with refused("max_tokens", "'auto'"):
            read_tokens(["a"], tokenizer, wrong)
    with refused("at most 512"):
        read_tokens(["a"], tokenizer, 600)


@pytest.mark.parametrize(
    ("kind", "positions", "pad", "expected"),
    [("bert", 512, 0, 512), ("roberta", 514, 1, 512), ("bert", 40, 0, 40), ("t5", None, 0, 600)],
)
def test_the_position_table_bounds_what_can_be_read(kind, positions, pad, expected):
    config = SimpleNamespace(model_type=kind, max_position_embeddings=positions, pad_token_id=pad)
    assert position_limit(SimpleNamespace(model_max_length=600), config) == expected
    assert position_limit(SimpleNamespace(model_max_length=10**30)) is None


def test_texts_that_become_equal_after_the_cut_are_found_and_left_out(tmp_path, tokenizer):
    head = " ".join(["start"] * 60)
    rows = [(f"text {n}", "ab"[n % 2]) for n in range(40)]
    rows += [(f"{head} end {n}", "a") for n in range(3)] + [(f"b {head} end {n}", "ab"[n % 2]) for n in range(2)]
    own = own_of(tmp_path, rows)
    check = data_check(own, tokenizer)
    assert sorted(map(len, check.equal)) == [2, 3] and check.equal_labels == 1
    assert "5 texts in 2 groups are equal to the embedder" in " ".join(check.sentences())
    fewer = without_equals(own, read_tokens(own.texts, tokenizer, 60))
    assert len(fewer.texts) == 41 and [drop.place for drop in fewer.dropped] == [43, 44, 45, 46]
    assert len(fewer.texts) + len(fewer.dropped) == own.rows and fewer.texts == own.texts[:41]
    assert data_check(fewer, tokenizer).equal == ()
    assert without_equals(own, read_tokens(own.texts, tokenizer, 70)) is own


def test_leaving_out_equal_texts_never_leaves_a_class_too_small(refused, tmp_path, tokenizer):
    head = " ".join(["start"] * 60)
    rows = [(f"text {n}", "a") for n in range(20)] + [(f"{head} {n}", "b") for n in range(20)]
    own = own_of(tmp_path, rows)
    with refused("'b' has 1 text"):
        without_equals(own, read_tokens(own.texts, tokenizer, 60))


# --- languages ------------------------------------------------------------------------------------------------

STRANGE = {
    "CYRILLIC": "мне очень понравилась эта книга",
    "ARABIC": "هذا المنتج رائع جدا",
    "CJK": "今天天气很好我们出去玩吧",
    "HIRAGANA": "とてもうれしいです",
    "HANGUL": "안녕하세요 반갑습니다",
    "DEVANAGARI": "नमस्ते दुनिया",
    "EMOJI": "😍🥳🔥",
}


@pytest.mark.parametrize("script", STRANGE)
def test_a_script_that_an_english_embedder_does_not_know_is_named(tokenizer, script):
    found = {one.name: one for one in scripts([STRANGE[script]] * 20 + ["plain English words"] * 20, tokenizer)}
    assert not found[script].known and found["LATIN"].known


def test_english_is_known_and_another_latin_language_among_it_is_not(tokenizer):
    english = ["The service was very bad and the product arrived broken", "I love it, works well, thanks"] * 30
    spanish = ["El servicio fue muy malo y el producto llegó roto, no lo recomiendo a nadie"] * 10
    assert [one.known for one in scripts(english, tokenizer)] == [True]
    assert [one.known for one in scripts(english + spanish, tokenizer)] == [False]
    assert scripts(["123 !!!"], tokenizer) == ()


def test_unknown_tokens_are_counted(tokenizer):
    assert read_tokens(["good 🥳", "good day"], tokenizer).unknown == pytest.approx(1 / 4)
    assert read_tokens(["good 😍", "good 🥳"], tokenizer).equal == ((0, 1),)


def test_a_vocabulary_of_bytes_is_judged_by_what_its_tokens_spell():
    """A byte-level tokeniser trained on Russian reads it in whole words and knows no Chinese."""
    from qdllm_utils.texts.twins import train_tokenizer

    russian = ["мне очень понравилась эта книга", "очень плохая погода сегодня", "книга сегодня плохая"] * 30
    tokenizer = train_tokenizer(russian)
    assert [one.known for one in scripts(russian, tokenizer)] == [True]
    assert [one.known for one in scripts(["今天天气很好"], tokenizer)] == [False]
