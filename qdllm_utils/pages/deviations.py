"""The paper, its released code and this project side by side, and what a choice is worth where it is a switch."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qdllm_utils.config import PRESETS, TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.statistics import Difference, by_text, compared
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.runs.tuning import predictions
from qdllm_utils.show import paper
from qdllm_utils.show.html_table import HTML, below, cell, sentences, table
from qdllm_utils.show.tables import measured
from qdllm_utils.texts.pretrained import shown_name
from qdllm_utils.texts.sources import Source

MEASURED_ON = ("hiding", "thematic")  # a demo stops after the first
OTHER_RANK = 64  # MiniLM's own is 16


@dataclass(frozen=True)
class Choice:
    """One choice: what the paper says, what the released code does, what is done here.

    switch: what is set in place of the preset `paper`'s, in words; changes: the knobs of it; rank: of LoRA.
    """

    name: str
    paper: str
    code: str
    here: str
    switch: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    rank: int | None = None


def text(name: str) -> str:
    """A number of the paper's text, as printed."""
    return paper.text(name)


def choices() -> list[Choice]:
    """Every choice, in the order in which a text meets them. '–': the source settles nothing that is relied on."""
    parameters = paper.table("parameters").set_index("name")["parameters"]["quantum"]
    kit = paper.table("simulation")["kit"][0]
    return [
        Choice("duplicates and double labels", "not mentioned", "kept", "removed before splitting"),
        Choice(
            "test data", "20%", "test files never released", "20% of the released training files, stratified, by seed"
        ),
        Choice("validation split", f"20% ({text('split')})", "the last 500 training rows", "20%, stratified"),
        Choice("teacher's classes", "2 or 4 by task", "num_labels = 4 for every teacher", "2 or 4 by task"),
        Choice(
            "LoRA rank",
            f"{text('rank')}; Table 3's counts need 200",
            "–",
            "64 for the LLMs, 16 for the small models, 8 for twins; part of the row",
            f"MiniLM with rank {OTHER_RANK}",
            rank=OTHER_RANK,
        ),
        Choice(
            "embedder",
            "BERT-base-uncased",
            "–",
            "the same at scale paper; all-mpnet-base-v2, of its shape, at cpu; all-MiniLM-L6-v2 at demo",
        ),
        Choice(
            "pooling of the embedding",
            "not stated",
            "last of 60 padded positions, nearly always a padding token",
            "last position; preset tuned: the frozen one that validation prefers",
            "mean over the text's tokens",
            {"pooling": "mean"},
        ),
        Choice(
            "scaling to angles",
            "not stated",
            "each row to 0…10 rad",
            "the same; preset tuned: π/2 (1 + tanh) of standardised E",
            "π/2 (1 + tanh)",
            {"scaling": "tanh"},
        ),
        Choice(
            "layers of the ansatz",
            f"'L layers'; its {parameters} parameters need 11",
            "2",
            "11; presets released and tuned: 2",
            "2 layers",
            {"layers": 2},
        ),
        Choice(
            "gates of a layer",
            "RY on each qubit, RZZ between neighbours, RZ, CX",
            "no RY on qubit 10, no RZZ on (0, 1); RY and RZZ alternate",
            f"the released order: only its 72 angles a layer give {parameters}",
        ),
        Choice(
            "three rotations in a row",
            "one gate of the summed angle",
            "three trained angles",
            f"three trained angles, as counted in {parameters}",
        ),
        Choice(
            "temperature, KL",
            "not stated",
            "T = 2, KL(teacher ‖ student), batch mean times T²",
            "the released form",
        ),
        Choice(
            "form of JS",
            "Jensen–Shannon divergence",
            "teacher through softmax twice, KL(m ‖ p), mean over classes too",
            "true JS, with the KL's temperature and factor; preset released: the released form",
            "the released form",
            {"divergence": "released"},
        ),
        Choice("weight α", text("alpha"), "default 0.5", "0.9; preset released: 0.5", "α = 0.5", {"alpha": 0.5}),
        Choice(
            "optimiser",
            f"Adam, rate {text('learning_rate')}, batch {text('batch_size')}, {text('epochs')} epochs",
            "the same",
            "the same; preset tuned: rate 0.003 with cosine decay, batch 32",
            "rate 0.003, cosine decay, batch 32",
            {"learning_rate": 0.003, "schedule": "cosine", "batch_size": 32},
        ),
        Choice(
            "repeats and seeds",
            f"{text('repeats')}, averaged",
            "ten, without a new initialisation, one seed (3407): their spread is not over seeds",
            "one initialisation and batch order for each student seed; mean ± standard deviation",
        ),
        Choice(
            "metrics",
            "P, R, F1 of a positive class",
            "averages over batches of one text: weighted recall is then accuracy; the tables were not made so",
            "macro averages over the whole test set",
        ),
        Choice("simulator", kit, "–", "an exact simulator, held against PennyLane"),
        Choice("compression baselines with decoder teachers", "not stated", "–", "class probabilities only"),
    ]


@dataclass(frozen=True)
class Effects:
    """base: rows of the preset `paper` by task; switched: by choice (or preset) and task; labels: of the test texts."""

    parameters: Parameters
    base: dict[str, list[Row]]
    switched: dict[tuple[str, str], list[Row]]
    labels: dict[str, np.ndarray]
    store: Store

    @property
    def rows(self) -> list[Row]:
        """Every row, for the provenance strip."""
        return [row for rows in (*self.base.values(), *self.switched.values()) for row in rows]

    def of(self, name: str, task: str) -> Difference:
        """Accuracy with a switch less that of the preset `paper` in points; one family: everything that is switched."""
        first, second = (predictions(rows) for rows in (self.switched[name, task], self.base[task]))
        return compared(by_text(first, second, self.labels[task]), len(self.switched))

    @property
    def answer(self) -> str:
        """How many of the switches matter and which does most, in one sentence."""
        switches = [choice.name for choice in choices() if choice.switch]
        found = {(name, task): self.of(name, task) for name in switches for task in self.base}
        certain = sum(each.verdict != "inconclusive" for each in found.values())
        name, task = max(found, key=lambda pair: abs(found[pair].mean))
        return (
            f"Of {len(found)} effects of a single choice on accuracy {certain} {'is' if certain == 1 else 'are'} "
            f"certain; the largest is that of {name}, {found[name, task].signed} points on "
            f"{TASKS[task].title.lower()}."
        )


def measure(parameters: Parameters) -> Effects:
    """The quantum student with each switch alone, and with the other presets whole; missing rows are trained."""
    store, scale = Store(refresh=parameters.refresh), parameters.size
    base: dict[str, list[Row]] = {}
    switched: dict[tuple[str, str], list[Row]] = {}
    labels = {}
    for task in MEASURED_ON[:1] if scale.generated else MEASURED_ON:
        plain = Experiment(Source(task, scale, parameters.data_dir), scale, parameters.teacher, PRESETS["paper"], store)
        runs = {
            choice.name: replace(plain, asked=replace(plain.asked, **choice.changes), rank=choice.rank)
            for choice in choices()
            if choice.switch
        }
        runs |= {preset: replace(plain, asked=knobs) for preset, knobs in PRESETS.items() if preset != "paper"}
        labels[task] = plain.test_labels()
        store.about(f"{task}, preset paper")
        base[task] = plain.student_rows(("quantum",), parameters.seed_list)["quantum"]
        for name, experiment in runs.items():
            store.about(f"{task}, {name}")
            switched[name, task] = experiment.student_rows(("quantum",), parameters.seed_list)["quantum"]
    return Effects(parameters, base, switched, labels, store)


def answer_box(effects: Effects) -> HTML:
    """The sentence."""
    return sentences([effects.answer], effects.parameters.demo)


def effect_words(effects: Effects, name: str) -> list[str]:
    """'hiding -1.2 [-2.0, -0.4]', 'thematic ...' of a switch."""
    return [f"{task} {effects.of(name, task).signed}" for task in effects.base]


def choices_table(effects: Effects) -> HTML:
    """Every choice side by side; the last column is measured."""
    lines = []
    for choice in choices():
        last = below(f"{choice.switch}:", *effect_words(effects, choice.name)) if choice.switch else ""
        cells = (choice.name, choice.paper, choice.code, choice.here, last)
        lines.append(HTML(f"<tr>{''.join(map(cell, cells))}</tr>"))
    heads = ("Choice", "Paper", "Released code", "Here", "Effect on accuracy")
    return table(caption(effects), heads, lines, effects.parameters.scale == "demo", "qd-choices")


def caption(effects: Effects) -> str:
    """How the last column was measured."""
    parameters = effects.parameters
    starts = ", ".join(
        f"{TASKS[task].title.lower()} {measured([row.result['acc'] for row in effects.base[task]])[0]}"
        for task in effects.base
    )
    whole = "; ".join(f"{name}: {', '.join(effect_words(effects, name))}" for name in PRESETS if name != "paper")
    return (
        f"The last column: test accuracy of QD-LLM with that one switch less that of preset paper ({starts}), paired "
        f"over {len(parameters.seed_list)} student seeds, in points, interval over seeds and texts at 0.05 / "
        f"{len(effects.switched)}; teacher {shown_name(parameters.teacher)}. All switches of a preset at once: {whole}."
    )
