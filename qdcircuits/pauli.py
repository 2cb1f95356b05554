"""The circuit as rotations about Pauli words, and observables carried back through it (Heisenberg picture).

A Pauli word on n qubits is two bit masks, x and z; bit j is qubit j, which carries I (0, 0), X (1, 0),
Y (1, 1) or Z (0, 1). The CNOTs are moved behind all rotations, which changes the words and nothing else: a
rotation about G after a CNOT is the CNOT after a rotation about CNOT G CNOT. What is left is a list of
rotations exp(-i sign angle/2 P) and a word to measure in place of each Z_j.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from qdcircuits.ansatz import Circuit, Gate

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

X_PART = {"RX": True, "RY": True, "RZ": False, "RZZ": False}
Z_PART = {"RX": False, "RY": True, "RZ": True, "RZZ": True}


@dataclass(frozen=True)
class Word:
    """A signed Pauli word."""

    x: int
    z: int
    sign: int = 1

    def anticommutes(self, other: "Word") -> bool:
        """Whether the two words anticommute; words that do not, commute."""
        return bool(((self.x & other.z).bit_count() + (self.z & other.x).bit_count()) % 2)

    def same(self, other: "Word") -> bool:
        """Whether they are equal up to the sign."""
        return (self.x, self.z) == (other.x, other.z)

    def before(self, cnot: Gate) -> "Word":
        """CNOT word CNOT: the word that does before the CNOT what this one does after it."""
        control, target = cnot.wires
        x_control, z_control = self.x >> control & 1, self.z >> control & 1
        x_target, z_target = self.x >> target & 1, self.z >> target & 1
        flips = x_control & z_target & (x_target ^ z_control ^ 1)
        return Word(self.x ^ x_control << target, self.z ^ z_target << control, -self.sign if flips else self.sign)


@dataclass(frozen=True)
class Rotation:
    """exp(-i word.sign angle/2 P), P the unsigned word; the gate says where the angle comes from."""

    word: Word
    gate: Gate


@dataclass(frozen=True)
class RotationForm:
    """Rotations in time order, and the word whose expectation after them is <Z_j>, for each qubit j."""

    rotations: tuple[Rotation, ...]
    readout: tuple[Word, ...]


def rotation_form(circuit: Circuit) -> RotationForm:
    """A circuit with its CNOTs moved to the end and into the read-out."""
    cnots: list[Gate] = []
    rotations = []
    for gate in circuit.gates:
        if gate.source == "none":
            cnots.append(gate)
        else:
            mask = sum(1 << wire for wire in gate.wires)
            word = Word(mask * X_PART[gate.name], mask * Z_PART[gate.name])
            rotations.append(Rotation(_to_the_front(word, cnots), gate))
    readout = tuple(_to_the_front(Word(0, 1 << wire), cnots) for wire in range(circuit.n_qubits))
    return RotationForm(tuple(rotations), readout)


def _to_the_front(word: Word, cnots: list[Gate]) -> Word:
    for cnot in reversed(cnots):
        word = word.before(cnot)
    return word


@dataclass(frozen=True)
class PauliSum:
    """A sum of Pauli words: masks x and z, (T,), int64, and real coefficients, (T,).

    dropped: the sum of the |coefficients| left out on the way; a word's expectation is at most 1, so no
    expectation of the whole is further off than this.
    """

    x: Integers
    z: Integers
    coefficients: Floats
    dropped: float


def propagate(form: RotationForm, output: int, weights: Floats, most: int | None = None) -> PauliSum:
    """<Z_output> carried back through all trained rotations, to the encoder (Heisenberg picture).

    A rotation about G by t turns a word P that anticommutes with G into cos(t) P + sin(t) i G P, and leaves
    the others. weights: (n_weights,), rad. most: words kept after every rotation, those of the largest
    |coefficients|; None keeps all, and the sum is exact.
    """
    word = form.readout[output]
    n = len(form.readout)
    keys = np.array([word.x << n | word.z], dtype=np.int64)  # kept in ascending order
    coefficients = np.array([float(word.sign)])
    dropped = 0.0
    for axis, angle in _summed(form, weights):
        keys, coefficients = _rotated(keys, coefficients, axis, angle, n)
        if most is not None and len(keys) > most:
            kept = np.sort(np.argpartition(-np.abs(coefficients), most)[:most])
            dropped += float(np.abs(coefficients).sum() - np.abs(coefficients[kept]).sum())
            keys, coefficients = keys[kept], coefficients[kept]
    return PauliSum(keys >> n, keys & ((1 << n) - 1), coefficients, dropped)


def _summed(form: RotationForm, weights: Floats) -> Iterator[tuple[Word, float]]:
    """The trained rotations, last first, those about the same word in a row as one."""
    trained = [rotation for rotation in reversed(form.rotations) if rotation.gate.source == "weight"]
    for (_, _), group in groupby(trained, key=lambda rotation: (rotation.word.x, rotation.word.z)):
        rotations = list(group)
        yield rotations[0].word, sum(rotation.word.sign * float(weights[rotation.gate.index]) for rotation in rotations)


def _rotated(keys: Integers, coefficients: Floats, axis: Word, angle: float, n: int) -> tuple[Integers, Floats]:
    """The words (keys x << n | z, ascending) and coefficients before a rotation about the unsigned axis."""
    x, z = keys >> n, keys & ((1 << n) - 1)
    count = np.bitwise_count
    moved = np.flatnonzero((count(x & axis.z) + count(z & axis.x)) & 1)
    if not len(moved):
        return keys, coefficients
    # words are i^|x&z| X^x Z^z, so the product of two is a power of i and a word; i G P has a real sign
    x, z = x[moved], z[moved]
    power = 1 + (axis.x & axis.z).bit_count() + count(x & z).astype(np.int64) + 2 * count(x & axis.z)
    power -= count((x ^ axis.x) & (z ^ axis.z))
    partners = keys[moved] ^ (axis.x << n | axis.z)
    added = np.sin(angle) * (1 - (power & 3)) * coefficients[moved]
    coefficients = coefficients.copy()
    coefficients[moved] *= np.cos(angle)
    places = np.minimum(np.searchsorted(keys, partners), len(keys) - 1)
    there = keys[places] == partners
    coefficients[places[there]] += added[there]
    keys = np.concatenate([keys, partners[~there]])
    order = np.argsort(keys, kind="stable")
    return keys[order], np.concatenate([coefficients, added[~there]])[order]
