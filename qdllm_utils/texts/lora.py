"""LoRA on a model of a billion parameters on a few cores: a run that may be killed at any time and goes on.

A plain training loop: PEFT's adapter on the queries, keys and so on; adapter and head in float32, the base too or in
bfloat16 (see loading.dtype_of); batches of texts of like length, cut at max_tokens and never padded to it. The folder
`checkpoint` holds

    state.pt        adapter and head, optimiser, schedule, step, torch's generator, best epoch so far; every few minutes
    *-<n>.npy       predictions in chunks, the n-th of each pass over texts
    clock.json      seconds, greatest memory and number of starts over all processes
    summary.json    the same at the end, with the validation accuracy of each epoch

each written aside and then renamed. A killed run repeats at most CHECKPOINT_SECONDS or one chunk, and ends with the
very logits of an undisturbed one (same machine, same number of threads). Logits are computed unmerged, W0 x + B A x,
which is what was trained; nothing is rounded by a merge.
"""

import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qdcircuits.errors import InputError
from qdllm_utils.texts.adapters import is_merged, with_adapter
from qdllm_utils.texts.loading import check_needs, dtype_of, load_classifier, most_tokens
from qdllm_utils.texts.resumption import (
    Batch,
    Clock,
    Progress,
    Reader,
    alone,
    claim,
    data_hash,
    device,
    in_chunks,
    on_device,
    say,
    whole,
    write_json,
)
from qdllm_utils.texts.sources import share_of
from qdllm_utils.texts.teacher_specs import TeacherSpec
from qdllm_utils.texts.teachers import TeacherOutput, classes_of

CHECKPOINT_SECONDS = 180.0
BACKWARD = (
    2  # forward passes that a training step on a text costs; 1.7 were measured, as frozen weights need no gradient
)
WARM_UP = 0.1  # share of the steps


def fine_tune_resumable(
    spec: TeacherSpec,
    source: str,
    texts: list[str],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    classes: int,
    checkpoint: Path,
    max_tokens: int = 60,
    names: tuple[str, ...] = (),
) -> TeacherOutput:
    """Fine-tune the model in `source` on rows["train"], keep its best validation epoch, run it on all texts.

    Of the training texts it learns from the spec's share_learnt. What the best epoch said of the validation texts is
    kept and not computed again.
    labels: a class a text (N,), or class probabilities (N, C) to be learnt. AdamW without weight decay, gradients
    clipped at norm 1, a linear schedule with warm-up. Raises InputError where memory is short, where the loss or the
    logits are not finite, and where `checkpoint` holds another run or is in use.
    """
    with alone(checkpoint):
        numbers = str(dtype_of(source)).removeprefix("torch.")
        claim(checkpoint, identity_of(spec, texts, labels, rows, max_tokens, numbers))
        clock = Clock(checkpoint)
        say(check_needs(source, spec) + " The time is said after the first steps.")
        tokenizer, model = load_classifier(source, classes, names)
        model = with_adapter(spec, model).to(device())
        reader = Reader(tokenizer, texts, most_tokens(model.config, max_tokens))
        train, validation = share_of(rows["train"], spec.share_learnt, spec.seed), rows["validation"]
        others = np.setdiff1d(np.arange(len(texts)), validation)
        state = State(model, spec, len(train), checkpoint / "state.pt", clock)
        state.load()
        work = [BACKWARD * reader.tokens(train), reader.tokens(validation)]
        bar = Progress(spec.epochs * sum(work) + reader.tokens(others))

        def logits(batch: Batch) -> torch.Tensor:
            """(B, C), without dropout."""
            model.eval()
            return model(**on_device(batch)).logits

        def predict(chosen: np.ndarray, name: str) -> np.ndarray:
            return in_chunks(reader, chosen, logits, 4 * spec.batch_size, checkpoint, name, bar)

        for epoch in range(spec.epochs):
            train_epoch(state, reader, train, labels, spec, epoch, bar)
            if len(state.history) > epoch:
                bar.skip(work[1])
                continue
            predicted = predict(validation, f"validation{epoch}")
            accuracy = float((predicted.argmax(axis=1) == classes_of(labels[validation])).mean())
            say(f"Epoch {epoch + 1} of {spec.epochs}: validation accuracy {accuracy:.4f}.")
            state.end_epoch(accuracy, predicted)
        state.put(state.best_weights)
        found = np.empty((len(texts), classes), np.float32)
        found[validation] = state.best_validation.numpy()
        found[others] = predict(others, "others")
        clock.tick()
        told = {"validation": state.history, "best_epoch": state.best, "numbers": numbers}
        write_json(checkpoint / "summary.json", {**told, **clock.times})
    trained = sum(value.numel() for value in state.trained.values())
    whole_model = sum(value.numel() for name, value in model.named_parameters() if is_merged(name))
    return TeacherOutput(found, whole_model, trained, {})


def identity_of(
    spec: TeacherSpec,
    texts: list[str],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    max_tokens: int,
    numbers: str,
) -> dict[str, Any]:
    """What a checkpoint belongs to: the spec, a hash of texts, labels and split, the cut, and the base's numbers."""
    data = data_hash(texts, labels, *(rows[part] for part in sorted(rows)))
    found = {**asdict(spec), "name": "", "targets": list(spec.targets), "data": data, "max_tokens": max_tokens}
    return found if numbers == "float32" else found | {"numbers": numbers}


def batches_of_epoch(
    lengths: np.ndarray, rows: np.ndarray, batch_size: int, by_length: bool, seed: int, epoch: int
) -> list[np.ndarray]:
    """The batches of row numbers of an epoch: shuffled by (seed, epoch); by_length: equal lengths stay together."""
    generator = np.random.default_rng([seed, epoch])
    shuffled = generator.permutation(rows)
    if by_length:
        shuffled = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    batches = [shuffled[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return [batches[number] for number in generator.permutation(len(batches))] if by_length else batches


class State:
    """What changes while a run goes on, and its file."""

    def __init__(self, model: Any, spec: TeacherSpec, n_train: int, path: Path, clock: Clock) -> None:
        """A fresh run: step 0 of spec.epochs * ceil(n_train / batch_size)."""
        from transformers import get_linear_schedule_with_warmup

        self.model, self.path, self.clock = model, path, clock
        self.trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.optimiser = torch.optim.AdamW(self.trained.values(), lr=spec.learning_rate, weight_decay=0.0)
        self.steps_of_epoch = -(-n_train // spec.batch_size)
        steps = spec.epochs * self.steps_of_epoch
        self.schedule = get_linear_schedule_with_warmup(self.optimiser, int(np.ceil(WARM_UP * steps)), steps)
        self.step, self.best, self.saved = 0, 0, time.monotonic()
        self.history: list[float] = []
        self.best_weights: dict[str, torch.Tensor] = {}
        self.best_validation = torch.empty(0)  # logits of the validation texts, (V, C)

    def learn(self, batch: Batch, labels: torch.Tensor) -> None:
        """One step of the optimiser on a batch; an InputError where the loss is not finite."""
        self.model.train()
        loss = torch.nn.functional.cross_entropy(self.model(**on_device(batch)).logits.float(), labels.to(device()))
        if not torch.isfinite(loss):
            raise InputError(
                f"The loss is {loss.item()} at step {self.step + 1}: the weights or the learning rate are no good; "
                "lower the rate or fetch the model again."
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad()
        self.step += 1

    def end_epoch(self, accuracy: float, predicted: np.ndarray) -> None:
        """Note an epoch's validation accuracy, keep its weights and logits where it is the best so far, and save."""
        self.history.append(accuracy)
        if accuracy > max(self.history[:-1], default=-1.0):
            self.best = len(self.history)
            self.best_weights = {name: value.detach().clone() for name, value in self.trained.items()}
            self.best_validation = torch.tensor(predicted)
        self.save()

    def put(self, weights: dict[str, torch.Tensor]) -> None:
        """Copy weights into the trained parameters."""
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(weights[name])

    def save_if_due(self) -> None:
        """Save where CHECKPOINT_SECONDS have passed since the last time."""
        if time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        content = {
            "threads": torch.get_num_threads(),
            "step": self.step,
            "trained": {name: value.detach() for name, value in self.trained.items()},
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generators": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
            "history": self.history,
            "best": self.best,
            "best_weights": self.best_weights,
            "best_validation": self.best_validation,
        }
        whole(self.path, lambda file: torch.save(content, file))
        self.clock.tick()
        self.saved = time.monotonic()

    def load(self) -> None:
        """Go on from the file where there is one; an InputError where it is damaged."""
        if not self.path.is_file():
            return
        try:
            content = torch.load(self.path, weights_only=True, map_location="cpu")
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            where = self.path.parent.name
            raise InputError(f"The checkpoint in {where!r} is damaged: delete that folder and start again.") from error
        if "best_validation" not in content:
            where = self.path.parent.name
            raise InputError(
                f"The checkpoint in {where!r} is of an earlier version: delete that folder and start again."
            )
        if content["threads"] != torch.get_num_threads():
            say(
                f"This run began with {content['threads']} threads and goes on with {torch.get_num_threads()}: the "
                "last bits of its logits will differ from an undisturbed run's."
            )
        self.step, self.history, self.best = content["step"], content["history"], content["best"]
        self.best_weights, self.best_validation = content["best_weights"], content["best_validation"]
        self.put(content["trained"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.schedule.load_state_dict(content["schedule"])
        torch.set_rng_state(content["generators"][0])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(content["generators"][1:])
        say(f"Going on from step {self.step}, {len(self.history)} epochs done.")


def train_epoch(
    state: State, reader: Reader, train: np.ndarray, labels: np.ndarray, spec: TeacherSpec, epoch: int, bar: Progress
) -> None:
    """What is left of an epoch: nothing, a part, or all of it."""
    batches = batches_of_epoch(reader.lengths, train, spec.batch_size, spec.by_length, spec.seed, epoch)
    done = state.step - epoch * state.steps_of_epoch
    for number, rows in enumerate(batches):
        tokens = BACKWARD * reader.tokens(rows)
        if number < done:
            bar.skip(tokens)
            continue
        state.learn(reader.batch(rows), torch.tensor(labels[rows]))
        bar.add(tokens)
        state.save_if_due()
