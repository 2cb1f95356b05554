"""A saved quantum student as circuits for any provider: one a text, with what is needed to read the counts back."""

import hashlib
from pathlib import Path
from typing import Any

from qdcircuits.bundle import export_bundle
from qdcircuits.errors import InputError
from qdllm_utils.model.loading import load
from qdllm_utils.model.text_model import OnEmbedding
from qdllm_utils.texts.own_file import OwnTexts, read_own_file


def export(
    model: str | Path, texts: str | Path, bundle: str | Path, shots: int = 10_240, embedder: str | None = None
) -> str:
    """Write the circuits of the texts of a labelled CSV into a new folder; returns what was written, in a sentence.

    model: a folder that `save` wrote, whose model is the quantum student. embedder: as `load` takes it.
    Raises InputError for another model and for labels that the model does not know.
    """
    saved = quantum_model(model, embedder)
    own = read_own_file(str(texts), to_train=False)
    labels, listed = labels_of(own, saved), list(own.texts)
    head = saved.scorer.head
    place = export_bundle(
        bundle,
        circuit=head.circuit,
        weights=head.arrays["angles"].astype(float),
        inputs=head.inputs(saved.scorer.embedder.transform(listed)),
        head_weight=head.arrays["head_weight"],
        head_bias=head.arrays["head_bias"],
        text_hashes=[hashlib.sha256(text.encode()).hexdigest() for text in listed],
        classes=[str(name) for name in saved.classes],
        labels=labels,
        shots=shots,
        about={"model": Path(model).name},
    )
    return f"{len(listed):,} circuits and the check circuit are in {place.name}/; run them all, then import the counts."


def quantum_model(folder: str | Path, embedder: str | None = None) -> Any:
    """The model of a folder that `save` wrote, on an embedding and with a quantum head; InputError for any other.

    embedder: as `load` takes it.
    """
    model = load(folder, embedder).model_
    if not isinstance(model.scorer, OnEmbedding) or model.scorer.head.kind != "quantum":
        raise InputError(
            f"The model in {Path(folder).name!r} is no quantum student, so it has no circuit: save that one with "
            "distil(...).save(folder, name='quantum')."
        )
    return model


def labels_of(own: OwnTexts, model: Any) -> list[int]:
    """The labels of the texts as class numbers of the model, by name; InputError for a name that it does not know."""
    names = [str(name) for name in model.classes]
    foreign = sorted(set(own.classes) - set(names))
    if foreign:
        raise InputError(f"The texts have the label {foreign[0]!r}, and the model knows {', '.join(names)}.")
    return [names.index(own.classes[label]) for label in own.labels]
