"""TinyBERT. Jiao et al., Findings of EMNLP 2020, eqs. 7 to 11.

Stage 1, with a teacher of the same family: the sum over mapped layers of the MSE of attention scores
(before softmax) and of hidden states through W_fit, embeddings included. Stage 2: soft cross-entropy on
the logits at T = 1. The epochs are halved between the stages, so that the budget equals the other
students'; with a decoder teacher there is no stage 1 and all epochs are stage 2.
Data augmentation of the published method is off.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from qdllm_utils.learning.losses import masked_mse, soft_cross_entropy
from qdllm_utils.learning.training import Data
from qdllm_utils.students.bert import BertStudent, Size, attention_scores

if TYPE_CHECKING:
    from transformers import BertModel


class TinyBERT(BertStudent):
    """Two stages: the teacher's inside first, then its logits."""

    name = "tinybert"
    small = Size("minilm", (1, 4))
    paper = Size("huawei-noah/TinyBERT_General_4L_312D", (0, 1, 2, 3))
    note = "augmentation off"

    @property
    def inner_epochs(self) -> int:
        """Stage 1: half of the epochs with a teacher of the same family."""
        return self.epochs // 2 if self.same_family else 0

    def build_extra(self, teacher: "BertModel | None") -> None:
        """W_fit, from the student's width to the teacher's; the identity at first where they are equal."""
        if teacher is None or not self.same_family:
            return
        self.fit = nn.Linear(self.model.config.hidden_size, teacher.config.hidden_size, bias=False)
        if self.fit.in_features == self.fit.out_features:
            nn.init.eye_(self.fit.weight)

    def states(self, teacher: "BertModel", hidden: tuple[Tensor, ...]) -> Data:
        """The teacher's mapped hidden states (B, depth + 1, T, d) and attention scores (B, depth, heads, T, T)."""
        mapped = [self.mapped(layer) for layer in range(self.depth + 1)]
        scores = [attention_scores(teacher, layer - 1, hidden[layer - 1]) for layer in mapped[1:]]
        return {
            "hidden": torch.stack([hidden[layer] for layer in mapped], dim=1),
            "scores": torch.stack(scores, dim=1),
        }

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """(1, B)."""
        if epoch >= self.inner_epochs:
            logits, _, batch = self.run(batch)
            return soft_cross_entropy(logits, batch["teacher"]).unsqueeze(0)
        _, hidden, batch = self.run(batch, hidden=True)
        mask = batch["attention_mask"]
        longest = mask.shape[1]
        pairs = (mask[:, :, None] * mask[:, None, :])[:, None]
        targets = batch["hidden"][:, :, :longest].to(hidden[0].dtype)
        scores = batch["scores"][..., :longest, :longest].to(hidden[0].dtype)
        loss = masked_mse(self.fit(hidden[0]), targets[:, 0], mask[:, :, None])
        for layer in range(self.depth):
            loss = loss + masked_mse(self.fit(hidden[layer + 1]), targets[:, layer + 1], mask[:, :, None])
            own = attention_scores(self.model.bert, layer, hidden[layer])
            loss = loss + masked_mse(own, scores[:, layer], pairs)
        return loss.unsqueeze(0)
