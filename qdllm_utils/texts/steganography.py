"""Generative linguistic steganography: hide bits in the choice of each next word, and read them back.

A language model offers its likeliest next words, Huffman coding gives each a prefix-free code, and the
secret bits choose the word. Method: the variable-length coding of Z.-L. Yang, X.-Q. Guo, Z.-M. Chen,
Y.-F. Huang and Y.-J. Zhang, "RNN-Stega: Linguistic steganography based on recurrent neural networks",
IEEE Trans. Inf. Forensics Security 14(5):1280-1295, 2019, doi:10.1109/TIFS.2018.2871746. The language
model is an n-gram model as in Z. Yang, S. Jin, Y. Huang, Y. Zhang and H. Li, "Automatically generate
steganographic text based on Markov model and Huffman coding", arXiv:1811.04720.

Deviations: the first word carries bits too, instead of coming from a list of start words; a near-certain
word carries none (see `NgramModel`, argument `floor`); the end of the message travels with the bits (see
`embed`), so that the receiver needs the model and the key and nothing else.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from random import Random

import numpy as np
from numpy.typing import NDArray

_BOUNDARY = 0  # the id of the sentence start and end; its name "" is never a word of a split text
_LONGEST_ENDING = 12  # words; a model that runs in circles would otherwise never close its sentence


def huffman(weights: Sequence[float]) -> list[str]:
    """Canonical Huffman code of positive weights (any scale, not necessarily normalised).

    Returns one string of '0' and '1' per weight, in the order given: prefix-free, of least expected length
    (D. A. Huffman, Proc. IRE 40(9):1098-1101, 1952), equal weights told apart by their order.
    Raises ValueError for fewer than two weights.
    """
    if len(weights) < 2:
        raise ValueError(f"a code needs at least two symbols, got {len(weights)}")
    heap = [(float(weight), order, [order]) for order, weight in enumerate(weights)]
    heapq.heapify(heap)
    lengths = [0] * len(weights)
    for node in range(len(weights), 2 * len(weights) - 1):
        light, heavy = heapq.heappop(heap), heapq.heappop(heap)
        members = light[2] + heavy[2]
        for member in members:
            lengths[member] += 1
        heapq.heappush(heap, (light[0] + heavy[0], node, members))

    codes = [""] * len(weights)
    value = length = 0
    for symbol in sorted(range(len(weights)), key=lambda i: (lengths[i], i)):
        value <<= lengths[symbol] - length
        length = lengths[symbol]
        codes[symbol] = f"{value:0{length}b}"
        value += 1
    return codes


@dataclass(frozen=True)
class Step:
    """What a model offers in one context, code -> word id and back, and whether a sentence ends there."""

    word_of: dict[str, int]
    code_of: dict[int, str]
    ends: bool


class NgramModel:
    """Interpolated n-gram model of words and sentence ends, fitted on cover texts; no randomness.

    Witten-Bell smoothing (I. H. Witten and T. C. Bell, IEEE Trans. Inf. Theory 37(4):1085-1094, 1991):
    P(w | h) = (c(h w) + t(h) P(w | h')) / (c(h) + t(h)), with c counts, t(h) the number of distinct words
    seen after h, h' the history h without its oldest word; the unigrams are relative frequencies. So every
    word of the vocabulary is possible everywhere. Probabilities come from elementwise float64 arithmetic in
    a fixed order, hence are the same bits on every machine that follows IEEE 754.

    Args:
        texts: cover texts, words joined by whitespace; blank texts are passed over.
        order: the n of n-gram, 1 or more: a word depends on the n - 1 words before it.
        k: size of the candidate pool: the k likeliest next words are offered, k at least 2.
        floor: in [0, 1]; a word less likely than floor times the likeliest is not offered. A Huffman code
            spends a whole bit where one word is almost certain, and so writes odd words half of the time
            there; with a floor, such a word stands alone and carries no bit (in the spirit of F. Dai and
            Z. Cai, "Towards near-imperceptible steganographic text", ACL 2019). 0 offers k words everywhere.

    Raises ValueError if an argument is out of its range or if the cover texts hold no word.
    """

    def __init__(self, texts: Iterable[str], order: int = 3, k: int = 16, floor: float = 0.1) -> None:
        """Count the n-grams of the cover texts; the arguments are those of the class."""
        if order < 1 or k < 2 or not 0 <= floor <= 1:
            raise ValueError(f"need order >= 1, k >= 2, 0 <= floor <= 1, got {order}, {k}, {floor}")
        sentences = [words for words in (text.split() for text in texts) if words]
        if not sentences:
            raise ValueError("the cover corpus is empty: give at least one text with a word in it")
        self.order, self.k, self.floor = order, k, floor
        self.vocabulary: tuple[str, ...] = ("", *sorted({word for words in sentences for word in words}))
        self.ids: dict[str, int] = {word: number for number, word in enumerate(self.vocabulary)}
        counts: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for words in sentences:
            ids = [*self.start, *(self.ids[word] for word in words), _BOUNDARY]
            for position in range(order - 1, len(ids)):
                for size in range(order):
                    counts[tuple(ids[position - size : position])][ids[position]] += 1
        self._counts = {
            history: (np.array(list(after), dtype=np.intp), np.array(list(after.values()), dtype=np.float64))
            for history, after in counts.items()
        }
        self._steps: dict[tuple[int, ...], Step] = {}

    @property
    def start(self) -> tuple[int, ...]:
        """The history before the first word of a sentence: order - 1 boundaries."""
        return (_BOUNDARY,) * (self.order - 1)

    def probabilities(self, history: Sequence[str] = ()) -> NDArray[np.float64]:
        """P(next | history) over `vocabulary`, shape (V,), summing to 1; entry 0 is the end of the sentence.

        Args:
            history: the words of the sentence so far; () is its start.

        Raises ValueError for a word outside the vocabulary.
        """
        unknown = [word for word in history if word not in self.ids]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a word of this model")
        ids = (*self.start, *(self.ids[word] for word in history))
        return self._probabilities(ids[len(ids) - (self.order - 1) :])

    def _probabilities(self, history: tuple[int, ...]) -> NDArray[np.float64]:
        ids, counts = self._counts[()]
        result = np.zeros(len(self.vocabulary))
        result[ids] = counts / counts.sum()
        for size in range(1, len(history) + 1):
            seen = self._counts.get(history[-size:])
            if seen is None:
                break
            ids, counts = seen
            result *= len(ids)
            result[ids] += counts
            result /= counts.sum() + len(ids)
        return result

    def step(self, history: tuple[int, ...]) -> Step:
        """The Huffman code of the words offered after a history of order - 1 word ids.

        The end of the sentence is never among them: it is a rule (`follow`), not a choice. Equally likely
        words stand in alphabetical order.
        """
        while history and history not in self._counts:
            history = history[1:]
        if history not in self._steps:
            probabilities = self._probabilities(history)
            words = 1 + np.argsort(-probabilities[1:], kind="stable")[: self.k]
            chances = probabilities[words]
            offered = words[chances >= self.floor * chances[0]].tolist()
            codes = huffman(chances[: len(offered)].tolist()) if len(offered) > 1 else [""]
            self._steps[history] = Step(
                word_of=dict(zip(codes, offered, strict=True)),
                code_of=dict(zip(offered, codes, strict=True)),
                ends=bool(probabilities[_BOUNDARY] > chances[0]),
            )
        return self._steps[history]

    def follow(self, history: tuple[int, ...], word: int) -> tuple[tuple[int, ...], bool]:
        """The history after one more word, and whether the sentence is over (its end likelier than any word).

        After an end the history is that of a new sentence, as sender and receiver both can tell.
        """
        longer = (*history, word)[1:]
        ends = self.step(longer).ends
        return (self.start if ends else longer), ends


def _whiten(bits: Iterable[str], key: int) -> Iterator[str]:
    """The bits XOR a key stream; its own inverse. For texts that look natural, not for secrecy."""
    rng = Random(f"keystream {key}")
    return (str(int(bit) ^ rng.getrandbits(1)) for bit in bits)


def embed(bits: str, model: NgramModel, key: int = 0) -> str:
    """The text that carries the bits: words joined by single spaces; same arguments, same text.

    The stream is the bits, one '1', then as many '0' as it takes to come to the end of a sentence (the
    padding of ISO/IEC 9797-1, method 2), all XORed with a key stream. So any bits, '' included, come out of
    `extract` again, and neither a length header nor the padding shows as words that return in each text.
    Bits that outlast a sentence go on in a next one.

    Args:
        bits: any string of '0' and '1'.
        model: shared with the receiver: the same cover texts, order, k and floor.
        key: shared with the receiver; seeds the key stream.

    Raises ValueError for other characters in bits, or where the model leaves no choice of words.
    """
    if set(bits) - {"0", "1"}:
        raise ValueError(f"bits must be a string of '0' and '1', got {bits[:40]!r}")
    stream = _whiten(chain(bits, "1", repeat("0")), key)
    words: list[str] = []
    history, left, ending = model.start, len(bits) + 1, 0
    idle: set[tuple[int, ...]] = set()
    while True:
        step = model.step(history)
        code = ""
        while code not in step.word_of:
            code += next(stream)
        if code:
            idle.clear()
        elif history in idle and left > 0:
            raise ValueError("the model leaves no choice of words: give more covers or a lower floor")
        idle.add(history)
        words.append(model.vocabulary[step.word_of[code]])
        history, ends = model.follow(history, step.word_of[code])
        left -= len(code)
        if left <= 0:
            ending += 1
            if ends or ending > _LONGEST_ENDING:
                return " ".join(words)


def extract(text: str, model: NgramModel, key: int = 0) -> str:
    """The bits that `embed` hid in the text with the same model and key.

    Raises ValueError if a word is not among those that the model offers at its place, or if the end mark is
    missing: the text was changed, or comes from somebody else, or model or key differ. A change into
    another offered word cannot be noticed, and yields other bits.
    """
    history = model.start
    found: list[str] = []
    for place, word in enumerate(text.split(), start=1):
        number = model.ids.get(word, _BOUNDARY)
        code = model.step(history).code_of.get(number)
        if code is None:
            raise ValueError(
                f"word {place}, {word!r}, is not among those that the model could have written there: "
                "the text was changed, or the model is not the sender's"
            )
        found.append(code)
        history, _ = model.follow(history, number)
    bits = "".join(_whiten("".join(found), key))
    end = bits.rfind("1")
    if end < 0:
        raise ValueError("no end mark: the text is empty, cut off, or not from `embed` with this key")
    return bits[:end]
