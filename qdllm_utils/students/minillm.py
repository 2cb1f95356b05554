"""MiniLLM (classification: exact reverse KL). Gu et al., ICLR 2024, eq. 1.

The method trains a generator on KL(student || teacher). A classifier generates one token out of C classes:
the reverse KL is then an exact sum, and sampling, teacher mixing and length normalisation vanish.
"""

from torch import Tensor

from qdllm_utils.learning.losses import reverse_kl
from qdllm_utils.learning.training import Data
from qdllm_utils.students.bert import BertStudent, Size


class MiniLLM(BertStudent):
    """KL(student || teacher) on the class probabilities; logits only, whatever the teacher."""

    name = "minillm"
    small = Size("minilm", (0, 3))
    paper = Size("microsoft/MiniLM-L12-H384-uncased", tuple(range(12)))
    note = "classification: exact reverse KL"

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """(1, B)."""
        logits, _, batch = self.run(batch)
        return reverse_kl(logits, batch["teacher"]).unsqueeze(0)
