"""The embeddings of an experiment's texts, made and stored: by the frozen embedder, or by a fine-tuned encoder."""

from typing import TYPE_CHECKING

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.config import DECODER_POOLINGS, FINE_TUNED_POOLINGS, TASKS
from qdllm_utils.runs import provenance
from qdllm_utils.runs.store import Row
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.teacher_specs import embedder_spec

if TYPE_CHECKING:
    from qdllm_utils.runs.experiments import Experiment


def check(embedder: str, pooling: str) -> None:
    """Raise InputError, before anything is read, for a pooling that the embedder does not have."""
    if pooling in FINE_TUNED_POOLINGS or pooling in DECODER_POOLINGS or not pretrained.is_decoder(embedder):
        return
    raise InputError(
        f"The embedder {embedder} is a decoder, which has no pooling {pooling}: choose one of "
        f"{', '.join(DECODER_POOLINGS)}."
    )


def made(experiment: "Experiment", pooling: str, label: str) -> dict[str, Row]:
    """The new rows of a fine-tuned pooling, or of all the frozen ones, stored."""
    store = experiment.store
    store.say(f"{label}: computing ({store.why}).")
    with provenance.recorded() as record:
        found = from_fine_tuned(experiment, pooling) if pooling in FINE_TUNED_POOLINGS else from_frozen(experiment)
    rows = {
        name: Row(experiment.pooled_identity(name), {"dimension": values.shape[1]}, record, {name: values})
        for name, values in found.items()
    }
    for row in rows.values():
        store.save(row)
    return rows


def from_frozen(experiment: "Experiment") -> dict[str, np.ndarray]:
    """Every pooling of the frozen embedder; a decoder's states are stored as they come, beside the rows."""
    from qdllm_utils.texts.embeddings import embed
    from qdllm_utils.texts.states import frozen_states

    texts, embedder = list(experiment.source.corpus.texts), experiment.scale.embedder
    if pretrained.is_decoder(embedder):
        return frozen_states(embedder, texts, experiment.checkpoints(experiment.pooled_identity("mean")))
    return embed(texts, embedder)


def from_fine_tuned(experiment: "Experiment", pooling: str) -> dict[str, np.ndarray]:
    """One pooling of a fine-tuned encoder."""
    from qdllm_utils.runs import teaching
    from qdllm_utils.texts import fine_tuned

    corpus, arrays = experiment.source.corpus, experiment.teacher_row(arrays=True).arrays
    texts = list(corpus.texts)
    if pooling == "teacher":
        fine_tuned.check_encoder(experiment.teacher_spec)
        adapter = teaching.adapter(experiment, arrays)
        found = fine_tuned.of_teacher(experiment.teacher_spec, adapter, texts, len(corpus.classes))
    else:
        spec = embedder_spec(experiment.scale, TASKS[experiment.source.task])
        found = fine_tuned.distilled(spec, arrays["logits"], texts, corpus.labels, experiment.parts())
    return {pooling: found}
