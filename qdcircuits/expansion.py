"""The circuit written out: every <Z_j> as a sum of products of 1, cos z_i and sin z_i, a table and no circuit.

The encoder makes a product state: RX(z) on |0> has <Z> = cos z, <Y> = -sin z and <X> = 0 (RY: <X> = sin z,
<Y> = 0). So an observable that is carried back to the encoder as a sum of Pauli words is a finite sum
(cf. Schreiber, Eisert and Meyer 2023), of at most 3^n terms whatever the depth.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from qdcircuits.ansatz import Circuit
from qdcircuits.pauli import Floats, Integers, PauliSum, RotationForm, propagate, rotation_form

FACTORS = ("1", "cos", "sin")
NEGLIGIBLE = 1e-15  # rounding leaves coefficients of this size where the exact one is 0


@dataclass(frozen=True)
class Expansion:
    """Terms of n_outputs sums: coefficient * product over the inputs of 1, cos z_i or sin z_i.

    outputs: (T,), which sum a term belongs to. codes: (T,), the factors as digits to base 3 (0: 1, 1: cos,
    2: sin), input 0 first. coefficients: (T,). dropped: (n_outputs,), a bound on each output's error.
    """

    n_inputs: int
    outputs: Integers
    codes: Integers
    coefficients: Floats
    dropped: Floats

    def __call__(self, inputs: Floats, rows: int = 256) -> Floats:
        """<Z_j> from the encoder's angles: (B, n_inputs) in rad -> (B, n_outputs); `rows` of them at a time."""
        parts = [self._rows(inputs[start : start + rows]) for start in range(0, len(inputs), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.dropped)))

    def _rows(self, inputs: Floats) -> Floats:
        """Each term is a product of the first inputs' factors times one of the others': two short tables."""
        table, right, sums = self._matrices
        cut = (self.n_inputs + 1) // 2
        inner = table @ products(inputs[:, :cut])
        return (sums @ (inner * products(inputs[:, cut:])[right])).T

    @cached_property
    def _matrices(self) -> tuple[scipy.sparse.csr_array, Integers, scipy.sparse.csr_array]:
        """Coefficients by (output and right half) and left half; the right halves; what adds up the outputs."""
        width = 3 ** (self.n_inputs // 2)
        left_width = 3 ** ((self.n_inputs + 1) // 2)
        pairs, row = np.unique(self.outputs * width + self.codes % width, return_inverse=True)
        table = scipy.sparse.csr_array((self.coefficients, (row, self.codes // width)), shape=(len(pairs), left_width))
        belongs = (np.ones(len(pairs)), (pairs // width, np.arange(len(pairs))))
        sums = scipy.sparse.csr_array(belongs, shape=(len(self.dropped), len(pairs)))
        return table, pairs % width, sums

    @property
    def counts(self) -> list[int]:
        """The number of terms of each output."""
        return np.bincount(self.outputs, minlength=len(self.dropped)).tolist()

    def truncated(self, terms: int) -> "Expansion":
        """At most so many terms an output, those of the largest |coefficients|; the others join `dropped`."""
        order = np.lexsort((-np.abs(self.coefficients), self.outputs))
        starts = np.concatenate([[0], np.cumsum(self.counts)])
        place = np.arange(len(order)) - starts[self.outputs[order]]
        kept, left = order[place < terms], order[place >= terms]
        lost = np.bincount(self.outputs[left], np.abs(self.coefficients[left]), len(self.dropped))
        return Expansion(
            self.n_inputs, self.outputs[kept], self.codes[kept], self.coefficients[kept], self.dropped + lost
        )

    def digits(self, output: int) -> tuple[NDArray[np.int64], Floats]:
        """The terms of one output, largest first: factors (T, n_inputs), each 0, 1 or 2, and coefficients (T,)."""
        mine = np.flatnonzero(self.outputs == output)
        mine = mine[np.argsort(-np.abs(self.coefficients[mine]), kind="stable")]
        powers = 3 ** np.arange(self.n_inputs)[::-1]
        return self.codes[mine, None] // powers % 3, self.coefficients[mine]

    def formula(self, output: int, terms: int, places: int = 3) -> str:
        r"""LaTeX of the largest terms of one output that do not round to 0; `+ \ldots` where there are more."""
        factors, coefficients = self.digits(output)
        text = ""
        shown = int((np.abs(coefficients[:terms]) >= 0.5 * 10.0**-places).sum())
        for digits, coefficient in zip(factors[:shown], coefficients[:shown], strict=True):
            names = [rf"\{FACTORS[digit]} z_{{{wire}}}" for wire, digit in enumerate(digits) if digit]
            alone = names and abs(abs(coefficient) - 1) < 1e-12
            size = [] if alone else [f"{abs(coefficient):.{places}f}"]
            sign = ("-" if coefficient < 0 else "") if not text else " - " if coefficient < 0 else " + "
            text += sign + r"\,".join(size + names)
        more = r" + \ldots" if len(coefficients) > shown else ""
        return rf"\langle Z_{{{output}}}\rangle = {text or '0'}{more}"

    def arrays(self) -> dict[str, np.ndarray]:
        """The table as arrays, as small as they go without loss."""
        return {
            "n_inputs": np.array(self.n_inputs),
            "outputs": self.outputs.astype(np.int8),
            "codes": self.codes.astype(np.int32 if self.n_inputs <= 19 else np.int64),
            "coefficients": self.coefficients,
            "dropped": self.dropped,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Expansion":
        """The table from its arrays."""
        outputs, codes = (arrays[name].astype(np.int64) for name in ("outputs", "codes"))
        return cls(int(arrays["n_inputs"]), outputs, codes, arrays["coefficients"], arrays["dropped"])


def products(inputs: Floats) -> Floats:
    """All products of one factor for each input, (3^n_inputs, B), from angles (B, n_inputs); by code."""
    table = np.ones((1, len(inputs)))
    for angle in inputs.T:
        factors = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)])
        table = (table[:, None] * factors).reshape(-1, len(inputs))
    return table


def expand(circuit: Circuit, weights: Floats, most: int | None = None) -> Expansion:
    """The expansion of every <Z_j> at trained angles (n_weights,), by Pauli propagation.

    most: Pauli words kept on the way (see `propagate`); None gives the exact expansion.
    Raises ValueError where the inputs enter anywhere but in one first layer, one rotation a qubit.
    """
    form = rotation_form(circuit)
    axes = encoder_axes(form, circuit)
    sums = [propagate(form, output, weights, most) for output in range(circuit.n_qubits)]
    terms = [_read(words, axes, circuit.n_inputs) for words in sums]
    codes, coefficients = (np.concatenate(parts) for parts in zip(*terms, strict=True))
    outputs = np.repeat(np.arange(circuit.n_qubits), [len(part) for part, _ in terms])
    dropped = np.array([words.dropped for words in sums])
    return _without_rounding(Expansion(circuit.n_inputs, outputs, codes, coefficients, dropped))


def encoder_axes(form: RotationForm, circuit: Circuit) -> dict[int, tuple[str, int]]:
    """{qubit: (RX or RY, number of the input)}; raises ValueError as `expand` says."""
    axes: dict[int, tuple[str, int]] = {}
    encoder = form.rotations[: sum(gate.source == "input" for gate in circuit.gates)]
    for rotation in encoder:
        gate = rotation.gate
        if gate.source != "input" or gate.name not in ("RX", "RY") or gate.wires[0] in axes:
            raise ValueError("Only a circuit whose inputs enter in one first layer of RX or RY can be written out.")
        axes[gate.wires[0]] = (gate.name, gate.index)
    if len({index for _, index in axes.values()}) != len(axes) or any(
        rotation.word.x.bit_count() != 1 for rotation in encoder
    ):
        raise ValueError("Only a circuit whose inputs enter each on a qubit of its own can be written out.")
    return axes


def _read(words: PauliSum, axes: dict[int, tuple[str, int]], n_inputs: int) -> tuple[Integers, Floats]:
    """Codes and coefficients of the expectation of a sum of words in the encoder's state."""
    x, z, coefficients = words.x, words.z, words.coefficients
    codes = np.zeros_like(x)
    number = int((x | z).max()).bit_length() if len(x) else 0
    for qubit in range(number):
        rotation, index = axes.get(qubit, ("none", 0))
        has_x, has_z = x >> qubit & 1, z >> qubit & 1
        sine = {"RX": has_x & has_z, "RY": has_x & ~has_z & 1, "none": np.zeros_like(has_x)}[rotation]
        cosine = has_z & ~has_x & 1
        place = 3 ** (n_inputs - 1 - index) if rotation != "none" else 0
        sign = np.where(sine, -1 if rotation == "RX" else 1, 1)
        kept = np.flatnonzero((has_x == 0) | (sine == 1))
        codes = (codes + place * (cosine + 2 * sine))[kept]
        x, z, coefficients = x[kept], z[kept], (coefficients * sign)[kept]
    codes, where = np.unique(codes, return_inverse=True)
    return codes, np.bincount(where, coefficients, len(codes)).astype(np.float64, copy=False)


def _without_rounding(full: Expansion) -> Expansion:
    """Leave out coefficients that rounding alone may have left; what they sum to is counted as dropped."""
    size = np.abs(full.coefficients)
    kept = size > NEGLIGIBLE
    lost = np.bincount(full.outputs[~kept], size[~kept], len(full.dropped))
    return Expansion(full.n_inputs, full.outputs[kept], full.codes[kept], full.coefficients[kept], full.dropped + lost)
