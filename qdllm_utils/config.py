"""What an experiment is: the tasks, the scales, the presets, and every knob of a run, on one screen.

Nothing here imports a heavy library: a notebook checks its parameters before anything is computed.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from qdcircuits.errors import InputError, choose


@dataclass(frozen=True)
class Task:
    """A classification task of the paper: its table, its folder in the authors' data, its classes.

    teacher_epochs, teacher_learning_rate, teacher_by_length: of fine-tuning a small pre-trained teacher, chosen on
    validation (see TeacherSpec); the small corpus wants more epochs, a lower rate, and batches in random order.
    """

    name: str
    title: str
    table: str
    folder: str
    classes: tuple[str, ...]
    teacher_epochs: int = 3
    teacher_learning_rate: float = 1e-3
    teacher_by_length: bool = True


TASKS = {
    task.name: task
    for task in (
        Task("emotion", "Emotion analysis", "table4", "senti", ("neg", "pos")),
        Task("hiding", "Hiding detection", "table5", "stega", ("neg", "pos"), 6, 5e-4, teacher_by_length=False),
        Task("thematic", "Thematic analysis", "table6", "topic", ("business", "sci", "sport", "world")),
    )
}


@dataclass(frozen=True)
class Scale:
    """How large a run is; a scale never enters a row's key, only what it stands for does.

    generated: texts of a generated corpus, evenly over its classes (0: the authors' data).
    max_texts: at most so many texts of a corpus, drawn evenly from the classes (0: all).
    embedder: the frozen embedder where the parameter of that name does not choose another; a name of
    texts/pretrained.py. also_reads: the embedders with which Tables 4 to 6 show the student too.
    twins: the five LLMs as their 1:1000 twins.
    paper_sizes: the compression students in the paper's sizes, or small ones.
    pretraining_steps: optimiser steps of a twin on the task's text, batch 16.
    seeds: of the students. baseline_seeds: {task: of the compression baselines}, where they are fewer, since on a CPU
    one takes minutes to hours.
    """

    name: str
    generated: int
    max_texts: int
    embedder: str
    twins: bool
    paper_sizes: bool
    pretraining_steps: int
    seeds: int
    also_reads: tuple[str, ...] = ()
    baseline_seeds: dict[str, int] = field(default_factory=dict)


SCALES = {
    scale.name: scale
    for scale in (
        Scale("demo", 200, 0, "minilm", twins=True, paper_sizes=False, pretraining_steps=40, seeds=2),
        Scale(
            "cpu",
            0,
            10_000,
            "mpnet",
            twins=True,
            paper_sizes=False,
            pretraining_steps=400,
            seeds=5,
            also_reads=("minilm",),
            baseline_seeds={"hiding": 3, "thematic": 1, "emotion": 1},
        ),
        Scale("paper", 0, 0, "bert", twins=False, paper_sizes=True, pretraining_steps=0, seeds=5),
    )
}

FROZEN_POOLINGS = ("last", "mean", "cls", "middle", "upper", "last_token", "middle_last", "several")
DECODER_POOLINGS = ("mean", "middle", "last_token", "middle_last")  # a decoder is never padded to 60 tokens
# Among these the preset `tuned` chooses: vectors as wide as the embedder, so that the student keeps its size.
CHOICES = ("last", "mean", "cls", "middle", "upper", "last_token", "middle_last")
CHOSEN = "chosen"
FINE_TUNED_POOLINGS = ("distilled", "teacher")
POOLINGS = (*FROZEN_POOLINGS, *FINE_TUNED_POOLINGS, CHOSEN)
SCALINGS = ("minmax", "tanh")
DIVERGENCES = ("jensen_shannon", "released")
SCHEDULES = ("constant", "cosine")
SOFT_TERMS = ("kl+js", "kl", "js")
LATER_KNOBS = (
    "soft",
    "standardise",
)  # came after the first published rows: named in a key only where it is not the default


@dataclass(frozen=True)
class Knobs:
    """Every knob of the quantum student and its training. The defaults are the preset `paper`.

    layers, qubits: of the circuit. pooling: which hidden states make E. Of the frozen embedder: last (the last
    position after padding to 60 tokens, as released), mean (over the text's tokens), cls (the first), middle and
    upper (the mean at half and at three quarters of the depth), last_token and middle_last (the text's last token at
    the end and at half depth), several (cls, mean and maximum side by side); chosen: the best of them on validation,
    once for each task and embedder. Fine-tuned, mean over tokens: distilled (the embedder, from the teacher's
    outputs), teacher (the own states of a teacher that is an encoder).
    scaling: how Linear(E) becomes angles (minmax: per row to [0, 10] rad, as released; tanh: E standardised
    on the training rows, z = pi/2 (1 + tanh)). alpha, temperature, divergence: of the loss (paper, eq. 14).
    standardise: whether E is standardised on the training rows where scaling is minmax (it always is for tanh).
    soft: which divergences from the teacher it holds (paper, Table 7); cross-entropy alone is alpha = 0.
    """

    layers: int = 11
    qubits: int = 11
    pooling: str = "last"
    scaling: str = "minmax"
    epochs: int = 10
    batch_size: int = 8
    learning_rate: float = 0.06
    schedule: str = "constant"
    alpha: float = 0.9
    temperature: float = 2.0
    divergence: str = "jensen_shannon"
    soft: str = "kl+js"
    standardise: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be run, in one sentence."""
        choose(self.pooling, POOLINGS, "pooling")
        choose(self.scaling, SCALINGS, "scaling")
        choose(self.divergence, DIVERGENCES, "divergence")
        choose(self.schedule, SCHEDULES, "schedule")
        choose(self.soft, SOFT_TERMS, "soft")
        for name, low, high in (
            ("layers", 1, 100),
            ("qubits", 2, 20),
            ("epochs", 1, 1000),
            ("batch_size", 1, 4096),
            ("learning_rate", 1e-9, 10),
            ("alpha", 0, 1),
            ("temperature", 1e-3, 100),
        ):
            value = getattr(self, name)
            whole = isinstance(getattr(type(self), name), int)
            if not isinstance(value, int if whole else int | float) or not low <= value <= high:
                raise InputError(
                    f"{name} is {value!r}: it must {'be a whole number' if whole else 'lie'} between {low} and {high}."
                )

    @property
    def identity(self) -> dict[str, Any]:
        """The knobs as they stand in a row's key."""
        defaults = {field.name: field.default for field in fields(self)}
        later = {name for name in LATER_KNOBS if getattr(self, name) == defaults[name]}
        return {name: value for name, value in asdict(self).items() if name not in later}


PRESETS = {
    "paper": Knobs(),
    "released": Knobs(layers=2, alpha=0.5, divergence="released"),
    "tuned": Knobs(layers=2, pooling=CHOSEN, scaling="tanh", learning_rate=0.003, schedule="cosine", batch_size=32),
}


def knobs(preset: str, **changes: Any) -> Knobs:
    """The knobs of a preset with those of `changes` that are not None set on top."""
    base = PRESETS[choose(preset, PRESETS, "preset")]
    allowed = {field.name for field in fields(Knobs)}
    for name in changes:
        choose(name, sorted(allowed), "knob")
    return replace(base, **{name: value for name, value in changes.items() if value is not None})


def changed(preset: str, chosen: Knobs) -> dict[str, Any]:
    """The knobs that differ from the preset's, for captions."""
    base = PRESETS[preset]
    return {
        field.name: getattr(chosen, field.name)
        for field in fields(Knobs)
        if getattr(chosen, field.name) != getattr(base, field.name)
    }
