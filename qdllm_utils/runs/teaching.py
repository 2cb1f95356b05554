"""A teacher made and scored: what its row holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qdllm_utils.learning.metrics import classification, packed
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.few_labels import FewLabels
from qdllm_utils.texts.label_teachers import label_logits
from qdllm_utils.texts.lora import fine_tune_resumable
from qdllm_utils.texts.sources import Corpus
from qdllm_utils.texts.teacher_specs import ADAPTER, TeacherSpec, adapter_of, hub_name
from qdllm_utils.texts.teachers import TeacherOutput, fine_tune

if TYPE_CHECKING:
    from qdllm_utils.runs.experiments import Experiment


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


def adapter(experiment: "Experiment", arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The adapter with which an encoder's inner states can be had again, from the arrays of its row as a teacher.

    A row that an earlier version stored has none there. The teacher is then fine-tuned again, into a row of its own,
    which says on how many test texts it answers otherwise than the stored one, whose logits stay those that are learnt.
    """
    if found := adapter_of(arrays):
        return found

    def compute() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        result, again = experiment.compute_teacher()
        test = experiment.parts()["test"]
        otherwise = again.pop("logits")[test].argmax(axis=1) != arrays["logits"][test].argmax(axis=1)
        return {"acc": result["acc"], "otherwise": int(otherwise.sum())}, again

    identity = {"kind": "adapter", "teacher": experiment.teacher_identity}
    row = experiment.store.get(identity, compute, f"teacher {experiment.teacher}, its inner states", arrays=True)
    return adapter_of(row.arrays)


def adapter_for(experiment: "Experiment", student: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The adapter that a compression baseline may learn from: always where it is cut from the teacher's own model."""
    from qdllm_utils.runs.jobs import WIDE_BASELINES

    of_family = student in WIDE_BASELINES and WIDE_BASELINES[student].small.source == experiment.teacher
    return adapter(experiment, arrays) if of_family else adapter_of(arrays)
