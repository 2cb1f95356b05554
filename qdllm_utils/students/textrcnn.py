"""TextRCNN. Lai et al., AAAI 2015, eqs. 1 to 7, its recurrent contexts computed by LSTMs.

A word is its vector between the contexts on its left and right, x = [c_l; e; c_r]; c_l is the state of a
recurrent network that has read the words before it, c_r of one that has read, backwards, the words after it.
y = tanh(W x + b), the maximum over the words, dropout, a linear layer; cross-entropy.

Departures: LSTMs for the plain recurrences (as the common code has them, whose contexts however include the
word itself), word vectors that start at random instead of word2vec's, Adam 1e-3 for SGD, dropout 0.5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from qdllm_utils.learning.losses import cross_entropy
from qdllm_utils.learning.training import Data
from qdllm_utils.students.word_students import WordStudent


@dataclass(frozen=True)
class Size:
    """Dimensions of a word vector, of a context (one direction), and of the layer that is pooled."""

    embedding: int
    context: int
    latent: int


class TextRCNN(WordStudent):
    """Recurrent contexts on both sides of every word, the maximum over the words; task labels only."""

    name, title = "textrcnn", "TextRCNN"
    small = Size(100, 64, 64)
    paper = Size(300, 256, 256)
    note = "word vectors start at random"

    def build(self) -> None:
        """The two LSTMs, the latent layer and the head."""
        size = self.size
        self.recurrent = nn.LSTM(size.embedding, size.context, batch_first=True, bidirectional=True)
        self.latent = nn.Linear(size.embedding + 2 * size.context, size.latent)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(size.latent, self.classes)

    def contexts(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The left and the right context of every word, (B, T, context) each; zero where nothing stands there."""
        packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        left, right = states.chunk(2, dim=-1)
        return pad(left[:, :-1], (0, 0, 1, 0)), pad(right[:, 1:], (0, 0, 0, 1))

    def logits(self, batch: Data) -> Tensor:
        """(1, B, C)."""
        words, mask = self.cut(batch)
        vectors = self.embedding(words)
        left, right = self.contexts(vectors, mask.sum(dim=(1, 2)))
        latent = torch.tanh(self.latent(torch.cat([left, vectors, right], dim=-1)))
        pooled = latent.masked_fill(~mask, -1).amax(dim=1)  # -1 is the least that tanh can give
        return self.head(self.dropout(pooled)).unsqueeze(0)

    def losses(self, batch: Data, epoch: int) -> Tensor:
        """Cross-entropy of each row, (1, B)."""
        return cross_entropy(self.logits(batch), batch["labels"])

    def describe(self) -> str:
        """The size in words."""
        return f"embedding {self.size.embedding}, BiLSTM {self.size.context}"
