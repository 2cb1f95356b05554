"""The trained quantum student without its circuit: the same layers around a table of terms.

A control that overrides one thing: where the quantum student simulates, this one looks up.
"""

import numpy as np
import torch
from torch import Tensor

from qdcircuits.expansion import Expansion
from qdllm_utils.config import Knobs
from qdllm_utils.students.quantum import QuantumStudents

Arrays = dict[str, np.ndarray]
TABLE = "table/"


class SurrogateStudents(QuantumStudents):
    """S trained students whose <Z_j> are read off their expansions; float64, on the CPU, not to be trained."""

    name = "surrogate"

    def __init__(self, dimension: int, classes: int, knobs: Knobs, tables: list[Expansion]) -> None:
        """The layers of S = len(tables) students; `of` and `from_arrays` fill them."""
        super().__init__(dimension, classes, knobs, list(range(len(tables))))
        self.tables = tables
        del self.simulator, self.angles
        self.double()

    @classmethod
    def of(cls, student: QuantumStudents, tables: list[Expansion]) -> "SurrogateStudents":
        """The surrogates of trained students, one table each."""
        surrogate = cls(student.reduce_weight.shape[1], student.classes, student.knobs, tables)
        kept = {name: values for name, values in student.state_dict().items() if name != "angles"}
        surrogate.load_state_dict(kept)
        return surrogate

    def expectations(self, inputs: Tensor) -> Tensor:
        """<Z_j> of every qubit, (S, B, n), from the encoder's angles, without a circuit."""
        values = [table(angles.numpy()) for table, angles in zip(self.tables, inputs.detach(), strict=True)]
        return torch.from_numpy(np.stack(values))

    def arrays(self) -> Arrays:
        """A single student as arrays: its layers, and its table under `table/`."""
        (table,) = self.tables
        layers = {name: values[0].numpy() for name, values in self.state_dict().items()}
        return layers | {TABLE + name: values for name, values in table.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, knobs: Knobs) -> "SurrogateStudents":
        """A single student from what `arrays` returned."""
        table = {name.removeprefix(TABLE): values for name, values in arrays.items() if name.startswith(TABLE)}
        dimension, _ = arrays["reduce_weight"].shape
        surrogate = cls(dimension, len(arrays["head_bias"]), knobs, [Expansion.from_arrays(table)])
        layers = {name: torch.from_numpy(values)[None] for name, values in arrays.items() if TABLE not in name}
        surrogate.load_state_dict(layers)
        return surrogate


def restored(arrays: Arrays, knobs: Knobs) -> QuantumStudents:
    """A trained quantum student in float64 from the arrays of its row."""
    dimension, _ = arrays["reduce_weight"].shape
    student = QuantumStudents(dimension, len(arrays["head_bias"]), knobs, [0]).double()
    names = student.state_dict()
    student.load_state_dict({name: torch.from_numpy(arrays[name])[None] for name in names})
    return student
