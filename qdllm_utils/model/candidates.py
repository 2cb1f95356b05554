"""One candidate: trained, scored on validation and test, calibrated, weighed and timed."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.model import embedders, tfidf
from qdllm_utils.model.calibration import fit_temperature, probabilities
from qdllm_utils.model.choice import paired
from qdllm_utils.model.data import Labelled
from qdllm_utils.model.embedders import Embedder
from qdllm_utils.model.teacher import Taught, compressed
from qdllm_utils.model.text_model import OnEmbedding, TextModel
from qdllm_utils.model.training import fitting_threads, train_head

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

    with fitting_threads():
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
    exact: np.ndarray | None = None,
) -> Candidate:
    """A head on embeddings (N + unlabelled, d), taught by the teacher's logits, or by the labels alone.

    exact: float32 embeddings of the test texts (n, d), where `features` are of a quantised encoder: what int8 costs is
    measured on them, with the same head.
    """
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
    settings = {"learning_rate": rate, "trained_on": "labels" if alone else "teacher and labels", "texts": len(rows)}
    if exact is not None:
        tested, plain = raw["test"].argmax(axis=1), head.logits(exact).argmax(axis=1)
        truth = data.labels[data.rows["test"]]
        settings["int8_cost"] = f"{paired(tested == truth, plain == truth)}, {np.mean(tested == plain):.1%} agree"
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
        settings=settings,
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
