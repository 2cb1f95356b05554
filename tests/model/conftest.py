"""One distillation for the tests of the saved model: every candidate, briefly trained on generated texts."""

import numpy as np
import pytest

from qdllm_utils.model import training
from qdllm_utils.model.distillation import distil
from qdllm_utils.texts import corpora

NAMES = {"business": "zinc & co", "sci": "Ärzte", "sport": "3", "world": "a,b"}


@pytest.fixture(scope="session")
def labelled():
    """(texts, class names, probabilities of a made-up teacher in the order of the sorted names)."""
    texts, labels = corpora.generate("thematic", 60)
    names = [NAMES[label] for label in labels]
    order = sorted(NAMES.values())
    teacher = np.full((len(texts), 4), 0.05)
    teacher[np.arange(len(texts)), [order.index(name) for name in names]] = 0.85
    return list(texts), names, teacher


@pytest.fixture(scope="session")
def distilled(labelled):
    texts, names, teacher = labelled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "STEPS", 100)
        return distil(texts, names, teacher, embedder="static", curve=False, progress=False)
