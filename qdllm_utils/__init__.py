"""The package behind the reproducible paper of QD-LLM.

For an engineer: `distil(texts, labels).save("model/")`, then `load("model/").predict(texts)`. For a reader of the
book: `rows("controls", task="hiding")` is a pandas DataFrame of what a page is made of, and `recompute(key)` computes
one of its rows again. For a notebook: `read_parameters(globals())`. The circuits are a package of their own,
`qdcircuits`. `python -m qdllm_utils --help` lists the commands.
"""

from importlib import import_module
from typing import Any

PUBLIC = {
    "distil": "qdllm_utils.model",
    "load": "qdllm_utils.model",
    "DistilledClassifier": "qdllm_utils.model",
    "predict_file": "qdllm_utils.model.stream",
    "read_own_file": "qdllm_utils.texts.own_file",
    "rows": "qdllm_utils.show.frame",
    "recompute": "qdllm_utils.runs.recompute",
    "read_parameters": "qdllm_utils.parameters",
    "knobs": "qdllm_utils.config",
    "InputError": "qdcircuits.errors",
}
__all__ = list(PUBLIC)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: `import qdllm_utils` itself loads nothing heavy."""
    if name not in PUBLIC:
        raise AttributeError(f"qdllm_utils has no {name!r}; it offers {', '.join(PUBLIC)}.")
    return getattr(import_module(PUBLIC[name]), name)
