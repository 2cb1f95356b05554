"""The LoRA adapter of a teacher: which modules it adapts, and the head that is trained beside it."""

from typing import Any

import torch

from qdcircuits.errors import InputError
from qdllm_utils.texts.heads import head_modules
from qdllm_utils.texts.teacher_specs import TeacherSpec


def with_adapter(spec: TeacherSpec, model: Any) -> Any:
    """The model with LoRA on the spec's targets (empty: PEFT's choice for its type, else every linear layer).

    The head is trained whole, whatever the architecture calls it.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=spec.rank,
        lora_alpha=2 * spec.rank,
        lora_dropout=0.05,
        target_modules=list(spec.targets) or None,
        modules_to_save=[name for name in head_modules(model) if name not in ("classifier", "score")] or None,
    )
    if not spec.targets and not has_default_targets(model):
        config.target_modules = linear_layers(model)
    torch.manual_seed(spec.seed)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise InputError(
            f"LoRA cannot adapt the modules {', '.join(spec.targets)} of {spec.name} "
            f"({str(error).splitlines()[0][:120].rstrip('.')}): name modules that it has."
        ) from error


def has_default_targets(model: Any) -> bool:
    """Whether PEFT has a choice of its own for the model's type."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    return model.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING


def linear_layers(model: Any) -> list[str]:
    """The names of all linear layers of the base model, without the head."""
    from transformers.pytorch_utils import Conv1D

    prefix = model.base_model_prefix
    return [
        f"{prefix}.{name}"
        for name, module in getattr(model, prefix).named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    ]


def is_merged(name: str) -> bool:
    """Whether a parameter is there after merging: not the adapter's own, and of the head only the trained copy."""
    return "lora_" not in name and ".original_module." not in name


def head_in_float32(model: Any) -> None:
    """Let a bfloat16 model's head compute in float32: what it is given is cast, its weights too."""
    for part in head_modules(model).values():
        part.float()
        part.register_forward_pre_hook(to_float32)


def to_float32(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a module, floating-point tensors among them as float32."""
    return tuple(one.float() if isinstance(one, torch.Tensor) and one.is_floating_point() else one for one in given)
