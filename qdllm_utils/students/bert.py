"""What the compression baselines share: a small classifier cut from a BERT, its tokens, a teacher's inner states.

Each baseline is one file that says its sizes and its loss. A decoder teacher shares neither width nor
tokeniser with a BERT student, so only its class logits transfer; the terms on hidden states and attention
apply with a teacher of the same family (the student's architecture and vocabulary).
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from qdllm_utils.learning.training import Data, Settings
from qdllm_utils.texts.embeddings import MAX_TOKENS
from qdllm_utils.texts.pretrained import locate

if TYPE_CHECKING:
    from transformers import BertModel


@dataclass(frozen=True)
class Size:
    """A student's size: the pre-trained BERT (or MPNet) it is cut from, and the numbers of the layers that are kept."""

    source: str
    layers: tuple[int, ...]


@cache
def tokenizer(source: str) -> Any:
    """The tokeniser of a model, loaded once."""
    from transformers import AutoTokenizer  # not above: it takes seconds, and a page that only loads rows needs none

    return AutoTokenizer.from_pretrained(locate(source))


def tokenize(texts: list[str], source: str) -> Data:
    """input_ids and attention_mask, (N, longest), padded on the right, of texts cut to 60 tokens."""
    batch = tokenizer(source)(
        texts,
        padding="longest",
        truncation=True,
        max_length=MAX_TOKENS,
        padding_side="right",
        return_tensors="pt",
    )
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def keep_layers(model: "BertModel", layers: tuple[int, ...]) -> dict[str, Tensor]:
    """The weights of a BERT with only the given layers, renumbered from 0."""
    weights = {}
    for name, values in model.state_dict().items():
        parts = name.split(".")
        if parts[:2] == ["encoder", "layer"]:
            if int(parts[2]) not in layers:
                continue
            parts[2] = str(layers.index(int(parts[2])))
        weights[".".join(parts)] = values
    return weights


def attention_scores(model: "BertModel", layer: int, hidden: Tensor) -> Tensor:
    """QK^T / sqrt(d) of a layer (from 0) before softmax, (B, heads, T, T), from the states that enter it."""
    attention = model.encoder.layer[layer].attention.self
    shape = (*hidden.shape[:-1], attention.num_attention_heads, attention.attention_head_size)
    query = attention.query(hidden).view(shape).transpose(1, 2)
    key = attention.key(hidden).view(shape).transpose(1, 2)
    return query @ key.transpose(-1, -2) / attention.attention_head_size**0.5


class BertStudent(nn.Module):
    """One BERT student (S = 1) on token ids; a baseline subclasses it.

    The batch holds input_ids and attention_mask (1, B, tokens), teacher logits (1, B, C), labels (1, B),
    and, with a teacher of the same family, the columns that `teacher_columns` computes.

    small, paper: the sizes. from_teacher: whether it starts from the teacher's own layers where the teacher
    has the source's architecture. note: what of the published method is left out or changed.
    weights: the constants of its loss. patience: a baseline stops after so many epochs without a better
    validation accuracy; it costs far more than the quantum student, and its best epoch is kept anyway.
    """

    name: str
    small: Size
    paper: Size
    from_teacher = False
    note: str
    weights: ClassVar[dict[str, float]] = {}
    learning_rate, batch_size, patience = 3e-4, 16, 3

    def __init__(self, size: Size, classes: int, epochs: int, seed: int, teacher: "BertModel | None" = None) -> None:
        """Cut the student out of its source (or teacher); the new head is drawn from the seed."""
        super().__init__()
        self.seeds, self.epochs, self.left_out = [seed], epochs, 0
        source = self.load_source(size)
        config = source.config
        matches_states = type(self).states is not BertStudent.states
        of_family = teacher is not None and all(
            getattr(teacher.config, key) == getattr(config, key) for key in ("model_type", "vocab_size")
        )
        self.same_family = matches_states and of_family
        same = ("hidden_size", "num_hidden_layers", "intermediate_size")
        origin = source
        if teacher is not None and self.same_family and self.from_teacher:
            if any(getattr(teacher.config, key) != getattr(config, key) for key in same):
                self.same_family = False
            else:
                origin = teacher
        self.settings = Settings(
            self.learning_rate,
            self.batch_size,
            epochs,
            "cosine",
            weight_decay=0.01,
            warmup=0.1,
            clip=1.0,
            patience=self.patience,
            select_from=self.inner_epochs,
        )
        from transformers import AutoModelForSequenceClassification

        weights = keep_layers(origin, size.layers)
        self.teacher_depth = teacher.config.num_hidden_layers if teacher is not None else 0
        config.num_hidden_layers, config.num_labels = len(size.layers), classes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = AutoModelForSequenceClassification.from_config(config)
            self.build_extra(teacher)
        encoder = self.model.base_model
        encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})  # MPNet's drops its pooler

    def load_source(self, size: Size) -> "BertModel":
        """The pre-trained encoder that the student is cut from."""
        from transformers import AutoModel

        return AutoModel.from_pretrained(locate(size.source))

    def build_extra(self, teacher: "BertModel | None") -> None:
        """Parameters that only training needs (TinyBERT's W_fit); none by default."""

    @property
    def inner_epochs(self) -> int:
        """How many epochs come first that train the inner states only; 0 but for TinyBERT."""
        return 0

    @property
    def depth(self) -> int:
        """The student's number of layers."""
        return self.model.config.num_hidden_layers

    def mapped(self, layer: int) -> int:
        """The teacher layer that answers to student layer m: every g-th, g = teacher depth / student depth."""
        return layer * self.teacher_depth // self.depth

    @torch.inference_mode()
    def teacher_columns(self, teacher: "BertModel", tokens: Data, batch_size: int = 64) -> Data:
        """What the loss needs of the teacher's inside, for every text, (N, ...) in half precision on the CPU."""
        teacher.eval()
        parts: dict[str, list[Tensor]] = {}
        for start in range(0, len(tokens["input_ids"]), batch_size):
            batch = {name: values[start : start + batch_size].to(teacher.device) for name, values in tokens.items()}
            hidden = teacher(**batch, output_hidden_states=True).hidden_states
            for name, values in self.states(teacher, hidden).items():
                parts.setdefault(name, []).append(values.half().cpu())
        return {name: torch.cat(values) for name, values in parts.items()}

    def states(self, teacher: "BertModel", hidden: tuple[Tensor, ...]) -> Data:
        """The teacher states that this method matches, (B, ...) each; none by default."""
        return {}

    def leave_out_unused_tokens(self, tokens: Data) -> Data:
        """Drop the word vectors of tokens that occur in none of the texts; returns the texts renumbered.

        They get no gradient and are never looked up, but the optimiser would carry them through every step,
        which for short texts costs more than the texts do. `trainable` counts them all the same. Padding keeps
        its number, by which MPNet knows where a text ends; `used`: the old numbers of those that stay.
        """
        embeddings, ids = self.model.base_model.embeddings, tokens["input_ids"]
        words = embeddings.word_embeddings
        self.used = torch.unique(torch.cat([torch.arange(words.padding_idx + 1), ids.flatten()]))
        self.left_out = (words.num_embeddings - len(self.used)) * words.embedding_dim
        embeddings.word_embeddings = nn.Embedding.from_pretrained(words.weight[self.used], freeze=False)
        return tokens | {"input_ids": torch.searchsorted(self.used, ids)}

    def run(self, batch: Data, hidden: bool = False) -> tuple[Tensor, tuple[Tensor, ...], Data]:
        """Class logits (B, C), hidden states, and the batch without its leading axis, cut to its longest text."""
        batch = {name: values.squeeze(0) for name, values in batch.items()}
        longest = int(batch["attention_mask"].sum(dim=1).max())
        batch["input_ids"] = batch["input_ids"][:, :longest]
        batch["attention_mask"] = batch["attention_mask"][:, :longest]
        output = self.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=hidden
        )
        return output.logits, output.hidden_states, batch

    def logits(self, batch: Data) -> Tensor:
        """(1, B, C)."""
        return self.run(batch)[0].unsqueeze(0)

    def trainable(self) -> int:
        """Parameters of the student, all of them trained; what only training needs is not counted."""
        return self.left_out + sum(values.numel() for values in self.model.parameters())

    def describe(self) -> str:
        """The size in words."""
        config = self.model.config
        return f"{config.num_hidden_layers} x {config.hidden_size}"
