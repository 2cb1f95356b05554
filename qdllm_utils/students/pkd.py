"""PKD, patient knowledge distillation. Sun et al., EMNLP 2019, eqs. 5 to 7.

(1 - a) CE + a T^2 KL + b MSE of the L2-normalised CLS states of mapped layers, with a = 0.7, T = 10,
b = 500 under mean reduction. Map 'skip': student layer m answers to every g-th teacher layer, the last
student layer is left out, as published. The student starts from the teacher's first k layers where the
teacher has its architecture, else from its pre-trained source's first k, and the patient term is absent.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from qdllm_utils.learning.losses import cross_entropy, forward_kl
from qdllm_utils.learning.training import Data
from qdllm_utils.students.bert import BertStudent, Size

if TYPE_CHECKING:
    from transformers import BertModel


class PKD(BertStudent):
    """The first layers of the teacher's family; CE, KL, and the CLS states layer by layer."""

    name = "pkd"
    small = Size("minilm", (0, 1))
    paper = Size("bert", (0, 1, 2, 3))
    from_teacher = True
    weights: ClassVar = {"alpha": 0.7, "temperature": 10.0, "beta": 500.0}
    note = "layer map: skip"

    def states(self, teacher: "BertModel", hidden: tuple[Tensor, ...]) -> Data:
        """The teacher's CLS states of the mapped layers, (B, depth - 1, d), L2-normalised."""
        layers = [hidden[self.mapped(layer)][:, 0] for layer in range(1, self.depth)]
        return {"patient": normalize(torch.stack(layers, dim=1), dim=-1)}

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """(1, B)."""
        logits, hidden, batch = self.run(batch, hidden=self.same_family)
        soft = forward_kl(logits, batch["teacher"], self.weights["temperature"])
        alpha = self.weights["alpha"]
        loss = (1 - alpha) * cross_entropy(logits, batch["labels"]) + alpha * soft
        if self.same_family:
            states = torch.stack([state[:, 0] for state in hidden[1:-1]], dim=1)
            difference = normalize(states, dim=-1) - batch["patient"].to(states.dtype)
            loss = loss + self.weights["beta"] * (difference**2).flatten(1).mean(1)
        return loss.unsqueeze(0)


class WidePKD(PKD):
    """4 x 768, the paper's size, cut from MPNet, whose frozen states QD-LLM reads; fine-tuned at BERT's usual rate."""

    name = "pkd_768"
    small = paper = Size("mpnet", (0, 1, 2, 3))
    learning_rate = 5e-5
