"""A saved quantum student as circuits for any provider: one a text, with what is needed to read the counts back."""

import hashlib
from pathlib import Path

import numpy as np

from qdcircuits.bundle import export_bundle
from qdcircuits.errors import InputError
from qdllm_utils.model.loading import load
from qdllm_utils.model.text_model import OnEmbedding
from qdllm_utils.texts.own_file import read_own_file


def export(model: str | Path, texts: str | Path, bundle: str | Path, shots: int = 10_240) -> str:
    """Write the circuits of the texts of a labelled CSV into a new folder; returns what was written, in a sentence.

    model: a folder that `save` wrote, whose model is the quantum student. Raises InputError for another model and for
    labels that the model does not know.
    """
    fitted = load(model).model_
    scorer = fitted.scorer
    if not isinstance(scorer, OnEmbedding) or scorer.head.kind != "quantum":
        raise InputError(
            f"The model in {Path(model).name!r} is no quantum student, so it has no circuit: save that one with "
            "distil(...).save(folder, name='quantum')."
        )
    own = read_own_file(str(texts))
    names = [str(name) for name in fitted.classes]
    foreign = sorted(set(own.classes) - set(names))
    if foreign:
        raise InputError(f"The texts have the label {foreign[0]!r}, and the model knows {', '.join(names)}.")
    head, listed = scorer.head, list(own.texts)
    features = np.asarray(scorer.embedder.transform(listed), float)
    reduced = features @ head.arrays["reduce_weight"].astype(float) + head.arrays["reduce_bias"]
    place = export_bundle(
        bundle,
        circuit=head.circuit,
        weights=head.arrays["angles"].astype(float),
        inputs=np.pi / 2 * (1 + np.tanh(reduced)),
        head_weight=head.arrays["head_weight"],
        head_bias=head.arrays["head_bias"],
        text_hashes=[hashlib.sha256(text.encode()).hexdigest() for text in listed],
        classes=names,
        labels=[names.index(own.classes[label]) for label in own.labels],
        shots=shots,
        about={"model": Path(model).name},
    )
    return f"{len(listed):,} circuits and the check circuit are in {place.name}/; run them all, then import the counts."
