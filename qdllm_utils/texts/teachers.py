"""Teachers: pre-trained weights -> LoRA in a sequence classifier -> merged -> class logits of every text.

One path for the paper's five LLMs (or their twins), for MiniLM, and for any other model of transformers
(a hub id or a local folder). LoRA: W = W0 + B A (paper, eqs. 2 and 3), merged after fine-tuning where the weights
are float32; bfloat16 weights (a large model on a GPU) stay unmerged, for a merge would round them anew.
"""

import contextlib
import gc
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdcircuits.errors import InputError
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.adapters import is_merged, with_adapter
from qdllm_utils.texts.embeddings import MAX_TOKENS
from qdllm_utils.texts.loading import check_logits, check_needs, load_classifier, most_tokens
from qdllm_utils.texts.model_folders import check_folder
from qdllm_utils.texts.sources import share_of
from qdllm_utils.texts.teacher_specs import TeacherSpec, hub_name

STEP_TOKENS = 4096  # of a training step, at most
LITERAL = ("bart", "mbart", "t5", "mt5", "umt5")  # they read a text's class at its one end token


@dataclass(frozen=True)
class TeacherOutput:
    """logits: (N, C) of every text. parameters: of the merged model; lora_parameters: trained ones.

    adapter: the weights of an encoder's adapter (so that its inner states can be had again), else {}. numbers: the
    format of the base's weights.
    """

    logits: np.ndarray
    parameters: int
    lora_parameters: int
    adapter: dict[str, np.ndarray]
    numbers: str = "float32"


def fine_tune(
    spec: TeacherSpec,
    texts: list[str],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    classes: int,
    names: tuple[str, ...] = (),
    max_tokens: int = MAX_TOKENS,
    save_to: Path | None = None,
) -> TeacherOutput:
    """Fine-tune a model on rows["train"], keep its best validation epoch, merge, and run it on all texts.

    labels: a class a text (N,), or class probabilities (N, C) to be learnt by cross-entropy against them, which is
    how an embedder learns from a teacher. Of the training texts it learns from the spec's share_learnt. names: of the
    classes, by which a checkpoint that was fine-tuned on them keeps its head. max_tokens: what a text is cut to.
    save_to: a folder for the merged model and its tokeniser.
    Raises InputError for a model that cannot be used and for losses or logits that are not finite.
    The model's memory is free again when this returns.
    """
    with weights_folder(spec, texts, rows["train"]) as source, tempfile.TemporaryDirectory() as output:
        if not spec.twin:
            check_needs(source, spec)
        found = train_and_predict(spec, source, texts, labels, rows, classes, names, output, max_tokens, save_to)
    gc.collect()  # the trainer and the model hold each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return found


def train_and_predict(
    spec: TeacherSpec,
    source: str,
    texts: list[str],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    classes: int,
    names: tuple[str, ...],
    output: str,
    max_tokens: int,
    save_to: Path | None,
) -> TeacherOutput:
    """fine_tune's work; nothing that it makes outlives it. output: a folder for the trainer's checkpoints."""
    from peft import get_peft_model_state_dict
    from transformers import DataCollatorWithPadding

    tokenizer, model = load_classifier(source, classes, names, checked=not spec.twin)
    peft_model = with_adapter(spec, model)
    encoded = [
        {**tokens, "labels": label.tolist()}
        for tokens, label in zip(encode(tokenizer, texts, model.config, max_tokens), labels, strict=True)
    ]
    longest = max(len(one["input_ids"]) for one in encoded)
    parts = parts_of_a_batch(spec.batch_size, longest) if labels.ndim == 1 else 1
    arguments = training_arguments(spec, output, half=model.dtype == torch.bfloat16, parts=parts)
    trainer = checked_trainer()(
        model=peft_model,
        args=arguments,
        train_dataset=[encoded[row] for row in share_of(rows["train"], spec.share_learnt, spec.seed)],
        eval_dataset=[encoded[row] for row in rows["validation"]],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda pair: {"accuracy": float((pair[0].argmax(-1) == classes_of(pair[1])).mean())},
        compute_loss_func=against_probabilities if labels.ndim == 2 else None,
        preprocess_logits_for_metrics=lambda logits, _: logits[0] if isinstance(logits, tuple) else logits,
    )
    plain_progress(trainer)
    trainer.train()
    lora_parameters = sum(p.numel() for p in peft_model.parameters() if p.requires_grad)
    adapter = {}
    if model.config.model_type in pretrained.ENCODERS:
        state = get_peft_model_state_dict(peft_model)
        adapter = {name: values.float().cpu().numpy() for name, values in state.items()}
    parameters = sum(p.numel() for name, p in peft_model.named_parameters() if is_merged(name))
    if model.dtype == torch.float32:
        trainer.model = peft_model.merge_and_unload()
    trainer.args.train_sampling_strategy = "sequential"  # else predict() hands the rows back by length
    output_of_all = trainer.predict(encoded)
    if not np.array_equal(output_of_all.label_ids, labels):
        raise RuntimeError("transformers returned the texts in another order than they were given in.")
    check_logits(spec.name, output_of_all.predictions)
    if save_to is not None:
        trainer.model.save_pretrained(save_to)
        tokenizer.save_pretrained(save_to)
    numbers = str(model.dtype).removeprefix("torch.")
    return TeacherOutput(output_of_all.predictions.astype(np.float32), parameters, lora_parameters, adapter, numbers)


def as_is(source: str, texts: list[str], names: tuple[str, ...], batch_size: int = 64) -> TeacherOutput:
    """The logits of a classifier that was fine-tuned on these classes, without LoRA, its outputs in our order.

    source: a local folder or hub id. Raises InputError where its class names are not ours.
    """
    tokenizer, model = load_classifier(pretrained.locate(hub_name(source)), len(names), names, as_is=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    encoded = encode(tokenizer, texts, model.config)
    order = sorted(range(len(texts)), key=lambda row: len(encoded[row]["input_ids"]))
    logits = np.empty((len(texts), len(names)), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = tokenizer.pad([encoded[row] for row in chosen], return_tensors="pt").to(device)
            logits[chosen] = model(**batch).logits.float().cpu().numpy()
    check_logits(source, logits)
    return TeacherOutput(logits, model.num_parameters(), 0, {})


def encode(tokenizer: Any, texts: list[str], config: Any, max_tokens: int = MAX_TOKENS) -> list[dict[str, list[int]]]:
    """Each text's tokens, cut at `max_tokens` or at the model's positions, not padded."""
    limit = most_tokens(config, max_tokens)
    literal = {"split_special_tokens": True} if config.model_type in LITERAL else {}
    found = [dict(tokenizer(text, truncation=True, max_length=limit, **literal)) for text in texts]
    known = [token for one in found for token in one["input_ids"]]
    if tokenizer.unk_token_id is not None and known.count(tokenizer.unk_token_id) > len(known) / 2:
        raise InputError(
            "More than half of the texts' tokens are unknown to the model: choose one that reads their language."
        )
    return found


def classes_of(labels: np.ndarray) -> np.ndarray:
    """The class of each text (N,), from classes or class probabilities."""
    return labels if labels.ndim == 1 else labels.argmax(axis=1)


def against_probabilities(output: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
    """Cross-entropy of the logits (B, C) against class probabilities (B, C), batch mean."""
    return torch.nn.functional.cross_entropy(output.logits.float(), labels)


def checked_trainer() -> Any:
    """transformers' Trainer that stops at a loss that is not finite."""
    from transformers import Trainer

    class CheckedTrainer(Trainer):
        def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
            """One step; its loss is finite."""
            loss = super().training_step(*arguments, **named)
            if not bool(torch.isfinite(loss).all()):
                raise InputError(
                    f"The teacher's loss is {float(loss)} at step {self.state.global_step + 1}: its weights or the "
                    "learning rate are no good; lower the rate or fetch the model again."
                )
            return loss

    return CheckedTrainer


def parts_of_a_batch(batch_size: int, longest: int) -> int:
    """Into how many parts a batch goes, whose gradients are added up: 32 texts of 512 tokens would take 13 GB at once.

    longest: tokens of the longest text. 1 where a batch has at most STEP_TOKENS, as 32 of the paper's 60 tokens have.
    """
    parts = 1
    while batch_size % (2 * parts) == 0 and batch_size // parts * longest > STEP_TOKENS:
        parts *= 2
    return parts


def training_arguments(spec: TeacherSpec, output: str, half: bool = False, parts: int = 1) -> Any:
    """How transformers' Trainer is run: on one GPU at most; half: bfloat16 weights, with gradient checkpointing.

    parts: into which a batch goes (see parts_of_a_batch).
    More GPUs would multiply the batch, so another run would come out under the same key: they are left idle.
    """
    from transformers import TrainingArguments

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "A teacher is fine-tuned by one process: start without torchrun or accelerate, which multiply its batch."
        )
    gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=output,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size // parts,
        per_device_eval_batch_size=4 * spec.batch_size // parts,
        gradient_accumulation_steps=parts,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        train_sampling_strategy="group_by_length" if spec.by_length else "random",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        bf16=False,  # no autocast, which would run the head in bfloat16
        gradient_checkpointing=half,
        use_cpu=not gpu,
        report_to="none",
        logging_strategy="no",
        dataloader_pin_memory=gpu,
        seed=spec.seed,
    )
    if arguments.n_gpu > 1:
        print(f"{arguments.n_gpu} GPUs are visible and one is used: the batch, and so the run, stays the same.")
        arguments._n_gpu = 1
    return arguments


def plain_progress(trainer: Any) -> None:
    """A plain progress bar on standard error: the notebook's own, and the logged lines, would stand in the book."""
    from transformers import PrinterCallback, ProgressCallback
    from transformers.utils.notebook import NotebookProgressCallback

    class QuietProgress(ProgressCallback):
        def on_log(self, *arguments: Any, **named: Any) -> None:
            """Print nothing."""

    for callback in (NotebookProgressCallback, ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(QuietProgress)


@contextlib.contextmanager
def weights_folder(spec: TeacherSpec, texts: list[str], train: np.ndarray) -> Iterator[str]:
    """Where the pre-trained weights are: a folder or hub id; a twin is made in a temporary folder."""
    if not spec.twin:
        folder = Path(hub_name(spec.name)).expanduser()
        if folder.is_dir():
            check_folder(folder)
        yield pretrained.locate(hub_name(spec.name))
        return
    from qdllm_utils.texts import twins

    with tempfile.TemporaryDirectory() as made:
        twins.pretrain(spec.name, [texts[row] for row in train], spec.pretraining_steps, spec.seed, Path(made))
        yield made


def merged_encoder(spec: TeacherSpec, adapter: dict[str, np.ndarray], classes: int) -> Any:
    """The merged model (without its head) of a fine-tuned encoder, from its pre-trained weights and its adapter."""
    from peft import set_peft_model_state_dict

    _, model = load_classifier(pretrained.locate(hub_name(spec.name)), classes)
    peft_model = with_adapter(spec, model)
    set_peft_model_state_dict(peft_model, {name: torch.tensor(values) for name, values in adapter.items()})
    return peft_model.merge_and_unload().eval().base_model
