"""The teacher: fine-tuned here on the user's labels, or given as probabilities; and the four compressed BERTs."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.model.data import Labelled
from qdllm_utils.model.training import fitting_threads, logits_of, quiet, say
from qdllm_utils.model.transformer import Transformer

BASELINES = ("tinybert", "minillm", "distilbert", "pkd")
STEPS = 120  # of fine-tuning, at least; the epoch is chosen on validation
BASELINE_EPOCHS = 10


@dataclass(frozen=True)
class Taught:
    """A teacher's word on every text. logits: (N + U, C). model: None where only probabilities were given.

    adapter: an encoder's LoRA weights, for baselines that match inner states.
    """

    name: str
    logits: np.ndarray
    model: Transformer | None
    parameters: int
    seconds: float
    spec: Any = None
    adapter: dict[str, np.ndarray] | None = None


def spec_of(name: str, n_train: int, seed: int) -> Any:
    """How a teacher is fine-tuned on a user's texts: STEPS steps at least, in 3 to 10 epochs, rank 16."""
    from qdllm_utils.parameters import check_teacher
    from qdllm_utils.texts import pretrained
    from qdllm_utils.texts.teacher_specs import NAMED, TeacherSpec, hub_name

    check_teacher(name)
    epochs = int(np.clip(np.ceil(STEPS / max(1, n_train / 32)), 3, 10))
    targets = NAMED[name].targets if name in NAMED else ()
    return TeacherSpec(name, pretrained.identity(hub_name(name)), targets, 16, 5e-4, epochs, 32, seed=seed)


def taught(teacher: Any, data: Labelled, max_tokens: int, seed: int, workspace: Path, progress: bool) -> Taught:
    """Fine-tune the teacher on the training texts and let it score every text, or take the probabilities given."""
    if data.probabilities is not None:
        return Taught("probabilities given", logits_of(data.probabilities), None, 0, 0.0)
    from qdllm_utils.texts import pretrained
    from qdllm_utils.texts.teachers import fine_tune

    name = str(teacher)
    spec = spec_of(name, len(data.rows["train"]), seed)
    say(f"The teacher {Path(name).name} is fine-tuned, {spec.epochs} epochs at most.", progress)
    start = time.perf_counter()
    labels = np.concatenate([data.labels, np.zeros(len(data.unlabelled), int)])  # of the unlabelled: never read
    folder = workspace / "teacher"
    with quiet(), fitting_threads():
        output = fine_tune(
            spec, data.everything, labels, data.rows, len(data.classes), tuple(data.classes), max_tokens, folder
        )
    shown = pretrained.shown_name(name)
    return Taught(
        shown,
        output.logits,
        Transformer(folder, max_tokens),
        output.parameters,
        time.perf_counter() - start,
        spec,
        output.adapter,
    )


def compressed(arm: str, data: Labelled, teaching: Taught, max_tokens: int, seed: int, folder: Path) -> Transformer:
    """Train one of BASELINES in its small size on the teacher's outputs, and write it as a transformers folder."""
    import torch
    from transformers import AutoTokenizer

    from qdllm_utils.learning import training
    from qdllm_utils.runs.jobs import BASELINES as STUDENTS
    from qdllm_utils.texts.pretrained import locate
    from qdllm_utils.texts.teachers import merged_encoder

    classes = len(data.classes)
    teacher = merged_encoder(teaching.spec, teaching.adapter, classes) if teaching.adapter else None
    size = STUDENTS[arm].small
    student = STUDENTS[arm](size, classes, BASELINE_EPOCHS, seed, teacher)
    tokenizer = AutoTokenizer.from_pretrained(locate(size.source), trust_remote_code=False)
    read = tokenizer(data.everything, padding="longest", truncation=True, max_length=max_tokens, return_tensors="pt")
    tokens = {"input_ids": read["input_ids"], "attention_mask": read["attention_mask"]}
    columns = {
        "labels": torch.from_numpy(data.with_teacher(teaching.logits)),
        "teacher": torch.tensor(teaching.logits).float(),
    }
    with quiet(), fitting_threads():
        if teacher is not None and student.same_family:
            columns |= student.teacher_columns(teacher, tokens)
        words = student.model.bert.embeddings.word_embeddings.weight.detach().clone()
        columns |= student.leave_out_unused_tokens(tokens)
        parts = {
            name: {column: values[torch.from_numpy(rows)] for column, values in columns.items()}
            for name, rows in (("train", data.taught_rows), ("validation", data.rows["validation"]))
        }
        training.fit(student, parts["train"], parts["validation"])
    words[student.used] = student.model.bert.embeddings.word_embeddings.weight.detach()
    student.model.bert.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(words)
    student.model.config.vocab_size = len(words)
    student.model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Transformer(folder, max_tokens)
