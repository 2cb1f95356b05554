"""Whom Figure 5 asks: a student of this project's runs on its test texts, or a saved one on a user's own texts."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qdcircuits.ansatz import Circuit, qdllm_circuit
from qdcircuits.errors import InputError
from qdllm_utils.config import TASKS
from qdllm_utils.model.hardware import labels_of, quantum_model
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import SPLIT_SEED, Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.show.tables import model_name
from qdllm_utils.texts.own_file import OwnTexts, read_own_file
from qdllm_utils.texts.sources import digest, split

# a saved model brings its own values of these; here stand the notebook's defaults, which nobody chose
SETTLED = {
    "teacher": "minilm",
    "tasks": "all",
    "preset": "released",
    **dict.fromkeys(("layers", "qubits", "epochs", "seeds", "data_dir")),
}


@dataclass(frozen=True)
class Student:
    """A trained quantum student, out of its row. angles (n_weights,) rad; head (n, C); bias (C,)."""

    row: Row
    circuit: Circuit
    angles: np.ndarray
    head: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, row: Row) -> "Student":
        """From a row that was loaded with its arrays."""
        arrays = (row.arrays[name].astype(float) for name in ("angles", "head_weight", "head_bias"))
        knobs = row.identity["knobs"]
        return cls(row, qdllm_circuit(knobs["qubits"], knobs["layers"]), *arrays)

    def predict(self, z: np.ndarray) -> np.ndarray:
        """Class numbers from <Z_j> (..., n)."""
        return (z @ self.head + self.bias).argmax(axis=-1)


class Subject(Protocol):
    """A student with its texts.

    labels: (N,) class numbers of all texts; test: the numbers of those that count; inputs: (N, n) the encoder's angles
    in rad; classes: how many there are. title: of the texts; source: of the student; seed: of the shots that are drawn.
    identity: what tells it apart.
    """

    @property
    def store(self) -> Store: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def layers(self) -> int: ...  # noqa: D102
    @property
    def classes(self) -> int: ...  # noqa: D102
    @property
    def student(self) -> Student: ...  # noqa: D102
    @property
    def labels(self) -> np.ndarray: ...  # noqa: D102
    @property
    def test(self) -> np.ndarray: ...  # noqa: D102
    @property
    def inputs(self) -> np.ndarray: ...  # noqa: D102
    @property
    def identity(self) -> dict[str, Any]: ...  # noqa: D102


@dataclass(frozen=True)
class Trained:
    """A student that an experiment trains, where the store has none; seed: the student's, and of the shots drawn."""

    experiment: Experiment
    seed: int

    @property
    def store(self) -> Store:
        """The experiment's."""
        return self.experiment.store

    @property
    def title(self) -> str:
        """Of the task."""
        return self.experiment.source.title

    @property
    def source(self) -> str:
        """The teacher."""
        return model_name(self.experiment.teacher)

    @property
    def layers(self) -> int:
        """Of the circuit."""
        return self.experiment.knobs.layers

    @property
    def classes(self) -> int:
        """How many; of the task, so that a page comes out of its rows without a text."""
        return len(TASKS[self.experiment.source.task].classes)

    @cached_property
    def student(self) -> Student:
        """Out of the store or trained now."""
        (row,) = self.experiment.student_rows(("quantum",), range(self.seed, self.seed + 1))["quantum"]
        loaded = self.store.load(row.identity, arrays=True) if not row.arrays else row
        assert loaded is not None
        return Student.of(loaded)

    @property
    def labels(self) -> np.ndarray:
        """Of all texts."""
        return self.experiment.source.corpus.labels

    @cached_property
    def test(self) -> np.ndarray:
        """The numbers of the test texts."""
        return split(self.labels, SPLIT_SEED)["test"]

    @cached_property
    def inputs(self) -> np.ndarray:
        """The encoder's angles of all texts."""
        import torch

        from qdllm_utils.students.quantum import QuantumStudents

        features = torch.tensor(self.experiment.embeddings(self.experiment.knobs.pooling))
        module = QuantumStudents(features.shape[1], self.classes, self.experiment.knobs, [self.seed])
        arrays = self.student.row.arrays
        module.load_state_dict({k: torch.tensor(arrays[k])[None] for k in module.state_dict()})
        with torch.no_grad():
            return module.encode(features[None])[0].double().numpy()

    @property
    def identity(self) -> dict[str, Any]:
        """Of the student and its data."""
        of = self.experiment.student_identity("quantum", self.seed)
        return {"of": of, "data": self.experiment.data_identity}


@dataclass(frozen=True)
class Saved:
    """The quantum student of a folder that `save` wrote, on the labelled texts of a file; every one is a test text.

    model: of the folder, on an embedding and with a quantum head; seed: of the shots that are drawn.
    """

    folder: Path
    own: OwnTexts
    model: Any
    store: Store
    seed: int = 0

    @property
    def title(self) -> str:
        """The file's name."""
        return self.own.name

    @property
    def source(self) -> str:
        """The folder's name."""
        return f"the model in {self.folder.name}"

    @property
    def layers(self) -> int:
        """Of the circuit."""
        return int(self.model.scorer.head.layers)

    @property
    def qubits(self) -> int:
        """Of the circuit."""
        return int(self.model.scorer.head.qubits)

    @property
    def classes(self) -> int:
        """How many the model knows."""
        return len(self.model.classes)

    @cached_property
    def student(self) -> Student:
        """With a row in the store, so that the counts of a ledger can be replayed without the folder."""
        head = self.model.scorer.head
        identity = {
            "kind": "saved",
            "knobs": {"qubits": head.qubits, "layers": head.layers},
            "arrays": {name: digest(values.tobytes()) for name, values in sorted(head.arrays.items())},
        }
        label = f"the student of {self.folder.name}"
        return Student.of(self.store.get(identity, lambda: ({}, head.arrays), label, arrays=True))

    @cached_property
    def labels(self) -> np.ndarray:
        """In the order of the model's classes."""
        return np.array(labels_of(self.own, self.model))

    @property
    def test(self) -> np.ndarray:
        """All of them."""
        return np.arange(len(self.own.texts))

    @cached_property
    def inputs(self) -> np.ndarray:
        """The encoder's angles of all texts."""
        scorer = self.model.scorer
        return np.asarray(scorer.head.inputs(scorer.embedder.transform(list(self.own.texts))))

    @property
    def identity(self) -> dict[str, Any]:
        """Of the student and its data, and the seed where it is not the first."""
        drawn = {"draws": self.seed} if self.seed else {}
        return {"of": self.student.row.identity, "data": {"fingerprint": self.own.fingerprint}, **drawn}


def saved_subject(parameters: Parameters, store: Store) -> Saved | None:
    """The student of `-p model`, or None where none was given.

    Raises InputError for a model without its texts, texts without a model, and a setting that the model has already.
    """
    folder, texts = (parameters.values.get(name) for name in ("model", "csv"))
    if not folder and not texts:
        return None
    if not folder or not texts:
        given, missing = ("csv", "model FOLDER") if texts else ("model", "csv FILE")
        raise InputError(f"{given} was given alone: a saved student and its labelled texts go together: -p {missing}.")
    for name, default in SETTLED.items():
        if parameters.values.get(name, default) != default:
            raise InputError(f"{name} was given with model, which brings its own: leave one of the two out.")
    model = quantum_model(folder, parameters.values.get("embedder"))
    found = Saved(Path(folder).expanduser(), read_own_file(texts, to_train=False), model, store, parameters.seed)
    labels_of(found.own, found.model)  # a class that the model does not know is said before anything is simulated
    return found
