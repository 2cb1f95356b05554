"""LSFLS-style: few-shot linguistic steganalysis by self-training, after Wang et al., IEEE TIFS 2023.

There is no public code, and only the method's outline is followed: a pre-trained encoder is fine-tuned on a few
labelled texts; then, in rounds, it labels the unlabelled training texts, the confident and easy ones among its
answers join the labelled texts as pseudo-labels, and it is trained on both.

Here: `labels` texts of each class, drawn by the seed, keep their label; the labels of all other training rows are
never looked at. A pseudo-label is confident where its probability is at least `threshold`; easy are the most
confident `added` of each class, twice as many in the second round, and so on. A round starts from the best
checkpoint so far and is one run of the project's training loop; the epochs are shared out among the first
fine-tuning and the `rounds`, and the rows of an epoch repeated until they are about `epoch_rows`, so that few labels
still mean many steps. As for every student, validation accuracy chooses the checkpoint, with all the validation
rows' labels: a real few-shot setting would not have them.

At the small size only two layers of MiniLM are kept, because each epoch is validated on thousands of texts.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qdllm_utils.learning import training
from qdllm_utils.learning.losses import cross_entropy
from qdllm_utils.learning.training import Data, Fit
from qdllm_utils.students.bert import BertStudent, Size, tokenize


class LSFLS(BertStudent):
    """A pre-trained encoder on a few labels and on its own confident answers."""

    name, title = "lsfls", "LSFLS-style"
    small = Size("minilm", (0, 1))
    paper = Size("bert", tuple(range(12)))
    weights: ClassVar[dict[str, Any]] = {"labels": 32, "threshold": 0.9, "rounds": 2, "added": 32, "epoch_rows": 128}
    note = "32 labels a class, the rest unlabelled"
    learning_rate, batch_size, patience = 5e-4, 8, 0

    def __init__(self, size: Size, classes: int, epochs: int, seed: int) -> None:
        """Cut the encoder out of its source; the head, and later the labelled rows, are drawn from the seed."""
        super().__init__(size, classes, max(1, epochs // (self.weights["rounds"] + 1)), seed)
        self.source = size.source

    def read(self, texts: Sequence[str], train: np.ndarray) -> Data:
        """The tokens of all texts; nothing is learnt from the training rows."""
        return self.leave_out_unused_tokens(tokenize(list(texts), self.source))

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """Cross-entropy of each row, (1, B)."""
        return cross_entropy(self.logits(batch), batch["labels"])

    def labelled_rows(self, labels: Tensor) -> Tensor:
        """Which training rows keep their label: the first `labels` of each class in an order drawn by the seed."""
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seeds[0]))
        return torch.cat([order[labels[order] == name][: self.weights["labels"]] for name in labels.unique()])

    def pseudo_labels(self, unlabelled: Data, most: int) -> tuple[Tensor, Tensor]:
        """(rows, labels): the `most` most confident rows of each predicted class, none below the threshold."""
        confidence, predicted = training.predict(self, unlabelled)[0].softmax(dim=-1).max(dim=-1)
        order = confidence.argsort(descending=True)
        order = order[confidence[order] >= self.weights["threshold"]]
        rows = torch.cat([order[predicted[order] == name][:most] for name in predicted.unique()])
        return rows, predicted[rows]

    def self_train(self, train: Data, validation: Data, label: str = "training") -> Fit:
        """Fine-tune on the few labels, then in rounds on them and the pseudo-labels; ends at the best checkpoint.

        The returned Fit counts the epochs of all rounds through.
        """
        device = next(self.parameters()).device
        train = {name: values.to(device) for name, values in train.items()}
        few = self.labelled_rows(train["labels"].cpu())
        others = torch.ones(len(train["labels"]), dtype=torch.bool)
        others[few] = False
        unlabelled = {name: values[others.to(device)] for name, values in train.items() if name != "labels"}
        known = {name: values[few.to(device)] for name, values in train.items()}
        total = self.stage(known, validation, f"{label}, few labels")
        state = {name: values.clone() for name, values in self.state_dict().items()}
        for number in range(self.weights["rounds"] * bool(others.any())):
            rows, labels = self.pseudo_labels(unlabelled, self.weights["added"] * 2**number)
            if len(rows) == 0:
                break
            added = {name: values[rows.to(device)] for name, values in unlabelled.items()}
            added["labels"] = labels.to(device)
            both = {name: torch.cat([values, added[name]]) for name, values in known.items()}
            fit = self.stage(both, validation, f"{label}, round {number + 1}")
            if fit.validation > total.validation:
                state = {name: values.clone() for name, values in self.state_dict().items()}
            self.load_state_dict(state)
            total = joined(total, fit)
        return total

    def stage(self, part: Data, validation: Data, label: str) -> Fit:
        """One run of the training loop on rows that are repeated up to about `epoch_rows`."""
        times = max(1, self.weights["epoch_rows"] // len(part["labels"]))
        repeated = {name: torch.cat([values] * times) for name, values in part.items()}
        return training.fit(self, repeated, validation, label)

    def describe(self) -> str:
        """The size in words."""
        return f"{super().describe()}, {self.weights['rounds']} rounds"


def joined(before: Fit, after: Fit) -> Fit:
    """Two runs as one: the epochs counted through, the best checkpoint of both (the earlier of equals)."""
    epochs = len(before.history), len(after.history)
    seconds = (epochs[0] * before.epoch_seconds + epochs[1] * after.epoch_seconds) / sum(epochs)
    history = before.history + after.history
    if after.validation > before.validation:
        return Fit([epochs[0] + epoch for epoch in after.best_epoch], after.validation, history, seconds)
    return replace(before, history=history, epoch_seconds=seconds)
