"""Which teachers there are and how each is made; light, so that a name can be checked before torch is loaded."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from qdllm_utils.config import Scale, Task
from qdllm_utils.texts import pretrained


@dataclass(frozen=True)
class Named:
    """A teacher that has a name: its hub id and the modules that LoRA adapts (as Table 3's counts imply)."""

    hub: str
    targets: tuple[str, ...]


NAMED = {
    "bloomz-1.1b": Named("bigscience/bloomz-1b1", ("query_key_value",)),
    "bloomz-3b": Named("bigscience/bloomz-3b", ("query_key_value",)),
    "opt": Named("facebook/opt-6.7b", ("q_proj", "v_proj")),
    "llama2": Named("meta-llama/Llama-2-7b-hf", ("q_proj", "k_proj", "v_proj")),
    "llama3": Named("meta-llama/Meta-Llama-3-8B", ("q_proj", "k_proj", "v_proj")),
    "minilm": Named(pretrained.MINILM_NAME, ("query", "key", "value", "dense")),
    "mpnet": Named("mpnet", ("q", "k", "v", "o")),
    "qwen": Named("qwen", ("q_proj", "k_proj", "v_proj", "o_proj")),
}
REAL = ("minilm", "mpnet", "qwen")  # real weights that can be had without a hub
ADAPTER = "adapter/"  # before the names of an adapter's weights among the arrays of a teacher's row
FEW_LABELS = re.compile(r"probe-([a-z0-9]+)-(\d{1,4})-(\d{1,4})")  # reader, texts a class, draw; see few_labels
PAPER_TEACHERS = tuple(name for name in NAMED if name not in REAL)
LLM_RANK, RANK, TWIN_RANK = 64, 16, 8  # of LoRA: the paper's text says 64 for its LLMs


@dataclass(frozen=True)
class TeacherSpec:
    """How a teacher is made; this, the data and the split are a teacher's identity.

    model: hub id, `twin of <hub id>`, a hash of a local folder, or `labels-80` (see share_right). rank: of LoRA
    (alpha = 2 rank). targets: the adapted modules, empty for PEFT's own choice for the model's type. by_length:
    batches of texts of like length, which pad less; else in random order. share_learnt: of the training texts, those
    that it learns from; it is asked about all of them all the same.
    """

    name: str
    model: str
    targets: tuple[str, ...]
    rank: int
    learning_rate: float
    epochs: int
    batch_size: int
    pretraining_steps: int = 0
    seed: int = 0
    by_length: bool = True
    share_learnt: float = 1.0

    @property
    def identity(self) -> dict[str, Any]:
        """The fields as they stand in a row's key; those that came later only where they are not at their default."""
        whole = asdict(self)
        usual = {"by_length": True, "share_learnt": 1.0}
        return {name: value for name, value in whole.items() if name != "name" and usual.get(name) != value}

    @property
    def share_right(self) -> float | None:
        """See the function of that name."""
        return share_right(self.name)

    @property
    def large(self) -> bool:
        """Whether fine-tuning takes hours on a CPU, so that it keeps checkpoints and goes on after a kill."""
        return self.name == "qwen"

    @property
    def twin(self) -> bool:
        """Whether this is a 1:1000 twin."""
        return self.pretraining_steps > 0


def share_right(name: str) -> float | None:
    """Of a teacher that is made of the true labels and no model, the share of texts on which it is right, else None.

    `labels-100` always says the true class, `labels-80` another one on every fifth text.
    """
    found = re.fullmatch(r"labels-(\d{1,3})", name)
    return int(found[1]) / 100 if found and int(found[1]) <= 100 else None


def without_model(name: str) -> bool:
    """Whether a teacher is made of true labels, all of them (`labels-80`) or a few (`probe-mpnet-8-3`)."""
    return share_right(name) is not None or FEW_LABELS.fullmatch(name) is not None


def teacher_spec(name: str, scale: Scale, task: Task) -> TeacherSpec:
    """The teacher of a name at a scale on a task: a named one, a hub id or a local folder.

    Ranks: 64 as the paper's text says for the LLMs, 16 for the others, 8 for twins. qwen: two epochs on hiding, one
    on the larger corpora, in batches of 16 texts of like length; where a scale caps its texts to save time, that one
    epoch is of half the training texts.
    """
    if without_model(name):
        return TeacherSpec(name, name, (), 0, 0.0, 0, 0)
    if name == "qwen":
        small = task.name == "hiding"
        share = 1.0 if small or not scale.max_texts else 0.5
        model, targets, epochs = pretrained.identity(name), NAMED[name].targets, 2 if small else 1
        return TeacherSpec(name, model, targets, RANK, 2e-4, epochs, 16, share_learnt=share)
    if name not in NAMED or name in REAL:
        model, targets = pretrained.identity(name), NAMED[name].targets if name in NAMED else ()
        rate, epochs = task.teacher_learning_rate, task.teacher_epochs
        return TeacherSpec(name, model, targets, RANK, rate, epochs, 32, by_length=task.teacher_by_length)
    named = NAMED[name]
    if scale.twins:
        steps = scale.pretraining_steps
        return TeacherSpec(name, f"twin of {named.hub}", named.targets, TWIN_RANK, 3e-3, 5, 8, steps)
    return TeacherSpec(name, named.hub, named.targets, LLM_RANK, 2e-4, 3, 16)


def embedder_spec(scale: Scale, task: Task) -> TeacherSpec:
    """How the scale's embedder is fine-tuned where it learns from a teacher: as a teacher of its kind is."""
    name = scale.embedder
    return teacher_spec(name if name in NAMED else pretrained.EMBEDDERS[name], scale, task)


def usual_rank(model: str) -> int:
    """The rank of LoRA that a teacher has where no page asks for another; model: as in a teacher's identity."""
    if model.startswith("twin of "):
        return TWIN_RANK
    return LLM_RANK if model in {NAMED[name].hub for name in PAPER_TEACHERS} else RANK


def hub_name(name: str) -> str:
    """The hub id of a named teacher; any other name is a hub id or a folder already."""
    return NAMED[name].hub if name in NAMED else name


def adapter_of(teacher: dict[str, Any]) -> dict[str, Any]:
    """The adapter among the arrays of a teacher's row; {} where the teacher is no encoder."""
    return {name.removeprefix(ADAPTER): v for name, v in teacher.items() if name.startswith(ADAPTER)}
