"""What the paper's scale would cost: five teachers x five students x three tasks x seeds, reckoned from measured rows.

Measured, in the published timing rows (the paper's sizes, one CPU thread): the epochs of the five students and the
embedder's pass. Counted, on the real architectures: parameters and floating point operations (Table 3). Assumed, and
parameters of the page: the card's rate and the share of it that is reached. What comes of the last is an estimate.
"""

import json
from dataclasses import dataclass
from typing import Any

from qdcircuits.errors import InputError
from qdllm_utils.config import PRESETS, TASKS
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import STUDENTS
from qdllm_utils.runs.published import Published
from qdllm_utils.runs.store import PUBLISHED
from qdllm_utils.students import sizes
from qdllm_utils.texts.teacher_specs import PAPER_TEACHERS

RELEASED = {"emotion": 20_000, "hiding": 4_000, "thematic": 8_000}  # texts in the authors' files
TRAIN = 0.6  # of them
ADAM_BYTES = 16  # a trained parameter: itself, its gradient and Adam's two moments, in float32
LORA_PASSES = 3  # a training step in forward passes: forwards, and backwards through activations and adapters
STUDENT_PASSES = 3


@dataclass(frozen=True)
class Stage:
    """One part of the plan. gpu_hours: estimated; cpu_hours: from measured rows; memory_gb, disk_gb: reckoned.

    runs: training runs or passes in it; memory_gb is without activations.
    """

    name: str
    runs: int
    gpu_hours: float
    cpu_hours: float
    memory_gb: float
    disk_gb: float


@dataclass(frozen=True)
class Plan:
    """The stages in the order in which to run them; rows: the timing rows that they rest on, {task: record}."""

    parameters: Parameters
    stages: list[Stage]
    rows: dict[str, dict[str, Any]]


def timing_rows() -> dict[str, dict[str, Any]]:
    """{task: the published timing row in the paper's sizes}; InputError where one is missing."""
    records = [json.loads(line) for _, line in Published(PUBLISHED).lines.values()]
    found = {row["task"]: row for row in records if row["kind"] == "timing" and row["identity"]["sizes"] == "paper"}
    if missing := [task for task in TASKS if task not in found]:
        raise InputError(f"No timing row of {missing[0]} in the paper's sizes is published: run the page timing.")
    return found


def run(parameters: Parameters) -> Plan:
    """The plan; parameters: seeds, teacher_epochs, tokens, rank, tflops, reached, activations_gb."""
    values = parameters.values
    for name in ("teacher_epochs", "tokens", "rank", "tflops", "reached"):
        if values[name] <= 0:
            raise InputError(f"{name} is {values[name]}: it must be greater than 0.")
    if values["reached"] > 1:
        raise InputError(f"reached is {values['reached']}: it is a share of the card's rate, at most 1.")
    rows = timing_rows()
    stages = [*teacher_stages(parameters), *student_stages(parameters, rows)]
    return Plan(parameters, stages, rows)


def gpu_hours(flops: float, parameters: Parameters) -> float:
    """Hours of the assumed card for so many floating point operations."""
    return flops / (parameters.tflops * 1e12 * parameters.reached) / 3600


def teacher_stages(parameters: Parameters) -> list[Stage]:
    """A stage a teacher, the cheapest first: fine-tuned once a task, then run over all of its texts."""
    found = []
    for name in PAPER_TEACHERS:
        size = sizes.llm(name, parameters.tokens)
        trained = sizes.lora(name, (parameters.rank,))[parameters.rank].with_both_heads
        passes = sum(texts * (TRAIN * parameters.teacher_epochs * LORA_PASSES + 1) for texts in RELEASED.values())
        memory = (size.bytes + trained * ADAM_BYTES) / 1e9
        disk = (size.bytes + len(TASKS) * 4 * trained) / 1e9
        hours = gpu_hours(passes * size.flops, parameters)
        found.append(Stage(f"teacher {name}", len(TASKS), hours, 0.0, memory, disk))
    return sorted(found, key=lambda stage: stage.gpu_hours)


def student_stages(parameters: Parameters, rows: dict[str, dict[str, Any]]) -> list[Stage]:
    """The embedder's pass, then a stage a student, QD-LLM first and then by measured CPU time."""
    embedding = sizes.embedder(parameters.tokens)
    texts = sum(RELEASED.values())
    cpu = sum(RELEASED[task] * row["result"]["embedder"]["infer_cpu_ms"] for task, row in rows.items()) / 3.6e6
    disk = texts * 4 * sizes.EMBEDDING / 1e9
    hours = gpu_hours(texts * embedding.flops, parameters)
    first = Stage("embeddings", len(TASKS), hours, cpu, embedding.bytes / 1e9, disk)
    number, epochs = len(PAPER_TEACHERS) * parameters.seeds, PRESETS["paper"].epochs
    found = []
    for student in STUDENTS:
        cpu = number * epochs * sum(epoch_seconds(task, student, row) for task, row in rows.items()) / 3600
        trained = rows["emotion"]["result"][student]["parameters"]
        hours = 0.0
        if student != "quantum":  # QD-LLM is simulated where its steps are small: on a CPU core
            flops = sizes.bert_student(student, tokens=parameters.tokens).flops * STUDENT_PASSES
            hours = gpu_hours(number * epochs * TRAIN * texts * flops, parameters)
        kept = number * len(TASKS) * 4 * trained / 1e9 if student == "quantum" else 0.0  # only its weights are stored
        found.append(Stage(student, number * len(TASKS), hours, cpu, trained * ADAM_BYTES / 1e9, kept))
    return [first, *sorted(found, key=lambda stage: stage.cpu_hours)]


def epoch_seconds(task: str, student: str, row: dict[str, Any]) -> float:
    """CPU seconds of an epoch on the whole corpus, from the measured one on at most max_texts of it."""
    most = row["identity"]["data"]["max_texts"] or RELEASED[task]
    return float(row["result"][student]["epoch_cpu_s"]) * RELEASED[task] / min(most, RELEASED[task])
