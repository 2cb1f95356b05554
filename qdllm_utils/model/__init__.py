"""The engineer's door: from labelled texts to a saved folder that classifies new texts.

distil(texts, labels, teacher="minilm").save("model/")
load("model/").predict(["a text"])
"""

from qdllm_utils.model.classifier import DistilledClassifier
from qdllm_utils.model.distillation import Distilled, distil
from qdllm_utils.model.loading import load

__all__ = ["Distilled", "DistilledClassifier", "distil", "load"]
