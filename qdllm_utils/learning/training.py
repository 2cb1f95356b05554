"""One training loop for every student: Adam, best-on-validation checkpoint, many seeds at once.

A student is a torch module with a leading axis of S independent copies (one a seed):

    seeds                the S seeds; copy s is initialised from seeds[s] alone
    logits(batch)        (S, B, C)
    losses(batch, epoch) (S, B), one value a row
    settings             learning_rate, weight_decay, batch_size, epochs, schedule
    copies_apart         whether the bits of a copy must not depend on S (see `copies`); then all its own arithmetic
                         keeps to that, and the optimiser's is made to

A batch is a dictionary of tensors (S, B, ...), rows gathered from the data's tensors (N, ...).
"""

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from qdllm_utils.learning.copies import lay_out
from qdllm_utils.learning.finite import NotFinite, not_finite

Data = dict[str, Tensor]


@dataclass(frozen=True)
class Settings:
    """How a student is trained. learning_rate of Adam (AdamW with weight_decay > 0), batch_size in rows.

    patience: stop after so many epochs without a better validation accuracy of any copy (0: never).
    select_from: the first epoch (from 0) whose checkpoint may be kept, for students with a stage before it.
    """

    learning_rate: float
    batch_size: int
    epochs: int
    schedule: str = "constant"
    weight_decay: float = 0.0
    warmup: float = 0.0
    clip: float = 0.0
    patience: int = 0
    select_from: int = 0


class Student(Protocol):
    """What the loop needs of a student; see the module's text."""

    seeds: list[int]
    settings: Settings

    def logits(self, batch: Data) -> Tensor: ...  # noqa: D102
    def losses(self, batch: Data, epoch: int) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class Fit:
    """What a training run leaves behind, for each of the S copies.

    best_epoch, validation: lists of S, the epoch (from 1) of the best validation accuracy and that accuracy.
    history: validation accuracies, one list of S an epoch. epoch_seconds: wall time of one epoch of one
    copy, without validation: the mean over epochs, divided by S.
    """

    best_epoch: list[int]
    validation: list[float]
    history: list[list[float]]
    epoch_seconds: float


def rows(data: Data, index: Tensor) -> Data:
    """The rows `index` (S, B) of every tensor of the data, each (S, B, ...)."""
    return {name: values[index] for name, values in data.items()}


def epoch_batches(
    n_rows: int, batch_size: int, generators: list[torch.Generator], lengths: Tensor | None = None
) -> Tensor:
    """A shuffled order for each seed, cut into batches: (batches, S, batch_size); the last partial one dropped.

    A batch size above the number of rows means one batch of all rows. lengths (n_rows,): of the texts in
    tokens; batches are then made of texts of like length (sorted within stretches of 16 batches), which
    saves computing on padding; their order stays random.
    """
    size = min(batch_size, n_rows)
    count = n_rows // size
    orders = []
    for generator in generators:
        order = torch.randperm(n_rows, generator=generator)[: count * size]
        if lengths is not None:
            order = torch.cat([part[lengths[part].argsort()] for part in order.split(16 * size)])
            order = order.reshape(count, size)[torch.randperm(count, generator=generator)]
        orders.append(order.reshape(count, size))
    return torch.stack(orders, dim=1)


@torch.inference_mode()
def predict(student: Any, data: Data, batch_size: int = 256) -> Tensor:
    """The logits of every row, (S, N, C), on the CPU."""
    student.eval()
    copies = len(student.seeds)
    n_rows = len(next(iter(data.values())))
    parts = []
    for start in range(0, n_rows, batch_size):
        index = torch.arange(start, min(start + batch_size, n_rows)).expand(copies, -1)
        parts.append(student.logits(rows(data, index)).cpu())
    return torch.cat(parts, dim=1)


def accuracies(logits: Tensor, labels: Tensor) -> Tensor:
    """The accuracy of each copy, (S,), from its logits (S, N, C) and the labels (N,)."""
    return (logits.argmax(dim=-1) == labels.cpu()).double().mean(dim=1)


def optimiser_of(student: Any) -> torch.optim.Optimizer:
    """Adam, or AdamW where the student's settings ask for weight decay."""
    settings: Settings = student.settings
    trained = list(student.parameters())
    if getattr(student, "copies_apart", False):
        trained = [lay_out([parameter for parameter in trained if parameter.requires_grad])]
    return torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def step(student: Any, optimiser: torch.optim.Optimizer, batch: Data, epoch: int) -> Tensor:
    """One optimiser step of all copies on a batch (S, B, ...): each copy follows the mean loss of its own rows.

    Returns those means, (S,), without their gradients.
    """
    losses = student.losses(batch, epoch).mean(dim=1)
    loss = losses.sum()
    optimiser.zero_grad(set_to_none=not getattr(student, "copies_apart", False))
    loss.backward()
    if student.settings.clip:
        torch.nn.utils.clip_grad_norm_(student.parameters(), student.settings.clip)
    optimiser.step()
    return losses.detach()


def fit(student: Any, train: Data, validation: Data, label: str = "training") -> Fit:
    """Train all copies together and leave each at its best validation checkpoint (the earliest of equals).

    Every copy has its own batch order, drawn from its seed, and Adam acts element by element, so training copies
    together equals training them one by one: to the bit where `copies_apart`, else up to rounding.
    Raises NotFinite, at the end, where a copy's loss, weights or logits stop being finite; the others are then trained
    as ever.
    """
    settings: Settings = student.settings
    device = next(student.parameters()).device
    train = {name: values.to(device) for name, values in train.items()}
    validation = {name: values.to(device) for name, values in validation.items()}
    optimiser = optimiser_of(student)
    n_rows = len(train["labels"])
    lengths = train["attention_mask"].sum(dim=1).cpu() if "attention_mask" in train else None
    total = settings.epochs * (n_rows // min(settings.batch_size, n_rows))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(settings, step, total))
    generators = [torch.Generator().manual_seed(seed) for seed in student.seeds]
    best = torch.full((len(student.seeds),), -1.0, dtype=torch.float64)
    best_epoch = torch.zeros(len(student.seeds), dtype=torch.long)
    kept = {name: values.clone() for name, values in student.state_dict().items()}
    history, seconds = [], 0.0
    broken: dict[int, str] = {}
    # a page may hold thousands of trainings: only those that take long show a bar, a line every few seconds
    with tqdm(total=total, desc=label, unit="step", mininterval=5, delay=5) as bar:
        for epoch in range(settings.epochs):
            start = time.perf_counter()
            student.train()
            losses = torch.zeros(len(student.seeds), device=device)
            for index in epoch_batches(n_rows, settings.batch_size, generators, lengths):
                losses += step(student, optimiser, rows(train, index.to(device)), epoch)
                scheduler.step()
                bar.update()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds += time.perf_counter() - start
            logits = predict(student, validation)
            accuracy = accuracies(logits, validation["labels"])
            history.append(accuracy.tolist())
            better = (accuracy > best) & (epoch >= settings.select_from)
            best = torch.where(better, accuracy, best)
            best_epoch[better] = epoch + 1
            keep(kept, student.state_dict(), better)
            broken = not_finite(student, losses, logits, f"epoch {epoch + 1}") | broken
            if len(broken) == len(student.seeds):
                break
            bar.set_postfix(refresh=False, validation=f"{accuracy.mean():.3f}")
            last_gain = max(int(best_epoch.max()), settings.select_from)
            if settings.patience and epoch + 1 - last_gain >= settings.patience:
                break
    student.load_state_dict(kept)
    per_copy = seconds / len(history) / len(student.seeds)
    found = Fit(best_epoch.tolist(), best.tolist(), history, per_copy)
    if broken:
        raise NotFinite(label, broken, found)
    return found


def keep(kept: Data, state: Data, better: Tensor) -> None:
    """Copy the state of the copies that are better into `kept`; a single copy is kept whole."""
    for name, values in state.items():
        if len(better) == 1:
            if better[0]:
                kept[name].copy_(values)
        else:
            kept[name][better] = values[better.to(values.device)]


def rate(settings: Settings, step: int, total: int) -> float:
    """The factor on the learning rate: linear warm-up, then constant, or a cosine down to zero."""
    warmup = settings.warmup * total
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))
    return 1.0
