"""One training run, and many of them: over the cores with loky, over machines with Dask.

QDLLM_WORKERS: how many processes (default: the cores; one on a GPU). QDLLM_DASK: the address of a running
Dask scheduler, whose workers (--nthreads 1) then do the runs; they need this package and nothing else.
"""

import os
import traceback
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from qdcircuits.errors import InputError
from qdllm_utils import machine
from qdllm_utils.config import Knobs
from qdllm_utils.learning import training
from qdllm_utils.learning.finite import NotFinite, check_rows, copies_with
from qdllm_utils.learning.metrics import classification, packed
from qdllm_utils.runs import pool, provenance
from qdllm_utils.runs.pool import Killed
from qdllm_utils.runs.store import Row
from qdllm_utils.students.alternatives import ALTERNATIVES
from qdllm_utils.students.bert import BertStudent, tokenize
from qdllm_utils.students.bert_qtc import BertQTC, TrainedBertQTC
from qdllm_utils.students.controls import CONTROLS
from qdllm_utils.students.design_catalogue import DESIGNS
from qdllm_utils.students.distilbert import DistilBERT, WideDistilBERT
from qdllm_utils.students.hitin import HiTIN, HiTINTree
from qdllm_utils.students.lsfls import LSFLS
from qdllm_utils.students.minillm import MiniLLM
from qdllm_utils.students.pkd import PKD, WidePKD
from qdllm_utils.students.probes import PROBES
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.students.textrcnn import TextRCNN
from qdllm_utils.students.tinybert import TinyBERT
from qdllm_utils.texts.teacher_specs import TeacherSpec

MEMORY_OF_A_WORKER = 10**9  # bytes, at least, of a process that trains: Python, torch, data and a small student
BASELINES: dict[str, type[BertStudent]] = {student.name: student for student in (TinyBERT, MiniLLM, DistilBERT, PKD)}
WIDE_BASELINES: dict[str, type[BertStudent]] = {student.name: student for student in (WideDistilBERT, WidePKD)}
# trained on the task's labels, without a teacher
RELATED: dict[str, type[Any]] = {
    student.name: student for student in (TextRCNN, HiTIN, HiTINTree, LSFLS, BertQTC, TrainedBertQTC)
}
ON_EMBEDDINGS: dict[str, type[QuantumStudents]] = {
    "quantum": QuantumStudents,
    **CONTROLS,
    **PROBES,
    **DESIGNS,
    **ALTERNATIVES,
}


@dataclass(frozen=True)
class Job:
    """All that one training run needs, and nothing of where it runs.

    identities: of the rows that come out, one a seed. split: row numbers of train, validation, test.
    features: (N, d) for the students on embeddings and BERT-QTC; texts: for the others. adapter: of an encoder,
    else {}. teacher_logits, teacher: None for a related-task baseline.
    """

    student: str
    identities: list[dict[str, Any]]
    seeds: list[int]
    knobs: Knobs
    paper_size: bool
    classes: int
    labels: np.ndarray
    split: dict[str, np.ndarray]
    teacher_logits: np.ndarray | None
    features: np.ndarray | None
    texts: tuple[str, ...]
    teacher: TeacherSpec | None
    adapter: dict[str, np.ndarray]


def build(job: Job) -> tuple[Any, training.Data]:
    """The student of a job, and the data of all rows."""
    data = {"labels": torch.tensor(job.labels)}
    if job.student in RELATED:
        related = RELATED[job.student]
        size = related.paper if job.paper_size else related.small
        student = related(size, job.classes, job.knobs.epochs, job.seeds[0])
        return student, data | student.read(job.texts if job.features is None else job.features, job.split["train"])
    data["teacher"] = torch.tensor(job.teacher_logits)
    if job.features is not None:
        data["features"] = torch.tensor(job.features)
        student = ON_EMBEDDINGS[job.student](job.features.shape[1], job.classes, job.knobs, job.seeds)
        student.prepare(data["features"][torch.tensor(job.split["train"])])
        return student, data
    baseline = (BASELINES | WIDE_BASELINES)[job.student]
    size = baseline.paper if job.paper_size else baseline.small
    teacher = None
    if job.adapter and job.teacher:
        from qdllm_utils.texts.teachers import merged_encoder

        teacher = merged_encoder(job.teacher, job.adapter, job.classes)
    bert = baseline(size, job.classes, job.knobs.epochs, job.seeds[0], teacher)
    tokens = tokenize(list(job.texts), size.source)
    if teacher is not None and bert.same_family:
        data |= bert.teacher_columns(teacher, tokens)
    return bert, data | bert.leave_out_unused_tokens(tokens)


@dataclass(frozen=True)
class Failed:
    """A run that made no row. reason: why, in words."""

    identity: dict[str, Any]
    reason: str

    def __str__(self) -> str:
        """'pkd, seed 2: the loss is not finite in epoch 1. ...'."""
        return f"{self.identity['student']}, seed {self.identity['seed']}: {self.reason}"


def train(job: Job, threads: int) -> list[Row | Failed]:
    """Train, keep the best validation epoch, test: one row a seed, or Failed for a copy that is not finite.

    Raises InputError for embeddings or teacher logits that are not finite.
    """
    check_rows(job.features, "The embeddings of the texts")
    check_rows(job.teacher_logits, "The logits of the teacher")
    torch.set_num_threads(threads)
    torch.manual_seed(job.seeds[0])
    with provenance.recorded() as record:
        student, data = build(job)
        student.to("cuda" if torch.cuda.is_available() else "cpu")
        parts = {
            name: {column: values[torch.tensor(numbers)] for column, values in data.items()}
            for name, numbers in job.split.items()
        }
        label = f"{job.student}, seed {', '.join(map(str, job.seeds))}"
        broken: dict[int, str] = {}
        try:
            if isinstance(student, LSFLS):
                fit = student.self_train(parts["train"], parts["validation"], label)
            else:
                fit = training.fit(student, parts["train"], parts["validation"], label)
        except NotFinite as error:
            fit, broken = error.fit, error.copies
        device = next(student.parameters()).device
        test = {name: values.to(device) for name, values in parts["test"].items()}
        output = training.predict(student, test)
        broken = dict.fromkeys(copies_with(output), "the logits of the test texts are not finite") | broken
        logits = output.numpy()
    record["students_at_once"] = len(job.seeds)
    rows: list[Row | Failed] = []
    for copy, identity in enumerate(job.identities):
        if copy in broken:
            rows.append(Failed(identity, f"{broken[copy]} (learning rate {student.settings.learning_rate:g})"))
            continue
        predicted = logits[copy].argmax(axis=1)
        result = {
            **classification(job.labels[job.split["test"]], predicted),
            "predicted": packed(predicted),
            "validation": fit.validation[copy],
            "best_epoch": fit.best_epoch[copy],
            "history": [accuracies[copy] for accuracies in fit.history],
            "epoch_seconds": fit.epoch_seconds,
            "parameters": student.trainable(),
            "size": student.describe(),
            "inner_states": getattr(student, "same_family", False),
        }
        arrays = {"test_logits": logits[copy]}
        if isinstance(student, QuantumStudents):
            arrays |= {name: values[copy].cpu().numpy() for name, values in student.state_dict().items()}
            result["stored_bytes"] = student.stored_bytes()
        rows.append(Row(identity, result, record, arrays))
    return rows


def threads(job: Job, share: int) -> int:
    """Threads of one run: a student on embeddings takes one, its steps being too small to be shared out."""
    return max(1, share) if job.features is None else 1


def attempt(job: Job, share: int) -> list[Row | Failed]:
    """`train`, with whatever goes wrong as Failed; what the traceback would say goes to standard error."""
    try:
        return train(job, threads(job, share))
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        return failed(job, error)


def failed(job: Job, error: Exception) -> list[Row | Failed]:
    """Every run of a job as Failed."""
    first = (str(error).splitlines() or [""])[0]
    reason = first if isinstance(error, InputError | Killed) else f"{type(error).__name__}: {first}"
    return [Failed(identity, reason) for identity in job.identities]


def weights_needed(paper_sizes: bool, students: Iterable[str] = ()) -> list[str]:
    """The pre-trained models from which the baselines, and the wide ones of `students`, take layers, in their sizes."""
    wide = [one for name, one in WIDE_BASELINES.items() if name in students]
    sizes = [one.paper if paper_sizes else one.small for one in (*BASELINES.values(), *RELATED.values(), *wide)]
    return list(dict.fromkeys(size.source for size in sizes if hasattr(size, "source")))


def run_jobs(jobs: Iterable[Job], total: int | None = None) -> Iterator[Row | Failed]:
    """The rows of all jobs, each as soon as its run ends, so that an interrupted grid loses only what runs.

    A run that fails comes as Failed, and the others go on. Jobs are drawn only when one can be started; total: how
    many there are, where `jobs` is no list.
    """
    total = len(jobs) if isinstance(jobs, Sized) else total
    scheduler = os.environ.get("QDLLM_DASK")
    results: Iterator[tuple[Job, list[Row | Failed] | Exception]]
    if scheduler:
        from qdllm_utils.runs import cluster

        results = cluster.spread(jobs, scheduler, partial(attempt, share=1))
    else:
        workers = number_of_workers(total)
        work = partial(attempt, share=machine.threads(workers))
        # one worker is this process, which has what it needs loaded and its place on a GPU
        results = pool.spread(jobs, workers, work) if workers > 1 else ((job, work(job)) for job in jobs)
    with tqdm(total=total, desc="training runs", unit="run") as progress:
        for job, found in results:
            progress.update()
            yield from failed(job, found) if isinstance(found, Exception) else found


def number_of_workers(total: int | None) -> int:
    """QDLLM_WORKERS, or one on a GPU, else as many as there are cores and memory for; no more than there are jobs."""
    if "QDLLM_WORKERS" in os.environ:
        text = os.environ["QDLLM_WORKERS"]
        if not text.isdigit() or int(text) < 1:
            raise InputError(f"QDLLM_WORKERS is {text!r}: it must be a whole number, 1 or more.")
        asked = int(text)
    else:
        with_memory = max(1, machine.available_memory() // MEMORY_OF_A_WORKER)
        asked = 1 if torch.cuda.is_available() else min(machine.cores(), with_memory)
    return max(1, asked if total is None else min(asked, total))
