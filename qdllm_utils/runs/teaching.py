"""A teacher made and scored: what its row holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.learning.metrics import classification, packed
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.few_labels import FewLabels
from qdllm_utils.texts.label_teachers import label_logits
from qdllm_utils.texts.lora import fine_tune_resumable
from qdllm_utils.texts.sources import Corpus
from qdllm_utils.texts.teacher_specs import ADAPTER, TeacherSpec, hub_name
from qdllm_utils.texts.teachers import TeacherOutput, fine_tune


def taught(
    spec: TeacherSpec,
    corpus: Corpus,
    rows: dict[str, np.ndarray],
    folder: Path,
    states: Callable[[FewLabels], np.ndarray],
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(result, arrays) of the teacher: its accuracies and sizes; its logits (N, C) and an encoder's adapter.

    rows: the numbers of the texts of each part. folder: where a run of hours keeps its checkpoints.
    states: the frozen states (N, d) that a teacher of few labels reads.
    """
    labels = corpus.labels
    data = list(corpus.texts), labels, rows, len(corpus.classes)
    spent: dict[str, Any] = {}
    if few := FewLabels.of(spec.name):
        output = few.teach(states(few), labels, rows["train"])
    elif spec.share_right is not None:
        output = TeacherOutput(label_logits(labels, len(corpus.classes), spec.share_right, spec.seed), 0, 0, {})
    elif spec.large:
        source = pretrained.locate(hub_name(spec.name))
        output = fine_tune_resumable(spec, source, *data, folder, names=corpus.classes)
        spent = {"run": json.loads((folder / "summary.json").read_text(encoding="utf-8"))}
    else:
        output = fine_tune(spec, *data, corpus.classes)
        spent = {} if output.numbers == "float32" else {"run": {"numbers": output.numbers}}
    predicted = output.logits.argmax(axis=1)
    result = {
        "name": pretrained.shown_name(spec.name),
        "parameters": output.parameters,
        "lora_parameters": output.lora_parameters,
        "classes": list(corpus.classes),
        "cleaning": corpus.cleaning,
        "rows": {part: len(numbers) for part, numbers in rows.items()},
        "validation": classification(labels[rows["validation"]], predicted[rows["validation"]]),
        **classification(labels[rows["test"]], predicted[rows["test"]]),
        "predicted": packed(predicted[rows["test"]]),
        **spent,
    }
    adapter = {f"{ADAPTER}{name}": values for name, values in output.adapter.items()}
    return result, {"logits": output.logits, **adapter}
