"""What an embedder's tokeniser makes of a user's texts: cut at the limit, unknown, in scripts it does not know."""

import functools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts.own_file import Dropped, OwnTexts, checked_sizes
from qdllm_utils.texts.own_file_words import listed, many

COVERED = 0.99  # of the texts are read whole where max_tokens is 'auto'
SAMPLE = 4000  # texts, evenly spaced, that the scripts are judged by
WORDS = 20_000  # of a script, the most frequent
WORD = re.compile(r"[^\W\d_]+")
IDEOGRAPHS = 2000  # ideographs in the vocabulary of a model that reads Chinese or Japanese


@dataclass(frozen=True)
class Script:
    """One script among the texts, and how the tokeniser reads it.

    share: of all letters and emoji. pieces: tokens a word (an emoji is a word). lost: the share of tokens that are
    unknown or of a single character, in words of three letters and more. known: whether the embedder knows it.
    """

    name: str
    share: float
    pieces: float
    lost: float
    known: bool


@dataclass(frozen=True)
class Tokens:
    """Texts as the embedder reads them.

    max_tokens: the limit, special tokens counted; most: what the embedder could read, or None. lengths: (N,) tokens of
    each text before the cut. cut: (N,) whether it is cut. unknown: share of unknown tokens before the cut. equal:
    groups of rows whose tokens are the same after the cut. scripts: the most frequent first.
    """

    max_tokens: int
    most: int | None
    lengths: np.ndarray
    cut: np.ndarray
    unknown: float
    equal: tuple[tuple[int, ...], ...]
    scripts: tuple[Script, ...]


def auto_max_tokens(lengths: Sequence[int] | np.ndarray, limit: int | None, covered: float = COVERED) -> int:
    """The fewest tokens that read so many of the texts whole, at most `limit` (the model's position table)."""
    ordered = np.sort(np.asarray(lengths))
    if not len(ordered):
        raise InputError("max_tokens is 'auto', but there are no texts to choose it from: pass a number.")
    wanted = int(ordered[math.ceil(covered * len(ordered)) - 1])
    return max(1, min(wanted, limit or wanted))


def position_limit(tokenizer: Any, config: Any = None) -> int | None:
    """The most tokens that a model can read: its position table's length, or what its tokeniser says; else None.

    RoBERTa and its kin count positions from behind the padding token, so that the table is longer than the text.
    """
    limits = []
    said = getattr(tokenizer, "model_max_length", None)
    if isinstance(said, int) and said < 1_000_000:  # a tokeniser that does not know says 1e30
        limits.append(said)
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        kin = getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
        limits.append(positions - (getattr(config, "pad_token_id", 1) or 0) - 1 if kin else positions)
    return min(limits, default=None)


def check_limit(max_tokens: int | str, lengths: np.ndarray, limit: int | None) -> int:
    """max_tokens as a number: 'auto' is chosen from the lengths; more than the model can read is an InputError."""
    if max_tokens == "auto":
        return auto_max_tokens(lengths, limit)
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 4:
        raise InputError(f"max_tokens is {max_tokens!r}: it must be 'auto' or a whole number from 4.")
    if limit is not None and max_tokens > limit:
        raise InputError(f"max_tokens is {max_tokens:,}, but the embedder reads at most {limit:,} tokens: pass fewer.")
    return max_tokens


def read_tokens(texts: Sequence[str], tokenizer: Any, max_tokens: int | str = 60, limit: int | None = None) -> Tokens:
    """How a Hugging Face tokeniser reads texts; `limit` (see position_limit) bounds max_tokens."""
    limit = limit or position_limit(tokenizer)
    whole = tokenizer(list(texts), verbose=False)["input_ids"]
    lengths = np.array([len(ids) for ids in whole])
    most = check_limit(max_tokens, lengths, limit)
    cut = lengths > most
    read = dict(enumerate(map(tuple, whole)))
    if cut.any():
        rows = np.flatnonzero(cut)
        again = tokenizer([texts[int(row)] for row in rows], truncation=True, max_length=most)["input_ids"]
        read |= {int(row): tuple(ids) for row, ids in zip(rows, again, strict=True)}
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, ids in read.items():
        groups[ids].append(row)
    equal = tuple(tuple(rows) for rows in groups.values() if len(rows) > 1)
    unknown_id = tokenizer.unk_token_id
    special = set(tokenizer.all_special_ids) - {unknown_id}
    tokens = unknown = 0
    for ids in whole:
        tokens += sum(one not in special for one in ids)
        unknown += ids.count(unknown_id) if unknown_id is not None else 0
    return Tokens(most, limit, lengths, cut, unknown / max(tokens, 1), equal, scripts(texts, tokenizer))


@functools.cache
def script_of(character: str) -> str | None:
    """LATIN, CYRILLIC, CJK, ... of a letter; EMOJI of a pictograph; None of anything else."""
    kind = unicodedata.category(character)
    if kind == "So" and ord(character) > 0x2190:
        return "EMOJI"
    if not kind.startswith("L"):
        return None
    name = unicodedata.name(character, "UNKNOWN").split()
    return {"FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA", "MICRO": None, "MODIFIER": None}.get(name[0], name[0])


def scripts(texts: Sequence[str], tokenizer: Any) -> tuple[Script, ...]:
    """Each script that holds at least 1% of the letters and emoji of the texts (a sample of them, if many)."""
    words: dict[str, Counter[str]] = defaultdict(Counter)
    letters: Counter[str] = Counter()
    latin: list[list[str]] = []
    for text in texts[:: max(math.ceil(len(texts) / SAMPLE), 1)]:
        latin.append([])
        for whole in WORD.findall(text):
            for name, run in groupby(whole, key=script_of):
                if name:
                    word = "".join(run)
                    words[name][word] += 1
                    letters[name] += len(word)
                    if name == "LATIN" and len(word) > 2:
                        latin[-1].append(word)
        for character in text:
            if script_of(character) == "EMOJI":
                words["EMOJI"][character] += 1
                letters["EMOJI"] += 1
    total = max(letters.total(), 1)
    found = [(name, count / total) for name, count in letters.most_common() if count >= 0.01 * total]
    return tuple(judge(name, share, words[name], tokenizer, latin) for name, share in found)


def judge(name: str, share: float, words: Counter[str], tokenizer: Any, latin: list[list[str]]) -> Script:
    """How a tokeniser reads the words of a script; latin: the Latin words of each text.

    A script is unknown where half of its tokens or more are unknown or single characters; Latin letters also
    where words fall into 1.8 pieces and more in a tenth of the texts (English: 1.0 to 1.3, other languages in an
    English vocabulary: over 2). An ideograph is a token by itself in models that know it too: there the
    vocabulary's size decides.
    """
    long = Counter({word: count for word, count in words.items() if len(word) > 2})
    asked = dict((long if long and name not in ("CJK", "EMOJI") else words).most_common(WORDS))
    pieces: dict[str, int] = {}
    lost = 0
    for word, ids in zip(asked, tokenizer(list(asked), add_special_tokens=False)["input_ids"], strict=True):
        pieces[word] = len(ids)
        lost += asked[word] * sum(is_lost(tokenizer, one, name) for one in ids)
    tokens = sum(asked[word] * count for word, count in pieces.items())
    share_lost = lost / max(tokens, 1)
    known = share_lost < 0.5
    if name == "LATIN":
        known = known and foreign(latin, pieces) < 0.1
    elif name == "CJK":
        known = share_lost < 0.1 and ideographs(tokenizer) >= IDEOGRAPHS
    return Script(name, share, tokens / max(sum(asked.values()), 1), share_lost, known)


def foreign(latin: list[list[str]], pieces: dict[str, int]) -> float:
    """The share of texts whose words fall into 1.8 pieces and more on average; texts of under three words aside."""
    counts = [[pieces[word] for word in text if word in pieces] for text in latin]
    judged = [sum(some) / len(some) for some in counts if len(some) > 2]
    return sum(mean >= 1.8 for mean in judged) / max(len(judged), 1)


def is_lost(tokenizer: Any, token: int, script: str) -> bool:
    """Whether a token says nothing of its word: unknown, part of a character, or one letter."""
    if token == tokenizer.unk_token_id:
        return True
    piece = tokenizer.decode([token]).strip().removeprefix("##")
    return "\ufffd" in piece or (len(piece) <= 1 and script not in ("CJK", "EMOJI"))


def ideographs(tokenizer: Any) -> int:
    """How many tokens of a vocabulary hold an ideograph; a vocabulary of bytes is decoded to see them."""
    tokens = list(tokenizer.get_vocab())
    if any("Ġ" in token for token in tokens[:5000]):
        tokens = [tokenizer.convert_tokens_to_string([token]) for token in tokens]
    return sum(any("\u4e00" <= character <= "\u9fff" for character in token) for token in tokens)


def without_equals(own: OwnTexts, tokens: Tokens) -> OwnTexts:
    """The corpus in which no two texts are equal to the embedder: the first of equals with one label is kept.

    Texts that are equal and carry two labels are all dropped. Every dropped row is counted with its reason.
    """
    gone: dict[int, str] = {}
    for group in tokens.equal:
        places = [int(own.places[row]) for row in group]
        if len({int(own.labels[row]) for row in group}) > 1:
            where = f"{own.unit} {listed([str(place) for place in places])}"
            gone |= dict.fromkeys(group, f"equal to the embedder, with two labels ({where})")
        else:
            gone |= dict.fromkeys(group[1:], f"equal to {own.unit} {places[0]} for the embedder")
    if not gone:
        return own
    kept = [row for row in range(len(own.texts)) if row not in gone]
    more = [
        Dropped(int(own.places[row]), f"{reason}, cut at {tokens.max_tokens} tokens") for row, reason in gone.items()
    ]
    fewer = replace(
        own,
        texts=tuple(own.texts[row] for row in kept),
        labels=own.labels[kept],
        places=own.places[kept],
        probabilities=None if own.probabilities is None else own.probabilities[kept],
        dropped=tuple(sorted([*own.dropped, *more], key=lambda one: one.place)),
        notices=(*own.notices, f"{many(len(gone), 'text')} equal to another one for the embedder were left out."),
    )
    checked_sizes(fewer)
    return fewer
