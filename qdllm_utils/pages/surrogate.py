"""What a trained student's expansion shows: one row, source 'surrogate', from the row of a quantum student."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qdcircuits.errors import InputError, choose
from qdcircuits.expansion import Expansion, expand
from qdllm_utils.config import TASKS, knobs
from qdllm_utils.learning.metrics import classification
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs import provenance
from qdllm_utils.runs.experiments import SPLIT_SEED, Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.students.surrogate import SurrogateStudents, restored
from qdllm_utils.texts.pretrained import locate, looks_like_path
from qdllm_utils.texts.sources import Source, split

LEVELS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)  # terms kept for each output
EXACT_LAYERS = 2  # deeper circuits of 11 qubits are propagated with the number of words limited
REPEATS = 5  # timings; the shortest counts, since other programs only ever add to a time


@dataclass(frozen=True)
class Written:
    """A student written out: the rows of the surrogate and of its quantum student, and the surrogate itself."""

    row: Row
    quantum: Row
    student: SurrogateStudents

    @property
    def table(self) -> Expansion:
        """The terms."""
        return self.student.tables[0]


@dataclass(frozen=True)
class Study:
    """What the notebook shows: the preset's student, a deep one, and how they were got."""

    parameters: Parameters
    experiment: Experiment
    chosen: Written
    deep: Written
    store: Store


def study(parameters: Parameters) -> Study:
    """The student of the preset, and that of the preset `paper` (11 layers), both of one seed."""
    choose(parameters.task, TASKS, "task")
    for name, low, high in (("seed", 0, 999), ("words", 1, 10_000_000)):
        if not low <= parameters.values[name] <= high:
            raise InputError(f"{name} is {parameters.values[name]}: it must lie between {low} and {high:,}.")
    if parameters.teacher == "all":
        raise InputError("This page writes out one student: choose one teacher, not all.")
    if looks_like_path(parameters.teacher):
        locate(parameters.teacher)
    store = Store(refresh=parameters.refresh)
    source = Source(parameters.task, parameters.size, parameters.values.get("data_dir"))
    experiments = [
        Experiment(source, parameters.size, parameters.teacher, chosen, store)
        for chosen in (parameters.knobs, knobs("paper"))
    ]
    chosen, deep = (write_out(one, parameters.seed, parameters.words) for one in experiments)
    return Study(parameters, experiments[0], chosen, deep, store)


def identity(experiment: Experiment, seed: int, words: int) -> dict[str, Any]:
    """What identifies a surrogate: its quantum student, and the words kept where the circuit is deep."""
    of = experiment.student_identity("quantum", seed)
    most = None if experiment.knobs.layers <= EXACT_LAYERS else words
    return of | {"kind": "surrogate", "words": most, "levels": list(LEVELS)}


def write_out(experiment: Experiment, seed: int, words: int) -> Written:
    """The surrogate of a quantum student's row; that row is trained first where it is not in the store."""
    experiment.student_rows(("quantum",), range(seed, seed + 1))
    quantum = experiment.store.load(experiment.student_identity("quantum", seed), arrays=True)
    assert quantum is not None
    found = identity(experiment, seed, words)
    row = experiment.store.load(found, arrays=True)
    if row is None:
        experiment.store.say(f"surrogate of {experiment.knobs.layers} layers: computing ({experiment.store.why}).")
        with provenance.recorded() as record:
            result, surrogate = measure(experiment, quantum, found["words"])
        record["source"] = "surrogate"
        row = Row(found, result, record, surrogate.arrays())
        experiment.store.save(row)
    return Written(row, quantum, SurrogateStudents.from_arrays(row.arrays, experiment.knobs))


@torch.inference_mode()
def measure(experiment: Experiment, quantum: Row, words: int | None) -> tuple[dict[str, Any], SurrogateStudents]:
    """Write the student out and compare it with the circuit on the test texts, in float64 on one thread.

    seconds: of CPU time per text, from the encoder's angles to <Z>, all test texts at once. error: the largest, of each
    output over the texts; bound: what the left-out |coefficients| sum to.
    """
    labels = experiment.source.corpus.labels
    test = split(labels, SPLIT_SEED)["test"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    student = restored(quantum.arrays, experiment.knobs)
    features = torch.from_numpy(experiment.embeddings(experiment.knobs.pooling)[test]).double()[None]
    inputs = student.encode(features)
    angles = inputs[0].numpy()
    seconds, exact = timed(lambda: student.expectations(inputs)[0].numpy())
    start = time.process_time()
    table = expand(student.circuit(), student.angles[0].detach().numpy(), words)
    expanding = time.process_time() - start

    def classes(z: np.ndarray) -> np.ndarray:
        logits = torch.from_numpy(z) @ student.head_weight[0] + student.head_bias[0]
        return logits.argmax(dim=-1).numpy()

    expected = classes(exact)
    levels = []
    for terms in [*(level for level in LEVELS if level < max(table.counts)), max(table.counts)]:
        kept = table.truncated(terms)
        spent, z = timed(lambda kept=kept: kept(angles))  # type: ignore[misc]
        levels.append(
            {
                "terms": terms,
                "total": sum(kept.counts),
                "bytes": sum(values.nbytes for values in kept.arrays().values()),
                "seconds": spent / len(test),
                "error": np.abs(z - exact).max(axis=0).tolist(),
                "rms": np.sqrt(((z - exact) ** 2).mean(axis=0)).tolist(),
                "bound": kept.dropped.tolist(),
                "same_class": float((classes(z) == expected).mean()),
                "acc": float((classes(z) == labels[test]).mean()),
            }
        )
    surrogate = SurrogateStudents.of(student, [table])
    torch.set_num_threads(threads)
    result = {
        **classification(labels[test], classes(table(angles))),
        "circuit_acc": float((expected == labels[test]).mean()),
        "texts": len(test),
        "counts": table.counts,
        "dropped": table.dropped.tolist(),
        "expanding_seconds": expanding,
        "simulator_seconds": seconds / len(test),
        "simulator": student.simulator.backend,
        "spread": exact.std(axis=0).tolist(),
        "levels": levels,
    }
    return result, surrogate


def timed(function: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """The shortest CPU time of REPEATS calls, in seconds, after one that is not counted; and the value.

    CPU time of the whole process: on a busy machine the time by the clock is mostly other programs'.
    """
    value = function()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times), value
