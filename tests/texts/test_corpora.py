"""The generated corpora are what they claim: seeded, balanced, distinct, learnable and not trivial."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from qdllm_utils.texts.corpora import generate, steganographer
from qdllm_utils.texts.steganography import embed, extract

CLASSES = {
    "emotion": {"neg", "pos"},
    "hiding": {"neg", "pos"},
    "thematic": {"business", "sci", "sport", "world"},
}
# SHA-256 of the lines 'label<TAB>text' of 20 texts a class, seed 0: the same on every machine. A change
# of the grammar changes them, and with them every number of the scale `demo`.
DIGESTS = {
    "emotion": "f19501622a708d952a49b9c13c0c95967ce8bded2e3073c0ab5d902b0ab5fd9d",
    "hiding": "3ce61366dacc005cbbc980e76faff82d86e12b4faa7cd9737c30c93f97157fa1",
    "thematic": "12cacb18377a9164b5c6ffe205f7cfbea4383def9fcb334874beeb236074da76",
}


@pytest.mark.parametrize("task", CLASSES)
def test_balanced_distinct_and_of_the_right_length(task: str) -> None:
    texts, labels = generate(task, 100)
    assert Counter(labels) == dict.fromkeys(CLASSES[task], 100)
    assert len(set(texts)) == len(texts) == len(labels)
    shortest, longest = (12, 25) if task == "thematic" else (8, 16)
    assert all(shortest <= len(text.split()) <= longest for text in texts)
    assert all(text == " ".join(text.split()) and "{" not in text for text in texts)


@pytest.mark.parametrize("task", CLASSES)
def test_the_seed_decides_every_byte(task: str) -> None:
    texts, labels = generate(task, 20)
    lines = "".join(f"{label}\t{text}\n" for text, label in zip(texts, labels, strict=True))
    assert hashlib.sha256(lines.encode()).hexdigest() == DIGESTS[task]
    assert len(set(texts) & set(generate(task, 20, seed=1)[0])) <= 2


@pytest.mark.parametrize("task", CLASSES)
def test_classes_are_shuffled(task: str) -> None:
    """Chance leaves about 1/C of the neighbours in the same class; sorted labels would leave nearly all."""
    labels = generate(task, 100)[1]
    same = sum(a == b for a, b in pairwise(labels)) / (len(labels) - 1)
    assert abs(same - 1 / len(CLASSES[task])) < 0.15


@pytest.mark.parametrize("task", CLASSES)
def test_three_thousand_texts_a_class(task: str) -> None:
    texts, labels = generate(task, 3000)
    assert len(set(texts)) == len(labels) == 3000 * len(CLASSES[task])


@pytest.mark.parametrize(
    ("task", "least", "most"), [("emotion", 0.7, 0.92), ("hiding", 0.6, 0.88), ("thematic", 0.7, 0.95)]
)
def test_learnable_but_not_trivial(task: str, least: float, most: float) -> None:
    """A bag of words does better than chance (1/2, 1/2, 1/4), and is far from perfect."""
    texts, labels = generate(task, 1200 // len(CLASSES[task]))
    train, test, train_labels, test_labels = train_test_split(
        texts, labels, test_size=0.4, stratify=labels, random_state=0
    )
    probe = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(train, train_labels)
    assert least < probe.score(test, test_labels) < most


def test_stego_texts_carry_bits_and_covers_do_not() -> None:
    model = steganographer(seed=3)
    texts, labels = generate("hiding", 60, seed=3)
    readable = Counter[str]()
    for text, label in zip(texts, labels, strict=True):
        try:
            bits = extract(text, model)
        except ValueError:
            continue
        if embed(bits, model) == text:
            readable[label] += 1
            assert label == "neg" or 14 <= len(bits) <= 40
    assert readable["pos"] == 60
    assert readable["neg"] < 20


def test_stego_and_cover_texts_have_similar_lengths() -> None:
    """Length alone must not give the stego texts away."""
    texts, labels = generate("hiding", 300)
    words = {
        label: [len(t.split()) for t, other in zip(texts, labels, strict=True) if other == label]
        for label in set(labels)
    }
    assert abs(sum(words["neg"]) - sum(words["pos"])) / 300 < 0.8


def test_an_unknown_task_is_refused_with_the_three_that_exist() -> None:
    with pytest.raises(ValueError, match=r"unknown task 'sarcasm'.*'emotion', 'hiding', 'thematic'"):
        generate("sarcasm", 10)
    with pytest.raises(ValueError, match="at least 1"):
        generate("emotion", 0)
