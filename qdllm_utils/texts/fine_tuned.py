"""Embeddings from a fine-tuned encoder: the teacher's own, or the embedder's after learning from the teacher."""

import numpy as np
from scipy.special import softmax

from qdcircuits.errors import InputError
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.embeddings import embed
from qdllm_utils.texts.teacher_specs import TeacherSpec, hub_name, without_model
from qdllm_utils.texts.teachers import fine_tune, merged_encoder


def no_encoder(spec: TeacherSpec) -> InputError:
    """The refusal of the pooling `teacher` for a model whose states cannot be had again."""
    return InputError(
        f"The pooling teacher reads the states of a teacher that is an encoder, and {pretrained.shown_name(spec.name)} "
        "is none: choose distilled, a frozen pooling, or the teacher minilm or mpnet."
    )


def check_encoder(spec: TeacherSpec) -> None:
    """Raises InputError, before any training, where a teacher is no encoder; only its configuration is read."""
    from transformers import AutoConfig

    if spec.twin or without_model(spec.name):
        raise no_encoder(spec)
    source = pretrained.locate(hub_name(spec.name))
    if AutoConfig.from_pretrained(source, trust_remote_code=False).model_type not in pretrained.ENCODERS:
        raise no_encoder(spec)


def of_teacher(spec: TeacherSpec, adapter: dict[str, np.ndarray], texts: list[str], classes: int) -> np.ndarray:
    """The mean over tokens of a fine-tuned encoder's last layer, (N, d), from its adapter.

    Raises InputError for any other teacher, which has none.
    """
    if not adapter:
        raise no_encoder(spec)
    return embed(texts, hub_name(spec.name), encoder=merged_encoder(spec, adapter, classes))["mean"]


def distilled(
    spec: TeacherSpec, logits: np.ndarray, texts: list[str], labels: np.ndarray, rows: dict[str, np.ndarray]
) -> np.ndarray:
    """The mean over tokens of the embedder's last layer, (N, d), after LoRA on the teacher's outputs.

    spec: of the embedder. logits: (N, C) of the teacher; its class probabilities on rows["train"] are learnt. The
    epoch is chosen by accuracy on the labels of rows["validation"].
    """
    classes = logits.shape[1]
    targets = np.eye(classes, dtype=np.float32)[labels]
    targets[rows["train"]] = softmax(logits[rows["train"]], axis=1)
    return of_teacher(spec, fine_tune(spec, texts, targets, rows, classes).adapter, texts, classes)
