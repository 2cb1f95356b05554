"""Bits in = bits out, and the code that carries them is a Huffman code."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdllm_utils.texts.corpora import generate
from qdllm_utils.texts.steganography import NgramModel, embed, extract, huffman

BITS = st.text(alphabet="01", max_size=60)
# Start -> a; a -> b or d, even chances; then c, then the end: with this floor each sentence carries one bit.
ONE_BIT = NgramModel(["a b c", "a d c"], order=2, k=4, floor=0.5)


@cache
def _covers() -> list[str]:
    return generate("emotion", 150)[0]


@cache
def _model(order: int, k: int, floor: float) -> NgramModel:
    return NgramModel(_covers(), order, k, floor)


@settings(max_examples=150, deadline=None)
@given(
    bits=BITS,
    order=st.sampled_from([1, 2, 3, 5]),
    k=st.sampled_from([2, 3, 16, 1000]),
    floor=st.sampled_from([0.0, 0.1]),
    key=st.integers(0, 3),
)
def test_bits_in_are_bits_out(bits: str, order: int, k: int, floor: float, key: int) -> None:
    model = _model(order, k, floor)
    text = embed(bits, model, key)
    assert extract(text, model, key) == bits
    assert set(text.split()) <= set(model.vocabulary[1:])
    assert text == " ".join(text.split())


@settings(max_examples=100, deadline=None)
@given(
    covers=st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5).map(" ".join), min_size=1, max_size=6),
    bits=BITS,
    order=st.integers(1, 4),
)
def test_any_covers_of_two_words_will_do(covers: list[str], bits: str, order: int) -> None:
    model = NgramModel(covers, order, k=3, floor=0)
    if len(model.vocabulary) > 2:
        assert extract(embed(bits, model), model) == bits
    else:
        with pytest.raises(ValueError, match="no choice of words"):
            embed(bits, model)


@pytest.mark.parametrize("bits", ["", "0", "1", "0" * 100, "1" * 100, "01" * 1000, "1" + "0" * 999])
def test_edge_cases_and_long_messages(bits: str) -> None:
    model = _model(3, 16, 0.1)
    assert extract(embed(bits, model), model) == bits


@settings(deadline=None)  # the machine is shared
@given(bits=BITS)
def test_each_sentence_of_a_known_model_carries_its_bit(bits: str) -> None:
    words = embed(bits, ONE_BIT).split()
    sentences = [" ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    assert len(sentences) == len(bits) + 1
    assert set(sentences) <= {"a b c", "a d c"}
    assert extract(" ".join(words), ONE_BIT) == bits


def test_text_depends_on_key_and_a_wrong_key_does_not_read_it() -> None:
    model, bits = _model(2, 16, 0.1), "0110" * 8
    assert embed(bits, model, 1) == embed(bits, model, 1)
    assert embed(bits, model, 1) != embed(bits, model, 2)
    assert extract(embed(bits, model, 1), model, 2) != bits


@pytest.mark.parametrize("place", [1, 4])
def test_a_strange_word_is_named_with_its_place(place: int) -> None:
    model = _model(3, 16, 0.1)
    words = embed("0110" * 8, model).split()
    words[place - 1] = "zebra"
    with pytest.raises(ValueError, match=f"word {place}, 'zebra', is not among"):
        extract(" ".join(words), model)


def test_a_known_word_in_an_impossible_place_is_refused() -> None:
    with pytest.raises(ValueError, match="word 2, 'c'"):
        extract("a c c", ONE_BIT)


def test_a_text_without_end_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="no end mark"):
        extract("", ONE_BIT)


def test_bad_input_is_refused() -> None:
    for covers in ([], ["", "  "]):
        with pytest.raises(ValueError, match="cover corpus is empty"):
            NgramModel(covers)
    for wrong in ({"order": 0}, {"k": 1}, {"floor": -0.1}, {"floor": 1.1}):
        with pytest.raises(ValueError, match="need order"):
            NgramModel(["a b"], **wrong)
    with pytest.raises(ValueError, match="'0' and '1'"):
        embed("012", ONE_BIT)
    with pytest.raises(ValueError, match="no choice of words"):
        embed("01", NgramModel(["a b"], order=2, floor=1))
    with pytest.raises(ValueError, match="'zebra' is not a word"):
        ONE_BIT.probabilities(["zebra"])


def test_witten_bell_by_hand() -> None:
    """Unigrams of 'a b', 'a c': end 2/6, a 2/6, b 1/6, c 1/6; after a: b and c once, so N = t = 2."""
    model = NgramModel(["a b", "a c"], order=2)
    assert model.vocabulary == ("", "a", "b", "c")
    low = np.array([2, 2, 1, 1]) / 6
    np.testing.assert_allclose(model.probabilities(["a"]), (np.array([0, 0, 1, 1]) + 2 * low) / 4)
    np.testing.assert_allclose(model.probabilities(["b"]), (np.array([1, 0, 0, 0]) + low) / 2)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_positive_and_sum_to_one(order: int) -> None:
    model = _model(order, 16, 0.1)
    for history in ([], ["the"], ["the", "dentist"], ["dentist", "dentist", "the"]):
        probabilities = model.probabilities(history)
        assert probabilities.shape == (len(model.vocabulary),)
        assert probabilities.min() > 0
        assert math.isclose(probabilities.sum(), 1, abs_tol=1e-12)


def test_the_pool_holds_the_k_likeliest_words_above_the_floor() -> None:
    for k, floor in [(2, 0.0), (16, 0.0), (16, 0.3)]:
        model = _model(2, k, floor)
        chances = dict(zip(model.vocabulary[1:], model.probabilities(["the"])[1:], strict=True))
        ranked = sorted(chances, key=lambda word: (-chances[word], word))[:k]
        expected = {word for word in ranked if chances[word] >= floor * chances[ranked[0]]}
        step = model.step((model.ids["the"],))
        assert {model.vocabulary[number] for number in step.code_of} == expected
        assert {code: word for word, code in step.code_of.items()} == step.word_of


def _kraft(codes: list[str]) -> Fraction:
    return sum((Fraction(1, 2 ** len(code)) for code in codes), Fraction(0))


@settings(deadline=None)  # the machine is shared
@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=40))
def test_huffman_is_complete_prefix_free_and_within_a_bit_of_the_entropy(weights: list[float]) -> None:
    codes = huffman(weights)
    assert _kraft(codes) == 1
    ordered = sorted(codes)
    assert not any(after.startswith(before) for before, after in pairwise(ordered))
    p = np.array(weights) / sum(weights)
    entropy = -(p * np.log2(p)).sum()
    length = (p * [len(code) for code in codes]).sum()
    assert entropy - 1e-9 <= length < entropy + 1


@settings(deadline=None)  # the machine is shared
@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_huffman_is_as_short_as_the_best_of_all_codes(weights: list[int]) -> None:
    """All length profiles with Kraft sum 1, the longest code to the lightest symbol."""
    best = min(
        sum(length * weight for length, weight in zip(lengths, sorted(weights, reverse=True), strict=True))
        for lengths in combinations_with_replacement(range(1, len(weights)), len(weights))
        if sum(Fraction(1, 2**length) for length in lengths) == 1
    )
    codes = huffman(weights)
    assert sum(len(code) * weight for code, weight in zip(codes, weights, strict=True)) == best


def test_huffman_of_one_symbol_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two symbols"):
        huffman([1.0])
