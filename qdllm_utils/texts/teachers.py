"""Teachers: pre-trained weights -> LoRA in a sequence classifier -> merged -> class logits of every text.

One path for the paper's five LLMs (or their twins), for MiniLM, and for any other model of transformers
(a hub id or a local folder). LoRA: W = W0 + B A (paper, eqs. 2 and 3), merged after fine-tuning.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdcircuits.errors import InputError
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.embeddings import MAX_TOKENS
from qdllm_utils.texts.teacher_specs import TeacherSpec, hub_name


@dataclass(frozen=True)
class TeacherOutput:
    """logits: (N, C) of every text. parameters: of the merged model; lora_parameters: trained ones.

    adapter: the adapter's weights of a BERT teacher (so that its inner states can be had again), else {}.
    """

    logits: np.ndarray
    parameters: int
    lora_parameters: int
    adapter: dict[str, np.ndarray]


def fine_tune(
    spec: TeacherSpec,
    texts: list[str],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    classes: int,
    max_tokens: int = MAX_TOKENS,
    save_to: Path | None = None,
) -> TeacherOutput:
    """Fine-tune a model on rows["train"], keep its best validation epoch, merge, and run it on all texts.

    labels: a class a text (N,), or class probabilities (N, C) to be learnt by cross-entropy against them, which is
    how an embedder learns from a teacher. max_tokens: what a text is cut to. save_to: a folder for the merged model
    and its tokeniser.
    """
    from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict
    from transformers import DataCollatorWithPadding, Trainer

    with weights_folder(spec, texts, rows["train"]) as source, tempfile.TemporaryDirectory() as output:
        tokenizer, model = load_classifier(source, classes)
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=spec.rank,
            lora_alpha=2 * spec.rank,
            lora_dropout=0.05,
            target_modules=list(spec.targets) or None,
        )
        try:
            torch.manual_seed(spec.seed)
            peft_model = get_peft_model(model, config)
        except ValueError:
            config.target_modules = "all-linear"
            peft_model = get_peft_model(model, config)
        encoded = [
            {**tokenizer(text, truncation=True, max_length=max_tokens), "labels": label.tolist()}
            for text, label in zip(texts, labels, strict=True)
        ]
        trainer: Any = Trainer(
            model=peft_model,
            args=training_arguments(spec, output),
            train_dataset=[encoded[row] for row in rows["train"]],
            eval_dataset=[encoded[row] for row in rows["validation"]],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=lambda pair: {"accuracy": float((pair[0].argmax(-1) == classes_of(pair[1])).mean())},
            compute_loss_func=against_probabilities if labels.ndim == 2 else None,
        )
        plain_progress(trainer)
        trainer.train()
        lora_parameters = sum(p.numel() for p in peft_model.parameters() if p.requires_grad)
        adapter = {}
        if model.config.model_type == "bert":
            state = get_peft_model_state_dict(peft_model)
            adapter = {name: values.float().cpu().numpy() for name, values in state.items()}
        trainer.model = peft_model.merge_and_unload()
        trainer.args.train_sampling_strategy = "sequential"  # else predict() hands the rows back by length
        output_of_all = trainer.predict(encoded)
        if not np.array_equal(output_of_all.label_ids, labels):
            raise RuntimeError("transformers returned the texts in another order than they were given in.")
        logits = output_of_all.predictions.astype(np.float32)
        parameters = sum(p.numel() for p in trainer.model.parameters())
        if save_to is not None:
            trainer.model.save_pretrained(save_to)
            tokenizer.save_pretrained(save_to)
    return TeacherOutput(logits, parameters, lora_parameters, adapter)


def classes_of(labels: np.ndarray) -> np.ndarray:
    """The class of each text (N,), from classes or class probabilities."""
    return labels if labels.ndim == 1 else labels.argmax(axis=1)


def against_probabilities(output: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
    """Cross-entropy of the logits (B, C) against class probabilities (B, C), batch mean."""
    return torch.nn.functional.cross_entropy(output.logits.float(), labels)


def training_arguments(spec: TeacherSpec, output: str) -> Any:
    """How transformers' Trainer is run; bf16 and gradient checkpointing on a GPU."""
    from transformers import TrainingArguments

    gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=output,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=4 * spec.batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        train_sampling_strategy="group_by_length" if spec.by_length else "random",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        bf16=gpu,
        gradient_checkpointing=gpu and not spec.twin and spec.name != "minilm",
        use_cpu=not gpu,
        report_to="none",
        logging_strategy="no",
        dataloader_pin_memory=gpu,
        seed=spec.seed,
    )


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
        yield pretrained.locate(hub_name(spec.name))
        return
    from qdllm_utils.texts import twins

    with tempfile.TemporaryDirectory() as folder:
        twins.pretrain(spec.name, [texts[row] for row in train], spec.pretraining_steps, spec.seed, Path(folder))
        yield folder


def load_classifier(source: str, classes: int) -> tuple[Any, Any]:
    """The tokeniser and the sequence classifier with `classes` outputs; the pad token set where it is missing."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="right")
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=classes, dtype=dtype)
    except (OSError, ValueError) as error:
        reason = (
            "its tokeniser is missing" if "okenizer" in str(error) else str(error).strip().splitlines()[0].rstrip(".:")
        )
        raise InputError(
            f"The model {source!r} cannot be loaded as a sequence classifier ({reason}): save model and tokeniser "
            "with save_pretrained in one folder."
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    return tokenizer, model


def merged_bert(spec: TeacherSpec, adapter: dict[str, np.ndarray], classes: int) -> Any:
    """The merged BERT (without its head) of a fine-tuned BERT teacher, from its pre-trained weights and adapter."""
    from peft import LoraConfig, TaskType, get_peft_model, set_peft_model_state_dict

    _, model = load_classifier(pretrained.locate(hub_name(spec.name)), classes)
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=spec.rank,
        lora_alpha=2 * spec.rank,
        target_modules=list(spec.targets) or None,
    )
    peft_model = get_peft_model(model, config)
    set_peft_model_state_dict(peft_model, {name: torch.tensor(values) for name, values in adapter.items()})
    return peft_model.merge_and_unload().eval().bert
