"""What the two baselines with word vectors of their own share: words, a vocabulary, a table of vectors.

The vocabulary is made of the training rows alone. The vectors start at random: the published methods start
from word2vec or GloVe, which cannot be had offline; all departures of a method are in its own file.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from qdllm_utils.learning.training import Data, Settings
from qdllm_utils.texts.embeddings import MAX_TOKENS

WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
PADDING, UNKNOWN = 0, 1


def split_words(text: str) -> list[str]:
    """The text's words and punctuation marks in lower case, at most the 60 that every other student reads."""
    return WORD.findall(text.lower())[:MAX_TOKENS]


def make_vocabulary(texts: Sequence[str], least: int = 2) -> dict[str, int]:
    """The number of every word that occurs at least `least` times, from 2; 0 is padding, 1 an unknown word.

    A word that occurs once is left unknown, so that the vector of an unknown word is trained as well.
    """
    counts = Counter(word for text in texts for word in split_words(text))
    kept = sorted(word for word, number in counts.items() if number >= least)
    return {word: number for number, word in enumerate(kept, start=UNKNOWN + 1)}


def number_words(texts: Sequence[str], vocabulary: dict[str, int]) -> Data:
    """words, the word numbers of each text, and attention_mask, 1 at a word; (N, longest), padded on the right."""
    lines = [torch.tensor([vocabulary.get(w, UNKNOWN) for w in split_words(text)] or [UNKNOWN]) for text in texts]
    words = pad_sequence(lines, batch_first=True, padding_value=PADDING)
    return {"words": words, "attention_mask": (words != PADDING).long()}


class WordStudent(nn.Module):
    """One classifier (S = 1) on words; a baseline subclasses it and sets its layers in `build`.

    The batch holds words and attention_mask (1, B, longest) and labels (1, B). Call `read` once before training.

    small, paper: the sizes; a size's `embedding` is the dimension of a word vector. note: what of the published
    method is left out or changed. patience: epochs without a better validation accuracy before it stops.
    """

    name: str
    title: str
    note: str
    small: Any
    paper: Any
    weights: ClassVar[dict[str, Any]] = {}
    learning_rate, batch_size, patience = 1e-3, 16, 5

    def __init__(self, size: Any, classes: int, epochs: int, seed: int) -> None:
        """Draw all weights but the word vectors, whose number `read` finds, from the seed."""
        super().__init__()
        self.size, self.classes, self.seeds = size, classes, [seed]
        self.settings = Settings(self.learning_rate, self.batch_size, epochs, patience=self.patience)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.build()

    def build(self) -> None:
        """Set the layers above the word vectors."""
        raise NotImplementedError

    def read(self, texts: Sequence[str], train: np.ndarray) -> Data:
        """Learn the vocabulary from the training rows, draw its vectors N(0, 0.1^2), number all texts' words."""
        self.vocabulary = make_vocabulary([texts[row] for row in train])
        shape = UNKNOWN + 1 + len(self.vocabulary), self.size.embedding
        vectors = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(self.seeds[0]))
        vectors[PADDING] = 0
        self.embedding = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=PADDING)
        return number_words(texts, self.vocabulary)

    def cut(self, batch: Data) -> tuple[Tensor, Tensor]:
        """words (B, T) and mask (B, T, 1), without the leading axis, cut to the batch's longest text."""
        words, mask = batch["words"].squeeze(0), batch["attention_mask"].squeeze(0)
        longest = int(mask.sum(dim=1).max())
        return words[:, :longest], mask[:, :longest, None].bool()

    def trainable(self) -> int:
        """Trainable parameters, the word vectors included."""
        return sum(values.numel() for values in self.parameters())
