"""Figure 5: the trained circuit as a chip would run it, and, where there are counts of one, as a chip ran it.

One study is one student (teacher, task, seed). Its conditions, in order:

    ideal                exact <Z>
    shots                `shots` shots of the exact circuit
    noise                `shots` shots of the compiled circuit on the chip of the calibration table (simulated)
    readout mitigated    the same shots, each bit's confusion inverted (confusion itself learnt from `shots` shots)
    extrapolated         zero-noise extrapolation over each CZ done 1, 3 and 5 times, `shots` shots each
    both                 both

Classes are counted, text by text, over all test texts (fig5_paired.py). A stratified subset of them is what a chip is
sent, and on it <Z> of every condition is sampled. Rows say `simulated noise` as their source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qdcircuits.chip.calibration import Calibration, read_calibration
from qdcircuits.chip.compilation import Compiled, compile_for
from qdcircuits.chip.counts import FOLDS, expectations, measured_confusion, mitigated, sample, zero_noise
from qdcircuits.chip.noise import NoisyCircuit, confusion_matrices
from qdcircuits.errors import InputError
from qdllm_utils.pages.fig5_paired import CONDITIONS, Paired
from qdllm_utils.pages.fig5_students import Student, Subject
from qdllm_utils.runs import provenance
from qdllm_utils.runs.store import Row

SHOT_CURVE = (16, 64, 256, 1024, 4096, 16384)
ERROR_CURVE = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # times the table's two-qubit error; all else stays
RECIPE = 2  # 2: classes are counted over all test texts, in pairs


@dataclass(frozen=True)
class Settings:
    """How a study is made. texts: of the subset; table: a calibration CSV, None for the shipped synthetic one.

    With 0 texts the classes of all test texts are counted and nothing else is worked out, which saves most of the time.
    """

    texts: int
    shots: int = 10_240
    table: str | None = None


@dataclass(frozen=True)
class Study:
    """One student on one simulated chip. subject: the student with its texts."""

    subject: Subject
    settings: Settings

    @property
    def student(self) -> Student:
        """The trained student."""
        return self.subject.student

    @cached_property
    def chip(self) -> Calibration:
        """The chip."""
        return read_calibration(self.settings.table)

    @cached_property
    def compiled(self) -> Compiled:
        """The student's circuit on the chip."""
        return compile_for(self.student.circuit, self.student.angles, self.chip)

    @cached_property
    def subset(self) -> np.ndarray:
        """The numbers of the subset's texts: stratified, always the same ones for a size."""
        return stratified(self.subject.test, self.subject.labels, self.settings.texts)

    @property
    def identity(self) -> dict[str, Any]:
        """What identifies the row of this study."""
        return {
            "kind": "simulated",
            "recipe": RECIPE,
            **self.subject.identity,
            "chip": self.chip.digest,
            "texts": self.settings.texts,
            "shots": self.settings.shots,
        }

    def row(self) -> Row:
        """The study's row with its arrays, out of the store or computed now."""
        store, label = self.subject.store, f"simulated noise, {self.subject.title}"
        found = store.load(self.identity, arrays=True)
        if found is not None:
            return found
        student = self.student  # trained first, so that its time is not counted here
        store.say(f"{label}: computing ({store.why}).")
        with provenance.recorded() as record:
            result, arrays = self.simulate(student)
        record["source"] = "simulated noise"
        row = Row(self.identity, result, record, arrays)
        store.save(row)
        return row

    def simulate(self, student: Student) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Every condition and both curves; without a subset the counts alone."""
        labels, all_inputs = self.subject.labels, self.subject.inputs
        rng = np.random.default_rng([self.subject.seed, self.settings.shots])
        ideal = NoisyCircuit(self.compiled, self.chip.noiseless())
        noisy = {fold: NoisyCircuit(self.compiled, self.chip, fold) for fold in FOLDS}
        parities, shots = self.compiled.parities, self.settings.shots
        known = measured_confusion(confusion_matrices(self.compiled, self.chip), shots, rng)
        truth, inputs_of_all = labels[self.subject.test], all_inputs[self.subject.test]
        counter = Paired(student.head, student.bias, parities, shots, rng)
        if not self.settings.texts:
            counted = counter.count(ideal, noisy, inputs_of_all, truth, known)
            return {**counted, "layers": self.subject.layers}, {}
        inputs = all_inputs[self.subset]
        exact = [ideal.probabilities(z) for z in inputs]
        chances = {fold: [circuit.probabilities(z) for z in inputs] for fold, circuit in noisy.items()}
        counts = {fold: [sample(p, shots, rng) for p in chances[fold]] for fold in FOLDS}
        raw = {fold: np.array([expectations(f, parities) for f in counts[fold]]) for fold in FOLDS}
        corrected = {fold: np.array([mitigated(f, known, parities) for f in counts[fold]]) for fold in FOLDS}
        z = {
            "ideal": np.array([expectations(p, parities) for p in exact]),
            "shots": np.array([expectations(sample(p, shots, rng), parities) for p in exact]),
            "noise": raw[1],
            "readout mitigated": corrected[1],
            "extrapolated": zero_noise(np.stack([raw[fold] for fold in FOLDS])),
            "both": zero_noise(np.stack([corrected[fold] for fold in FOLDS])),
        }
        by_shots = {
            str(n): float(
                np.mean([
                    student.predict(expectations(sample(p, n, rng), parities)) == label
                    for p, label in zip(chances[1], labels[self.subset], strict=True)
                    for _ in range(20)
                ])
            )
            for n in SHOT_CURVE
        }  # fmt: skip
        by_error = {}
        for scale in ERROR_CURVE:
            circuit = NoisyCircuit(self.compiled, self.chip.scaled(scale))
            by_error[str(scale)] = float(np.mean(counter.without_shot_noise(circuit, inputs_of_all) == truth))
        result = {
            **counter.count(ideal, noisy, inputs_of_all, truth, known),
            "texts": len(self.subset),
            "by_shots": by_shots,
            "by_error": by_error,
            "median_error": float(np.median([self.chip.coupler(*pair).error for pair in pairs(self.compiled)])),
            "stages": self.compiled.stages,
            "line": self.compiled.line,
            "layers": self.subject.layers,
            "error": {name: np.sqrt(np.mean((z[name] - z["ideal"]) ** 2, axis=0)).tolist() for name in CONDITIONS},
        }
        arrays = {f"z/{name}": values for name, values in z.items()}
        return result, arrays | {"numbers": self.subset, "inputs": inputs, "labels": labels[self.subset]}


def pairs(compiled: Compiled) -> Iterator[tuple[int, int]]:
    """The chip's pairs of neighbouring qubits on the line."""
    return zip(compiled.line[:-1], compiled.line[1:], strict=True)


def stratified(numbers: np.ndarray, labels: np.ndarray, size: int) -> np.ndarray:
    """`size` of the numbers, the classes in the proportions that they have there (as scikit-learn's split draws)."""
    from sklearn.model_selection import train_test_split

    if size >= len(numbers):
        return np.sort(numbers)
    classes = len(np.unique(labels[numbers]))
    if size < classes or len(numbers) - size < classes:
        raise InputError(
            f"texts is {size}: of {len(numbers)} test texts of {classes} classes, {classes} to "
            f"{len(numbers) - classes} can be drawn, or all of them."
        )
    chosen, _ = train_test_split(numbers, train_size=size, stratify=labels[numbers], random_state=0)
    return np.sort(chosen)


def crossing(row: Row, accuracy: float) -> float | None:
    """The two-qubit error (median of the line) at which the curve falls to an accuracy; None where it never does."""
    scales = [float(scale) for scale in row.result["by_error"]]
    values = list(row.result["by_error"].values())
    for k in range(1, len(values)):
        if values[k] <= accuracy < values[k - 1]:
            part = (values[k - 1] - accuracy) / (values[k - 1] - values[k])
            return float((scales[k - 1] + part * (scales[k] - scales[k - 1])) * row.result["median_error"])
    return None


def change(row: Row) -> float:
    """What noise adds to the accuracy on all test texts, in points."""
    return 100 * float(row.result["right"]["noise"] - row.result["right"]["ideal"]) / int(row.result["test_texts"])


def texts_needed(accuracy: float, other: float) -> int:
    """Texts a sample for telling two accuracies apart: two-sided 5%, power 80%, independent samples."""
    from scipy.stats import norm

    z = norm.ppf(0.975) + norm.ppf(0.8)
    return int(np.ceil(z**2 * (accuracy * (1 - accuracy) + other * (1 - other)) / (accuracy - other) ** 2))


def supporting_sizes(printed: str, largest: int) -> list[int]:
    """The subset sizes up to `largest` of which some number of right texts prints as an accuracy like '12.34%'."""
    value, digits = float(printed.rstrip("%")) / 100, len(printed.rstrip("%").split(".")[1])
    sizes = np.arange(1, largest + 1)
    nearest = np.stack([np.floor(value * sizes), np.ceil(value * sizes)]) / sizes
    return sizes[(np.round(100 * nearest, digits) == round(100 * value, digits)).any(axis=0)].tolist()
