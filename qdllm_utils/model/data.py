"""Labelled texts as they are trained on: checked, without repeated texts, classes by name, split 6:2:2."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.model.text_model import checked_texts
from qdllm_utils.texts.sources import same_text, split

LEAST = 5  # texts of a class: 3 to train, 1 to validate, 1 to test


@dataclass(frozen=True)
class Labelled:
    """texts (N), labels (N,) as numbers into classes, unlabelled texts (U), rows of train, validation and test.

    probabilities: (N + U, C) of a teacher that is given so, or None. repeated, contradictory: how many rows were left
    out because their text stands there already, or with more than one label.
    """

    texts: list[str]
    labels: np.ndarray
    classes: list[Any]
    unlabelled: list[str]
    rows: dict[str, np.ndarray]
    probabilities: np.ndarray | None
    repeated: int
    contradictory: int

    @property
    def everything(self) -> list[str]:
        """The labelled texts, then the unlabelled ones."""
        return [*self.texts, *self.unlabelled]

    @property
    def majority(self) -> int:
        """The class with most training texts."""
        return int(np.bincount(self.labels[self.rows["train"]]).argmax())

    @property
    def taught_rows(self) -> np.ndarray:
        """The rows of `everything` that the teacher's outputs are learnt from: training and unlabelled texts."""
        return np.concatenate([self.rows["train"], np.arange(len(self.texts), len(self.everything))])

    def part(self, name: str) -> list[str]:
        """The texts of train, validation or test."""
        return [self.texts[row] for row in self.rows[name]]

    def with_teacher(self, logits: np.ndarray) -> np.ndarray:
        """A class for each text of `everything`: its label, or, of an unlabelled text, what the teacher says."""
        return np.concatenate([self.labels, logits[len(self.texts) :].argmax(axis=1)])


def names_of(labels: Sequence[Any], count: int) -> list[Any]:
    """The labels as plain Python values of one type; raises InputError where one is missing or types are mixed."""
    found = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if len(found) != count:
        raise InputError(f"There are {count} texts and {len(found)} labels: give one label for each text.")
    for number, label in enumerate(found):
        if label is None or label != label or label == "":
            raise InputError(f"Label number {number} is missing: fill it in or leave the text out.")
        if not isinstance(label, str | int | float | bool):
            raise InputError(f"Label number {number} is {label!r}: a label must be a string or a number.")
    if len({type(label) for label in found}) > 1:
        kinds = ", ".join(sorted({type(label).__name__ for label in found}))
        raise InputError(f"The labels are of several types ({kinds}): make them all strings, or all whole numbers.")
    return found


def prepare(
    texts: Sequence[str], labels: Sequence[Any], given: np.ndarray | None, unlabelled: Sequence[str] | None, seed: int
) -> Labelled:
    """Check and split. given: class probabilities (N, C) or (N + U, C) of the teacher, columns by sorted label."""
    words, names = checked_texts(texts), names_of(labels, len(texts))
    more = checked_texts(unlabelled) if unlabelled is not None else []
    classes = sorted(set(names))
    chances = checked_probabilities(given, len(words), len(more), len(classes)) if given is not None else None
    kept, repeated, contradictory = without_repeats(words, names)
    counts = Counter(names[row] for row in kept)
    if len(classes) < 2:
        raise InputError(f"There is one class, {classes[0]!r}: two are needed." if classes else "There are no texts.")
    smallest = min(classes, key=lambda name: counts[name])
    if counts[smallest] < LEAST:
        raise InputError(
            f"The class {smallest!r} has {counts[smallest]} different texts: at least {LEAST} are needed; add "
            "texts, or "
            "join or leave out the class."
        )
    numbers = np.array([classes.index(names[row]) for row in kept])
    if chances is not None:
        chances = np.concatenate([chances[kept], chances[len(words) :]])
    kept_texts = [words[row] for row in kept]
    return Labelled(kept_texts, numbers, classes, more, checked_split(numbers, seed), chances, repeated, contradictory)


def checked_split(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The 6:2:2 split; raises InputError where there are more classes than a part has texts."""
    try:
        return split(labels, seed)
    except ValueError:
        classes = labels.max() + 1
        raise InputError(
            f"{len(labels)} texts cannot be split 6:2:2 over {classes} classes: give at least {5 * classes} texts."
        ) from None


def without_repeats(texts: list[str], labels: list[Any]) -> tuple[list[int], int, int]:
    """The rows to keep: the first of equal texts (case and spacing ignored), none with more than one label."""
    seen: dict[str, set[Any]] = {}
    for text, label in zip(texts, labels, strict=True):
        seen.setdefault(same_text(text), set()).add(label)
    kept, contradictory, done = [], 0, set()
    for row, text in enumerate(texts):
        same = same_text(text)
        if len(seen[same]) > 1:
            contradictory += 1
        elif same not in done:
            done.add(same)
            kept.append(row)
    return kept, len(texts) - len(kept) - contradictory, contradictory


def checked_probabilities(given: np.ndarray, n: int, more: int, classes: int) -> np.ndarray:
    """(N + U, C) float64; rows that sum to 1 within 0.01."""
    found = np.asarray(given, float)
    if found.ndim != 2 or found.shape[1] != classes or len(found) not in {n, n + more}:
        raise InputError(
            f"The teacher's probabilities have the shape {found.shape}: there must be a row for each of the "
            f"{n} texts and "
            f"a column for each of the {classes} classes, in sorted order."
        )
    if len(found) < n + more:
        raise InputError(
            f"The teacher's probabilities have no rows for the {more} unlabelled texts: add them after the "
            "labelled ones, "
            "or leave the unlabelled texts out."
        )
    wrong = np.flatnonzero(
        ~(np.isfinite(found).all(axis=1) & (found >= 0).all(axis=1) & (abs(found.sum(axis=1) - 1) < 0.01))
    )
    if len(wrong):
        raise InputError(
            f"Row number {wrong[0]} of the teacher's probabilities is no distribution (its sum is "
            f"{found[wrong[0]].sum():.3g}): each row must hold numbers from 0 to 1 that sum to 1."
        )
    return found
