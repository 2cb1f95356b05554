"""Whose classes a checkpoint's classification head knows, matched to ours by name, never by position."""

from dataclasses import dataclass
from typing import Any

import torch

from qdcircuits.errors import InputError


@dataclass(frozen=True)
class Head:
    """What a checkpoint's head is to us.

    kind: none (it has no classification head), ours (it knows exactly our classes) or foreign (anything else).
    order: for ours, which of its outputs is each of our classes. what: how to call a foreign head in a sentence.
    """

    kind: str
    order: tuple[int, ...] = ()
    what: str = ""


def head_of(config: Any, source: str, names: tuple[str, ...]) -> Head:
    """The head of a checkpoint, from its configuration; an InputError where only some of its class names are ours.

    Names are compared without case and surrounding space. Without `names` every head is foreign.
    """
    if not any("SequenceClassification" in one for one in getattr(config, "architectures", None) or ()):
        return Head("none")
    theirs = [str(config.id2label[number]) for number in range(config.num_labels)]
    listed = ", ".join(theirs[:6]) + (", …" if len(theirs) > 6 else "")
    if config.num_labels == 1 or config.problem_type == "regression":
        return Head("foreign", what="a regression head")
    if config.problem_type == "multi_label_classification":
        return Head("foreign", what=f"a multi-label head ({listed})")
    plain_theirs, plain_ours = ([name.strip().casefold() for name in found] for found in (theirs, names))
    if sorted(plain_theirs) == sorted(plain_ours) and len(set(plain_ours)) == len(plain_ours):
        return Head("ours", tuple(plain_theirs.index(name) for name in plain_ours))
    if set(plain_theirs) & set(plain_ours):
        raise InputError(
            f"The classifier {short(source)} knows the classes {listed} and the texts have {', '.join(names)}: only "
            "some names agree; rename the labels, or the classes in its config.json (id2label)."
        )
    return Head("foreign", what=f"a head for other classes ({listed})")


def short(source: str) -> str:
    """A model's name in a sentence: of a folder its last part."""
    return repr(source.rstrip("/").rsplit("/", 1)[-1] if source.startswith(("/", ".", "~")) else source)


def head_modules(model: Any) -> dict[str, torch.nn.Module]:
    """The parts of a classifier that are not its base model and have parameters, by name."""
    return {
        name: module
        for name, module in model.named_children()
        if name != model.base_model_prefix and any(True for _ in module.parameters())
    }


def in_our_order(model: Any, head: Head, names: tuple[str, ...]) -> None:
    """Permute the outputs of a head of our classes so that output k is our class k."""
    outputs = [
        module
        for part in head_modules(model).values()
        for module in part.modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == len(head.order)
    ]
    last = outputs[-1]
    order = list(head.order)
    with torch.no_grad():
        last.weight.copy_(last.weight[order].clone())
        if last.bias is not None:
            last.bias.copy_(last.bias[order].clone())
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}


def start_anew(model: Any, seed: int = 0) -> None:
    """Initialise the head again as the architecture does for a new one."""
    torch.manual_seed(seed)
    for part in head_modules(model).values():
        for parameter in part.parameters():
            parameter._is_hf_initialized = False  # type: ignore[attr-defined]  # else transformers leaves it alone
        for module in part.modules():
            module._is_hf_initialized = False  # type: ignore[assignment]
            model._init_weights(module)
