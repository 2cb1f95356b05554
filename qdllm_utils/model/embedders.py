"""From text to embedding.

    minilm, bert, a hub id, a folder   a frozen encoder of transformers (torch), mean over tokens
    minilm:int8, my_folder:int8 ...    the same encoder with weights and activations of 8 bits, run by ONNX Runtime
    static                             one vector a token, distilled from MiniLM by model2vec: a look-up and a mean

Only the first needs torch when a saved model is used.
"""

from qdllm_utils.model.encoder import Encoder
from qdllm_utils.model.int8 import Int8
from qdllm_utils.model.static import Static
from qdllm_utils.model.tokens import INT8, STATIC

Embedder = Encoder | Int8 | Static


def embedder(name: str, max_tokens: int, pooling: str = "mean") -> Embedder:
    """The embedder of a name; raises InputError for one that does not exist."""
    if name == STATIC:
        return Static(max_tokens)
    if name.endswith(INT8):
        return Int8(name, pooling, max_tokens)
    return Encoder(name, pooling, max_tokens)
