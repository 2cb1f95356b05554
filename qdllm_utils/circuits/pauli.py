"""The circuit as rotations about Pauli words, and observables carried back through it (Heisenberg picture).

A Pauli word on n qubits is two bit masks, x and z; bit j is qubit j, which carries I (0, 0), X (1, 0),
Y (1, 1) or Z (0, 1). The CNOTs are moved behind all rotations, which changes the words and nothing else: a
rotation about G after a CNOT is the CNOT after a rotation about CNOT G CNOT. What is left is a list of
rotations exp(-i sign angle/2 P) and a word to measure in place of each Z_j.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdllm_utils.circuits.ansatz import Circuit, Gate

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
