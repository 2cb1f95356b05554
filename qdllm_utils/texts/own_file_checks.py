"""The data check of a user's corpus, as plain fields and as sentences for a page."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qdllm_utils.texts.own_file import Dropped, OwnTexts
from qdllm_utils.texts.own_file_near import near_rows
from qdllm_utils.texts.own_file_tokens import Script, Tokens, read_tokens
from qdllm_utils.texts.own_file_words import listed, many, quoted

IMBALANCE = 5  # times more texts of the largest class than of the smallest: said on the page
SCRIPTS = {"EMOJI": "emoji", "CJK": "Chinese characters"}
PARTS = {"train": "training"}
SCARCE_TEST = 10  # test texts of a class, under which its recall moves in steps of a tenth


@dataclass(frozen=True)
class ClassCount:
    """A class and how many texts it has in all and in each part of the split."""

    name: str
    texts: int
    parts: dict[str, int]


@dataclass(frozen=True)
class NearDuplicate:
    """A test or validation text that nearly repeats a training text, by their places in the file.

    jaccard: of their character 5-grams. same_label: whether the two carry one label.
    """

    part: str
    place: int
    neighbour: int
    jaccard: float
    same_label: bool


@dataclass(frozen=True)
class DataCheck:
    """What a page says about a user's corpus before anything is trained.

    rows: of the file; dropped: those not used, with places and reasons. parts: texts of each part of the split.
    near: the texts outside training with a near-duplicate in it. imbalance: texts of the largest class over the
    smallest. max_tokens, most (it could read), cut, cut_by_class, longest, median_tokens, unknown, scripts: as the
    embedder reads the texts (None or empty without a tokeniser). equal: groups of rows that the embedder cannot tell
    apart, as places; equal_labels: groups with two labels; equal_parts: with texts in training and outside.
    agreement: share of rows whose largest probability p_<class> is their label.
    """

    name: str
    unit: str
    rows: int
    texts: int
    unlabelled: int
    classes: tuple[ClassCount, ...]
    parts: dict[str, int]
    imbalance: float
    notices: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    near: tuple[NearDuplicate, ...]
    max_tokens: int | None = None
    most: int | None = None
    cut: int | None = None
    cut_by_class: tuple[tuple[str, int], ...] = ()
    longest: int | None = None
    median_tokens: float | None = None
    unknown: float | None = None
    scripts: tuple[Script, ...] = ()
    equal: tuple[tuple[int, ...], ...] = ()
    equal_labels: int = 0
    equal_parts: int = 0
    agreement: float | None = None

    def sentences(self) -> list[str]:
        """The check in plain English: what was read, what was left out, and what to beware of."""
        counts = listed([f"{quoted(one.name)} {one.texts:,}" for one in self.classes], 30)
        said = [
            f"{self.name}: {many(self.rows, 'row')}, {many(self.texts, 'text')} with a label in "
            f"{len(self.classes)} classes ({counts})"
            + (f", {self.unlabelled:,} without" if self.unlabelled else "")
            + ".",
            "Split: " + ", ".join(f"{count:,} {PARTS.get(part, part)}" for part, count in self.parts.items()) + ".",
            *self.notices,
        ]
        if self.dropped:
            shown = "; ".join(f"{self.unit} {one.place}: {one.reason}" for one in self.dropped[:3])
            more = f"; and {len(self.dropped) - 3:,} more" if len(self.dropped) > 3 else ""
            said.append(f"Not used: {shown}{more}.")
        return said + self.about_classes() + self.about_repeats() + self.about_tokens()

    def about_classes(self) -> list[str]:
        """Sentences about imbalance, scarce classes and the probabilities that came with the rows."""
        said = []
        if self.imbalance >= IMBALANCE:
            largest, smallest = (pick(self.classes, key=lambda one: one.texts) for pick in (max, min))
            said.append(
                f"The classes are unbalanced: {quoted(largest.name)} has {self.imbalance:.3g} times the texts of "
                f"{quoted(smallest.name)}, and always answering {quoted(largest.name)} would be right on "
                f"{largest.texts / self.texts:.1%}; look at each class's recall, not at accuracy alone."
            )
        scarce = [
            f"{quoted(one.name)} ({one.parts['test']})" for one in self.classes if one.parts["test"] < SCARCE_TEST
        ]
        if scarce:
            said.append(f"Few test texts, so that a class's recall is hardly known: {listed(scarce)}.")
        if self.agreement is not None:
            said.append(f"The given probabilities name the label on {self.agreement:.1%} of the texts.")
        return said

    def about_repeats(self) -> list[str]:
        """Sentences about texts outside training that repeat, or nearly repeat, a training text."""
        said = []
        by_part = Counter(one.part for one in self.near)
        for part, count in by_part.items():
            share = count / self.parts[part]
            example = next(one for one in self.near if one.part == part)
            where = f"{self.unit} {example.place} and {example.neighbour}"
            said.append(
                f"{count:,} of {self.parts[part]:,} {part} texts ({share:.0%}) nearly repeat a training text "
                f"(character 5-grams, Jaccard 0.5 and more; {where}): {part} accuracy flatters what new texts will get."
            )
        if self.equal:
            said.append(
                f"{many(sum(map(len, self.equal)), 'text')} in {many(len(self.equal), 'group')} are equal to the "
                f"embedder ({self.unit} {' and '.join(str(place) for place in self.equal[0][:2])}): "
                f"{self.equal_labels:,} with two labels, {self.equal_parts:,} across the split."
            )
        return said

    def about_tokens(self) -> list[str]:
        """Sentences about the token limit, unknown tokens, and scripts that the embedder does not know."""
        if self.max_tokens is None or self.cut is None:
            return []
        said = [
            f"The embedder reads {self.max_tokens:,} tokens of a text (median {self.median_tokens:.0f}, longest "
            f"{self.longest:,}); texts that are cut: {self.cut:,} of {self.texts:,} ({self.cut / self.texts:.0%})."
        ]
        if self.cut > 0.01 * self.texts:
            worst = listed([f"{quoted(name)} {count:,}" for name, count in self.cut_by_class], 8)
            longer = (
                "raise max_tokens"
                if self.most is None or self.max_tokens < self.most
                else ("this embedder reads no more, so put what matters first or choose one that reads longer texts")
            )
            said.append(f"What stands behind the cut is not read ({worst}): {longer}.")
        if self.unknown:
            said.append(f"{self.unknown:.1%} of the tokens are unknown to the embedder.")
        for one in self.scripts:
            if not one.known:
                what = (
                    "many Latin words" if one.name == "LATIN" else SCRIPTS.get(one.name, f"{one.name.title()} letters")
                )
                said.append(
                    f"The embedder hardly knows {what} ({one.share:.0%} of the letters): {one.pieces:.1f} tokens a "
                    f"word, {one.lost:.0%} of them unknown or single characters; is it made for these languages?"
                )
        return said


def data_check(
    own: OwnTexts,
    tokenizer: Any = None,
    max_tokens: int | str = 60,
    split: Mapping[str, np.ndarray] | None = None,
    limit: int | None = None,
) -> DataCheck:
    """The data check of a corpus.

    tokenizer: of the embedder (a Hugging Face one); without it nothing is said of tokens. max_tokens: a number or
    'auto'. split: rows of each part; None: the project's 6:2:2 split. limit: the model's position table.
    """
    from qdllm_utils.texts import sources

    parts = dict(split) if split is not None else sources.split(own.labels, 0)
    classes = tuple(
        ClassCount(name, int((own.labels == k).sum()), {p: int((own.labels[r] == k).sum()) for p, r in parts.items()})
        for k, name in enumerate(own.classes)
    )
    sizes = [one.texts for one in classes]
    agreement = None if own.probabilities is None else float((own.probabilities.argmax(1) == own.labels).mean())
    check = DataCheck(
        own.name,
        own.unit,
        own.rows,
        len(own.texts),
        len(own.unlabelled),
        classes,
        {part: len(rows) for part, rows in parts.items()},
        max(sizes) / max(min(sizes), 1),
        own.notices,
        own.dropped,
        near_duplicates(own, parts),
        agreement=agreement,
    )
    return (
        check
        if tokenizer is None
        else with_tokens(check, own, read_tokens(own.texts, tokenizer, max_tokens, limit), parts)
    )


def near_duplicates(own: OwnTexts, parts: Mapping[str, np.ndarray]) -> tuple[NearDuplicate, ...]:
    """The texts of each part but training that nearly repeat a training text."""
    found = []
    for part in parts:
        if part != "train":
            for near in near_rows(list(own.texts), parts[part], parts["train"]):
                same = bool(own.labels[near.row] == own.labels[near.neighbour])
                place, neighbour = int(own.places[near.row]), int(own.places[near.neighbour])
                found.append(NearDuplicate(part, place, neighbour, near.jaccard, same))
    return tuple(found)


def with_tokens(check: DataCheck, own: OwnTexts, tokens: Tokens, parts: Mapping[str, np.ndarray]) -> DataCheck:
    """The check with what the embedder's tokeniser makes of the texts."""
    training = set(parts["train"].tolist())
    by_class = Counter(own.labels[tokens.cut].tolist())
    return replace(
        check,
        max_tokens=tokens.max_tokens,
        most=tokens.most,
        cut=int(tokens.cut.sum()),
        cut_by_class=tuple((name, by_class[k]) for k, name in enumerate(own.classes) if by_class[k]),
        longest=int(tokens.lengths.max()),
        median_tokens=float(np.median(tokens.lengths)),
        unknown=tokens.unknown,
        scripts=tokens.scripts,
        equal=tuple(tuple(int(own.places[row]) for row in group) for group in tokens.equal),
        equal_labels=sum(len({int(own.labels[row]) for row in group}) > 1 for group in tokens.equal),
        equal_parts=sum(len({row in training for row in group}) > 1 for group in tokens.equal),
    )
