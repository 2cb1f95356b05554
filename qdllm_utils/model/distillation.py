"""From labelled texts to the smallest model that is level with the teacher: split, teacher, candidates, choice, test.

The split is 6:2:2, stratified, by seed. Learning rates, temperatures and the choice see validation texts only; the test
texts give the accuracies that are reported, and choose nothing.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdcircuits.errors import InputError, choose
from qdllm_utils.model import choice, embedders, tfidf
from qdllm_utils.model.calibration import Reliability, fit_temperature, probabilities, reliability
from qdllm_utils.model.curve import LearningCurve, learning_curve
from qdllm_utils.model.data import Labelled, prepare
from qdllm_utils.model.embedders import Embedder
from qdllm_utils.model.teacher import BASELINES, Taught, compressed, taught
from qdllm_utils.model.text_model import OnEmbedding, TextModel
from qdllm_utils.model.training import say, train_head

TITLES = {
    "tfidf": "TF-IDF + logistic regression",
    "linear": "linear probe",
    "labels": "linear probe, labels alone",
    **{f"probe_{bits}bit": f"{bits}-bit probe" for bits in (1, 2, 3, 4, 8)},
    "surrogate": "classical surrogate",
    "quantum": "quantum student",
    "tinybert": "TinyBERT",
    "minillm": "MiniLLM",
    "distilbert": "DistilBERT",
    "pkd": "PKD",
    "teacher": "the teacher",
}
ARMS = (
    "tfidf",
    "linear",
    "labels",
    "probe_8bit",
    "probe_4bit",
    "probe_3bit",
    "probe_2bit",
    "probe_1bit",
    "surrogate",
    "quantum",
)
TIMED_TEXTS = 256


@dataclass(frozen=True)
class Candidate:
    """A trained model and what it does on the texts.

    name: of its arm, with `@embedder` where there are several. model: None for a teacher of which there are only
    probabilities. validation, test: probabilities (N, C), calibrated on validation. stored_bytes: from text to class;
    head_bytes: of the part trained here. rate: texts a second, from text to class, on this machine.
    """

    name: str
    title: str
    model: TextModel | None
    validation: np.ndarray
    test: np.ndarray
    temperature: float
    stored_bytes: int
    head_bytes: int
    rate: float
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)


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
    percentile of the lengths. embedder: `minilm`, `static`, a hub id or a folder, or several with commas. arms: which
    of ARMS to train. baselines: the four compressed BERTs too. keep_teacher: whether the teacher can be recommended.
    curve: whether to measure what more labels would bring. Raises InputError where the texts or names do not serve.
    """
    start = time.perf_counter()
    for arm in arms:
        choose(arm, ARMS, "candidate")
    given = teacher if isinstance(teacher, np.ndarray) else None
    data = prepare(texts, labels, given, unlabelled, seed)
    names = [name.strip() for name in embedder.split(",") if name.strip()]
    if not names:
        raise InputError("embedder is empty: give minilm, static, a hub id or a folder.")
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
        each = text_seconds(encoder, data.part("test"))
        for arm in on_embedding:
            if arm != "labels" or teaching is not None:
                add(head_candidate(arm, name if len(names) > 1 else "", encoder, features, each, data, teaching, seed))
    if baselines and teaching is not None:
        for arm in BASELINES:
            add(baseline_candidate(arm, data, teaching, cut, seed, Path(workspace.name)))
    chosen = chosen_among(found, data)
    gained = learning_curve(found[chosen.name], data, pooled, seed, progress) if curve else None
    return Distilled(data, found, chosen, teaching, cut, seed, gained, time.perf_counter() - start, workspace)


def tokens_of(max_tokens: int | str, data: Labelled, name: str) -> int:
    """max_tokens as a number."""
    if max_tokens == "auto":
        return embedders.automatic(embedders.lengths_in_tokens(data.texts, name))
    if isinstance(max_tokens, str) and max_tokens.isdigit():
        max_tokens = int(max_tokens)
    if not isinstance(max_tokens, int) or not 8 <= max_tokens <= embedders.LONGEST:
        raise InputError(
            f"max_tokens is {max_tokens!r}: it must be 'auto' or a whole number from 8 to {embedders.LONGEST}."
        )
    return max_tokens


def scored(
    data: Labelled, name: str, title: str, model: TextModel | None, logits: dict[str, np.ndarray], **rest: Any
) -> Candidate:
    """A candidate from its raw logits on the validation and test texts: the temperature is fitted here."""
    temperature = fit_temperature(logits["validation"], data.labels[data.rows["validation"]])
    if model is not None:
        model = TextModel(model.scorer, model.classes, temperature)
        rest.setdefault("stored_bytes", model.scorer.stored_bytes)
    calibrated = {part: probabilities(logits[part], temperature) for part in ("validation", "test")}
    return Candidate(name, title, model, calibrated["validation"], calibrated["test"], temperature, **rest)


def timed(model: TextModel, texts: list[str]) -> float:
    """Texts a second from text to class, on up to TIMED_TEXTS of them, after a first call."""
    sample = (texts * (1 + TIMED_TEXTS // len(texts)))[:TIMED_TEXTS]
    model.probabilities(sample[:8])
    start = time.perf_counter()
    model.probabilities(sample)
    return len(sample) / (time.perf_counter() - start)


def text_seconds(encoder: Embedder, texts: list[str]) -> float:
    """Seconds that the embedder takes for a text, on up to TIMED_TEXTS of them, after a first call."""
    sample = (texts * (1 + TIMED_TEXTS // len(texts)))[:TIMED_TEXTS]
    encoder.transform(sample[:8])
    start = time.perf_counter()
    encoder.transform(sample)
    return (time.perf_counter() - start) / len(sample)


def tfidf_candidate(data: Labelled) -> Candidate | None:
    """TF-IDF on the labels; None where no term occurs in two training texts."""
    start = time.perf_counter()
    train, validation = data.rows["train"], data.rows["validation"]
    scorer = tfidf.fit(data.part("train"), data.labels[train], data.part("validation"), data.labels[validation])
    if scorer is None:
        return None
    seconds = time.perf_counter() - start
    model = TextModel(scorer, data.classes, 1.0)
    logits = {part: scorer.logits(data.part(part)) for part in ("validation", "test")}
    settings = {"C": scorer.c}
    size = scorer.stored_bytes
    rate = timed(model, data.part("test"))
    return scored(
        data, "tfidf", TITLES["tfidf"], model, logits, head_bytes=size, rate=rate, seconds=seconds, settings=settings
    )


def embedded(name: str, max_tokens: int, data: Labelled, progress: bool) -> tuple[Embedder, np.ndarray]:
    """The embedder and the embeddings of all texts, labelled and not; the pooling is chosen on validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = embedders.embedder(name, max_tokens).poolings(data.everything, progress)
    train, validation = data.rows["train"], data.rows["validation"]
    right = {}
    for pooling, features in found.items() if len(found) > 1 else ():
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        probe.fit(features[train], data.labels[train])
        right[pooling] = probe.score(features[validation], data.labels[validation])
    best = max(right, key=lambda pooling: right[pooling]) if right else next(iter(found))
    return embedders.embedder(name, max_tokens, best), found[best]


def head_candidate(
    arm: str,
    suffix: str,
    encoder: Embedder,
    features: np.ndarray,
    each: float,
    data: Labelled,
    teaching: Taught | None,
    seed: int,
) -> Candidate:
    """A head on embeddings (N + unlabelled, d), taught by the teacher's logits, or by the labels alone."""
    start = time.perf_counter()
    alone = teaching is None or arm == "labels"
    rows = data.rows["train"] if alone or teaching is None else data.taught_rows
    labels = data.labels[rows] if alone or teaching is None else data.with_teacher(teaching.logits)[rows]
    logits = None if alone or teaching is None else teaching.logits[rows]
    held = data.rows["validation"]
    head, rate = train_head(
        "linear" if arm == "labels" else arm,
        (features[rows], labels, logits),
        (features[held], data.labels[held]),
        len(data.classes),
        seed,
    )
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    raw = {part: head.logits(features[data.rows[part]]) for part in ("validation", "test")}
    head_seconds = (time.perf_counter() - start) / sum(len(values) for values in raw.values())
    model = TextModel(OnEmbedding(encoder, head), data.classes, 1.0)
    title = f"{TITLES[arm]} on {suffix}" if suffix else TITLES[arm]
    return scored(
        data,
        f"{arm}@{suffix}" if suffix else arm,
        title,
        model,
        raw,
        head_bytes=head.stored_bytes,
        rate=1 / (each + head_seconds),
        seconds=seconds,
        settings={"learning_rate": rate, "trained_on": "labels" if alone else "teacher and labels", "texts": len(rows)},
    )


def teacher_candidate(teaching: Taught, data: Labelled) -> Candidate:
    """The teacher itself, or, of probabilities, only its accuracy."""
    raw = {part: teaching.logits[data.rows[part]] for part in ("validation", "test")}
    model = None if teaching.model is None else TextModel(teaching.model, data.classes, 1.0)
    size = 0 if model is None else model.scorer.stored_bytes
    rate = float("nan") if model is None else timed(model, data.part("test"))
    title = f"{TITLES['teacher']}, {teaching.name}"
    return scored(
        data, "teacher", title, model, raw, stored_bytes=size, head_bytes=size, rate=rate, seconds=teaching.seconds
    )


def baseline_candidate(
    arm: str, data: Labelled, teaching: Taught, max_tokens: int, seed: int, workspace: Path
) -> Candidate:
    """One of the four compressed BERTs."""
    start = time.perf_counter()
    scorer = compressed(arm, data, teaching, max_tokens, seed, workspace / arm)
    seconds = time.perf_counter() - start
    model = TextModel(scorer, data.classes, 1.0)
    raw = {part: scorer.logits(data.part(part)) for part in ("validation", "test")}
    rate = timed(model, data.part("test"))
    size = scorer.stored_bytes
    return scored(data, arm, TITLES[arm], model, raw, head_bytes=size, rate=rate, seconds=seconds)


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
