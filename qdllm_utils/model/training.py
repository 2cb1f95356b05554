"""Training of the candidates that read an embedding, all alike: preset tuned, the best of three learning rates."""

import contextlib
import io
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from qdllm_utils.model import heads
from qdllm_utils.model.heads import Head

RATES = (0.003, 0.01, 0.03)
STEPS = 600  # optimiser steps at least; ten epochs at least
LEAST_PROBABILITY = 1e-6  # of a teacher that gives probabilities


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars of what runs inside off the screen: the caller shows one of its own."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A single thread for torch and BLAS: steps as small as these lose more by being shared out than they gain."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def fitting_threads() -> Iterator[None]:
    """All threads, or one where that is faster: beside other work, threads that wait for each other cost minutes.

    Timed on products of the size that a small encoder makes.
    """
    import torch

    threads, seconds = torch.get_num_threads(), {}
    left, right = torch.ones(512, 384), torch.ones(384, 1536)
    try:
        for number in (threads, 1):
            torch.set_num_threads(number)
            for repeat in range(25):
                if repeat == 5:  # the first ones warm up
                    start = time.perf_counter()
                torch.nn.functional.gelu(left @ right)
            seconds[number] = time.perf_counter() - start
        torch.set_num_threads(min(seconds, key=lambda number: seconds[number]))
        yield
    finally:
        torch.set_num_threads(threads)


def student_of(arm: str) -> Any:
    """The class of students behind the name of an arm."""
    from qdllm_utils.students.controls import Linear, Surrogate
    from qdllm_utils.students.probes import PROBES
    from qdllm_utils.students.quantum import QuantumStudents

    return {"linear": Linear, "surrogate": Surrogate, "quantum": QuantumStudents, **PROBES}[arm]


def epochs_for(rows: int, batch_size: int = 32) -> int:
    """Epochs so that there are STEPS steps, between 10 and 100."""
    return int(np.clip(np.ceil(STEPS / max(1, rows // min(batch_size, rows))), 10, 100))


def train_head(
    arm: str,
    train: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int,
    rates: tuple[float, ...] = RATES,
) -> tuple[Head, float]:
    """The best head of an arm on validation, and its learning rate (the smallest of equals).

    train: features (N, d), labels (N,), teacher logits (N, C) or None for labels alone; validation: features, labels.
    """
    import torch

    from qdllm_utils.config import knobs
    from qdllm_utils.learning import training

    features, labels, teacher = train
    alpha = 0.0 if teacher is None else None
    data = {
        "features": torch.from_numpy(np.asarray(features, np.float32)),
        "labels": torch.from_numpy(labels),
        "teacher": torch.from_numpy(
            np.asarray(np.zeros((len(labels), classes)) if teacher is None else teacher, np.float32)
        ),
    }
    held = {
        "features": torch.from_numpy(np.asarray(validation[0], np.float32)),
        "labels": torch.from_numpy(validation[1]),
        "teacher": torch.zeros(len(validation[1]), classes),
    }
    best: tuple[float, Head, float] | None = None
    for rate in rates:
        chosen = knobs("tuned", learning_rate=rate, epochs=epochs_for(len(labels)), alpha=alpha)
        student = student_of(arm)(features.shape[1], classes, chosen, [seed])
        student.prepare(data["features"])
        with quiet(), one_thread():
            fit = training.fit(student, data, held)
        if best is None or fit.validation[0] > best[0]:
            best = fit.validation[0], heads.of(student), rate
    assert best is not None
    return best[1], best[2]


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Logits whose softmax are the given probabilities, those below LEAST_PROBABILITY raised to it."""
    return np.log(np.maximum(probabilities, LEAST_PROBABILITY))


def say(line: str, progress: bool) -> None:
    """A line on standard error, where it is wanted."""
    if progress:
        print(line, file=sys.stderr, flush=True)
