"""From labelled texts to the smallest model that is level with the teacher: split, teacher, candidates, choice, test.

The split is 6:2:2, stratified, by seed. Learning rates, temperatures and the choice see validation texts only; the test
texts give the accuracies that are reported, and choose nothing.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError, choose
from qdllm_utils.model import choice, tokens
from qdllm_utils.model.calibration import Reliability, reliability
from qdllm_utils.model.candidates import (
    ARMS,
    Candidate,
    baseline_candidate,
    embedded,
    head_candidate,
    teacher_candidate,
    text_seconds,
    tfidf_candidate,
)
from qdllm_utils.model.curve import LearningCurve, learning_curve
from qdllm_utils.model.data import Labelled, prepare
from qdllm_utils.model.int8 import Int8
from qdllm_utils.model.teacher import BASELINES, Taught, taught
from qdllm_utils.model.training import say


@dataclass(frozen=True)
class Distilled:
    """What `distil` returns. candidates: by name, in the order of training. choice: see `choice.choose`.

    taught: the teacher, or None. curve: accuracy against the number of training texts, or None.
    """

    data: Labelled
    candidates: dict[str, Candidate]
    choice: choice.Choice
    taught: Taught | None
    max_tokens: int
    seed: int
    curve: LearningCurve | None
    seconds: float
    workspace: Any = None  # keeps a teacher's temporary folder alive

    @property
    def recommended(self) -> str:
        """The name of the model to use."""
        return self.choice.name

    @property
    def report(self) -> "Any":
        """All figures of all candidates, see `report.Report`."""
        from qdllm_utils.model.report import Report

        return Report(self)

    def candidate(self, name: str | None = None) -> Candidate:
        """The recommended candidate, or the one of a name; raises InputError for a name that is not there."""
        return self.candidates[choose(name or self.recommended, self.candidates, "candidate")]

    def classifier(self, name: str | None = None) -> Any:
        """The recommended model (or the one of a name) as a scikit-learn classifier."""
        from qdllm_utils.model.classifier import DistilledClassifier

        model = self.candidate(name).model
        if model is None:
            raise InputError(
                "The teacher was given as probabilities, so there is no model of it: choose another candidate."
            )
        return DistilledClassifier.of(model)

    def save(self, folder: str | Path, name: str | None = None) -> Path:
        """Write the recommended model (or the one of a name) into a new or empty folder; returns it."""
        from qdllm_utils.model.saving import save

        return save(self, self.candidate(name), Path(folder))


def distil(
    texts: Sequence[str],
    labels: Sequence[Any],
    teacher: str | Path | np.ndarray | None = "minilm",
    unlabelled: Sequence[str] | None = None,
    max_tokens: int | str = 60,
    embedder: str = "minilm",
    seed: int = 0,
    progress: bool = True,
    arms: Sequence[str] = ARMS,
    baselines: bool = False,
    keep_teacher: bool = True,
    curve: bool = True,
) -> Distilled:
    """Train the candidates and choose one.

    texts, labels: N of each, at least two classes with five texts. teacher: a name, hub id or folder that is fine-tuned
    on the labels; class probabilities (N, C), columns in the order of the sorted labels; or None for the labels alone.
    unlabelled: more texts, which the teacher labels for the students; with probabilities as the teacher, these have a
    row for each of them after those of the labelled texts. max_tokens: what a text is cut to, 'auto' for the 95th
    percentile of the lengths. embedder: `minilm`, `static`, a hub id or a folder, these but `static` with `:int8`
    behind them for 8 bits, or several with commas. arms: which of ARMS to train. baselines: the four compressed
    BERTs too. keep_teacher: whether the teacher can be recommended. curve: whether to measure what more labels would
    bring. Raises InputError where the texts or names do not serve.
    """
    start = time.perf_counter()
    for arm in arms:
        choose(arm, ARMS, "candidate")
    given = teacher if isinstance(teacher, np.ndarray) else None
    data = prepare(texts, labels, given, unlabelled, seed)
    names = [name.strip() for name in embedder.split(",") if name.strip()]
    if not names:
        raise InputError("embedder is empty: give minilm, minilm:int8, static, a hub id or a folder.")
    cut = tokens_of(max_tokens, data, names[0])
    workspace = tempfile.TemporaryDirectory(prefix="qdllm-model-")
    found: dict[str, Candidate] = {}

    def add(candidate: Candidate | None) -> None:
        if candidate is not None:
            found[candidate.name] = candidate
            right = candidate.validation.argmax(axis=1) == data.labels[data.rows["validation"]]
            say(f"{candidate.title}: validation {right.mean():.3f}, {candidate.seconds:.1f} s.", progress)

    if "tfidf" in arms:
        add(tfidf_candidate(data))
    on_embedding = [arm for arm in arms if arm != "tfidf"]
    pooled = {name: embedded(name, cut, data, progress) for name in names} if on_embedding or not arms else {}
    teaching = None
    if teacher is not None:
        teaching = taught(teacher, data, cut, seed, Path(workspace.name), progress)
        if keep_teacher or teaching.model is None:
            add(teacher_candidate(teaching, data))
    for name, (encoder, features) in pooled.items():
        each, suffix = text_seconds(encoder, data.part("test")), name if len(names) > 1 else ""
        exact = encoder.source.transform(data.part("test")) if isinstance(encoder, Int8) else None
        for arm in on_embedding:
            if arm != "labels" or teaching is not None:
                add(head_candidate(arm, suffix, encoder, features, each, data, teaching, seed, exact))
    if baselines and teaching is not None:
        for arm in BASELINES:
            add(baseline_candidate(arm, data, teaching, cut, seed, Path(workspace.name)))
    chosen = chosen_among(found, data)
    gained = learning_curve(found[chosen.name], data, pooled, seed, progress) if curve else None
    return Distilled(data, found, chosen, teaching, cut, seed, gained, time.perf_counter() - start, workspace)


def tokens_of(max_tokens: int | str, data: Labelled, name: str) -> int:
    """max_tokens as a number."""
    if max_tokens == "auto":
        return tokens.automatic(tokens.lengths_in_tokens(data.texts, name))
    if isinstance(max_tokens, str) and max_tokens.isdigit():
        max_tokens = int(max_tokens)
    if not isinstance(max_tokens, int) or not 8 <= max_tokens <= tokens.LONGEST:
        raise InputError(
            f"max_tokens is {max_tokens!r}: it must be 'auto' or a whole number from 8 to {tokens.LONGEST}."
        )
    return max_tokens


def chosen_among(found: dict[str, Candidate], data: Labelled) -> choice.Choice:
    """The choice on validation."""
    labels = data.labels[data.rows["validation"]]
    sizes = {name: candidate.stored_bytes for name, candidate in found.items() if candidate.model is not None}
    if not sizes:
        raise InputError(
            "No candidate could be trained on these texts: no term occurs in two of them; give more texts."
        )
    right = {name: candidate.validation.argmax(axis=1) == labels for name, candidate in found.items()}
    return choice.choose(right, sizes, labels == data.majority, "teacher" if "teacher" in found else None)


def tested(candidate: Candidate, data: Labelled) -> tuple[np.ndarray, tuple[float, float], Reliability]:
    """Right or wrong on each test text (N,), the accuracy's interval, and the calibration."""
    labels = data.labels[data.rows["test"]]
    right = candidate.test.argmax(axis=1) == labels
    return right, choice.accuracy_interval(right), reliability(candidate.test, labels)


def data_hash(data: Labelled) -> str:
    """The SHA-256 of the texts and labels as they were used."""
    rows = [[text, str(data.classes[label])] for text, label in zip(data.texts, data.labels, strict=True)]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
