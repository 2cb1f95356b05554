"""How long distillation and inference take: the five students in turns, on one thread (the paper's Figure 3).

Timing needs no trained weights: each student is built in its size, takes optimiser steps on the task's own
texts and classifies them. A row holds one task, so that all its students were timed in one run. CPU time
stands beside wall time: on a machine that has other things to do only the former can be compared.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, BertConfig, BertModel

from qdcircuits.errors import InputError, choose
from qdllm_utils.config import TASKS
from qdllm_utils.learning import training
from qdllm_utils.learning.training import Data
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import RECIPE, SPLIT_SEED, Experiment
from qdllm_utils.runs.jobs import BASELINES
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show import paper
from qdllm_utils.students.bert import Size, tokenize
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.sizes import BERTS
from qdllm_utils.texts.pretrained import locate
from qdllm_utils.texts.sources import Source, split
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

SIZES = ("small", "paper")
STEPS = {"demo": 5, "cpu": 20, "paper": 20}
TEXTS = 64  # classified in one call


def bert(name: str | None) -> BertModel:
    """A student's BERT in the paper's size (None: BERT-base), with random weights: as fast as the trained one."""
    return BertModel(BertConfig(**(BERTS[name] if name else {})))


def baseline(name: str, sizes: str, classes: int) -> Any:
    """A compression baseline that sees class logits only, as from the paper's decoder teachers."""
    base = BASELINES[name]
    if sizes == "small":
        return base(base.small, classes, epochs=1, seed=0)

    class PaperSize(base):  # type: ignore[valid-type, misc]
        def load_source(self, size: Size) -> BertModel:
            return bert(name)

    return PaperSize(Size("", tuple(range(BERTS[name]["num_hidden_layers"]))), classes, epochs=1, seed=0)


@dataclass
class Contestant:
    """What is timed: one optimiser step (none of the embedder), and the classification of `texts` texts."""

    infer: Callable[[], object]
    texts: int
    about: dict[str, Any]
    step: Callable[[], None] | None = None
    batches: int = 0


def student(model: Any, data: Data, train: np.ndarray) -> Contestant:
    """A student with its own batches, texts of like length together, as in training."""
    optimiser = training.optimiser_of(model)
    parts = training.rows(data, torch.tensor(train))
    some = training.rows(parts, torch.arange(min(TEXTS, len(train))))
    lengths = parts["attention_mask"].sum(dim=1) if "attention_mask" in parts else None
    generator = torch.Generator().manual_seed(0)
    batches = training.epoch_batches(len(train), model.settings.batch_size, [generator], lengths)
    turns = itertools.cycle(batches)

    def step() -> None:
        model.train()
        training.step(model, optimiser, training.rows(parts, next(turns)), epoch=0)

    about = {"parameters": model.trainable(), "size": model.describe(), "batch": batches.shape[-1]}
    return Contestant(lambda: training.predict(model, some), len(some["labels"]), about, step, len(batches))


def contestants(experiment: Experiment, sizes: str) -> dict[str, Contestant]:
    """The quantum student, the frozen embedder before it, and the four baselines."""
    corpus = experiment.source.corpus
    train = split(corpus.labels, SPLIT_SEED)["train"]
    classes = len(corpus.classes)
    # the embedded MiniLM has the tokeniser of bert-base-uncased, from which all of the paper's sizes come
    tokens = tokenize(list(corpus.texts), "minilm")
    shared = {"labels": torch.tensor(corpus.labels), "teacher": torch.randn(len(corpus.labels), classes)}
    embedder = bert(None) if sizes == "paper" else AutoModel.from_pretrained(locate("minilm"))
    embedder.eval()
    some = {name: values[torch.tensor(train[:TEXTS])] for name, values in tokens.items()}

    @torch.inference_mode()
    def embed() -> None:
        embedder(**some)

    width = embedder.config.hidden_size
    layers = embedder.config.num_hidden_layers
    quantum = QuantumStudents(width, classes, experiment.knobs, [0])
    features = {"features": torch.randn(len(corpus.labels), width)}
    found = {
        "quantum": student(quantum, shared | features, train),
        "embedder": Contestant(embed, len(some["input_ids"]), {"size": f"{layers} x {width}"}),
    }
    for name in BASELINES:
        model = baseline(name, sizes, classes)
        found[name] = student(model, shared | model.leave_out_unused_tokens(tokens), train)
    return found


def milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """(CPU, wall) time of one call; the CPU time is this process's, over all its threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def time_in_turns(found: dict[str, Contestant], steps: int, calls: int) -> dict[str, dict[str, Any]]:
    """Medians over `steps` rounds of one step each, and `calls` rounds of one inference each; the first is not counted.

    epoch_cpu_s, epoch_wall_s: of one pass over the training rows, from the median step. infer_cpu_ms,
    infer_wall_ms: for one text, 64 in a batch.
    """
    samples: dict[str, dict[str, list[tuple[float, float]]]] = {name: {"step": [], "infer": []} for name in found}
    for kind, rounds in (("step", steps), ("infer", calls)):
        for _ in range(rounds + 1):
            for name, contestant in found.items():
                call = getattr(contestant, kind)
                if call:
                    samples[name][kind].append(milliseconds(call))
    result = {name: dict(contestant.about) for name, contestant in found.items()}
    for name, contestant in found.items():
        for number, clock in enumerate(("cpu", "wall")):
            medians = {
                kind: median(pair[number] for pair in pairs[1:]) for kind, pairs in samples[name].items() if pairs
            }
            result[name][f"infer_{clock}_ms"] = medians["infer"] / contestant.texts
            if contestant.step:
                result[name][f"epoch_{clock}_s"] = medians["step"] * contestant.batches / 1e3
    return result


def timing_row(experiment: Experiment, sizes: str, steps: int) -> Row:
    """The row of one task: every student, the embedder, and what was timed."""

    def compute() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return time_in_turns(contestants(experiment, sizes), steps, calls=3), {}
        finally:
            torch.set_num_threads(threads)

    identity = {
        "kind": "timing",
        "recipe": RECIPE,
        "data": experiment.data_identity,
        "sizes": sizes,
        "knobs": experiment.knobs.identity,
        "steps": steps,
    }
    return experiment.store.get(identity, compute, f"times of {experiment.source.task}, {sizes} sizes")


def time_tasks(parameters: Parameters) -> tuple[dict[str, Row], Store]:
    """{task: its row} for the three tasks; parameters: scale, sizes, steps, and the knobs of the student."""
    choose(parameters.sizes, SIZES, "sizes")
    steps = STEPS[parameters.scale] if parameters.steps is None else parameters.steps
    if not 1 <= steps <= 1000:
        raise InputError(f"steps is {steps}: it must be a whole number from 1 to 1000.")
    store = Store(refresh=parameters.refresh)
    rows = {}
    for task in TASKS:
        source = Source(task, parameters.size, parameters.data_dir)
        rows[task] = timing_row(
            Experiment(source, parameters.size, "minilm", parameters.knobs, store), parameters.sizes, steps
        )
    return rows, store


def implied_epoch_seconds(task: str, student: str) -> dict[str, float]:
    """Seconds of an epoch, {teacher: T_kd}, that the paper's Acc and Acc/Tkd imply (Tables 4 to 6)."""
    found = {}
    for teacher in PAPER_TEACHERS:
        acc, per_second = (paper.compression(task, teacher, student, metric) for metric in ("acc", "acc_tkd"))
        if acc and per_second:
            found[teacher] = float(acc) / float(per_second)
    return found
