"""DistilBERT. Sanh et al. 2019: a_ce T^2 KL + a_mlm MLM + a_cos (1 - cos of the last hidden states).

The masked-language-model term belongs to its pre-training and is left out here; the weights of the other
two are the published 5 and 1, T = 2. The cosine term needs a teacher of the student's architecture, whose
evenly spaced layers are then the student's start; otherwise the student starts from the same layers of
its pre-trained source and the term is absent.
"""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn.functional import cosine_similarity

from qdllm_utils.learning.losses import forward_kl
from qdllm_utils.learning.training import Data
from qdllm_utils.students.bert import BertStudent, Size

if TYPE_CHECKING:
    from transformers import BertModel


class DistilBERT(BertStudent):
    """Evenly spaced layers of the teacher's family; KL on logits, cosine on the last hidden states."""

    name = "distilbert"
    small = Size("minilm", (0, 3))
    paper = Size("bert", (0, 3, 6, 9))
    from_teacher = True
    weights: ClassVar = {"ce": 5.0, "cos": 1.0, "temperature": 2.0}
    note = "MLM term left out"

    def states(self, teacher: "BertModel", hidden: tuple[Tensor, ...]) -> Data:
        """The teacher's last hidden states, (B, T, d)."""
        return {"last_hidden": hidden[-1]}

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """(1, B)."""
        logits, hidden, batch = self.run(batch, hidden=self.same_family)
        loss = self.weights["ce"] * forward_kl(logits, batch["teacher"], self.weights["temperature"])
        if self.same_family:
            mask = batch["attention_mask"].to(logits.dtype)
            target = batch["last_hidden"][:, : mask.shape[1]].to(logits.dtype)
            distance = 1 - cosine_similarity(hidden[-1], target, dim=-1)
            loss = loss + self.weights["cos"] * (distance * mask).sum(1) / mask.sum(1)
        return loss.unsqueeze(0)


class WideDistilBERT(DistilBERT):
    """4 x 768, the paper's size, cut from MPNet, whose frozen states QD-LLM reads; fine-tuned at BERT's usual rate."""

    name = "distilbert_768"
    small = paper = Size("mpnet", (0, 3, 6, 9))
    learning_rate = 5e-5
