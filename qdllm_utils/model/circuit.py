"""A trained circuit as a few dense steps, for numpy and ONNX: the encoder's product state, then matrices and tables.

The steps are those of `qdcircuits.steps.program`; here the trained angles are put in, so that nothing is left to
work out when a text comes. Qubit 0 is the most significant bit of a basis state.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from qdcircuits.ansatz import Circuit, Gate
from qdcircuits.errors import InputError
from qdcircuits.steps import program


@dataclass(frozen=True)
class Rotation:
    """RY on any qubits: the state as (B, 2^a, 2^b) becomes left @ state @ right^T; real matrices."""

    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Phase:
    """RZ and RZZ: the state times cos + i sin, (2^n,) each."""

    cos: np.ndarray
    sin: np.ndarray


@dataclass(frozen=True)
class Permutation:
    """CNOTs: new_state[x] = old_state[index[x]]."""

    index: np.ndarray


@dataclass(frozen=True)
class ReadOut:
    """<Z_j> of every qubit: the chances (B, 2^n) of the basis states times its signs on them, (2^n, n)."""

    signs: np.ndarray


Dense = Rotation | Phase | Permutation | ReadOut


def bits(n: int) -> np.ndarray:
    """The bit of each qubit in each basis state, (2^n, n)."""
    return (np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1


def signs(n: int) -> np.ndarray:
    """The eigenvalue of each Z_j on each basis state, (2^n, n)."""
    return 1.0 - 2.0 * bits(n)


def dense_steps(circuit: Circuit, angles: np.ndarray) -> list[Dense]:
    """The steps after the product state of RX(z_j), from its phases (-i)^(number of ones) to the read-out.

    Phases beside each other are one, and CNOTs stand before phases. At the end phases change no chance and are left
    out, and CNOTs only change which sign stands where.
    angles: (n_weights,) in rad. Raises InputError for a circuit whose inputs are not one RX a qubit, or whose ansatz
    has gates other than RY, RZ, RZZ and CNOT.
    """
    n = circuit.n_qubits
    encoder, *rest = program(circuit)
    inputs = [(gate.name, gate.source, gate.wires, gate.index) for gate in encoder.gates]
    trained = {gate.name for step in rest for gate in step.gates if gate.source != "input"}
    repeated = any(gate.source == "input" for step in rest for gate in step.gates)
    if sorted(inputs) != [("RX", "input", (wire,), wire) for wire in range(n)] or repeated or "RX" in trained:
        raise InputError("Only a circuit with one RX a qubit as its encoder and RY, RZ, RZZ, CNOT can be saved.")
    ones = bits(n).sum(axis=1) % 4
    steps: list[Dense] = [Phase(np.array([1.0, 0, -1, 0])[ones], np.array([0, -1.0, 0, 1])[ones])]
    for step in rest:
        if step.kind == "rotation":
            steps.append(rotation(n, step.gates, angles))
        elif step.kind == "diagonal":
            turn = sum(-0.5 * angles[gate.index] * signs(n)[:, gate.wires].prod(axis=1) for gate in step.gates)
            steps[-1:] = joined(steps[-1], Phase(np.cos(turn), np.sin(turn)))
        else:
            steps[-1:] = joined(steps[-1], permutation(n, step.gates))
    eigenvalues = signs(n)
    while steps and not isinstance(steps[-1], Rotation):
        last = steps.pop()
        if isinstance(last, Permutation):
            eigenvalues = eigenvalues[np.argsort(last.index)]
    return [*steps, ReadOut(eigenvalues)]


def joined(last: Dense, step: Phase | Permutation) -> list[Dense]:
    """Two steps that follow each other, in fewer or in the order of the docstring above."""
    if isinstance(last, Phase) and isinstance(step, Phase):
        return [Phase(last.cos * step.cos - last.sin * step.sin, last.cos * step.sin + last.sin * step.cos)]
    if isinstance(last, Phase) and isinstance(step, Permutation):
        return [step, Phase(last.cos[step.index], last.sin[step.index])]
    return [last, step]


def rotation(n: int, gates: list[Gate], angles: np.ndarray) -> Rotation:
    """The RY of a step as two matrices, over the first half of the qubits and the others."""
    turn = np.zeros(n)
    for gate in gates:
        turn[gate.wires[0]] += angles[gate.index]
    cos, sin = np.cos(turn / 2), np.sin(turn / 2)
    single = [np.array([[c, -s], [s, c]]) for c, s in zip(cos, sin, strict=True)]
    cut = (n + 1) // 2
    return Rotation(reduce(np.kron, single[:cut]), reduce(np.kron, single[cut:]))


def permutation(n: int, gates: list[Gate]) -> Permutation:
    """The CNOTs of a step as one index."""
    source = np.arange(2**n)
    for gate in reversed(gates):
        control, target = (n - 1 - wire for wire in gate.wires)
        source = source ^ (((source >> control) & 1) << target)
    return Permutation(source)


def outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The outer product of each pair of rows, (B, k) and (B, m) to (B, k m)."""
    return (left[:, :, None] * right[:, None]).reshape(len(left), -1)


def expectations(steps: list[Dense], inputs: np.ndarray, dtype: type[np.floating[Any]] = np.float64) -> np.ndarray:
    """<Z_j> of every qubit, (B, n), from the encoder's angles (B, n) in rad; dtype: of the states."""
    batch, n = inputs.shape
    single = np.stack([np.cos(inputs / 2), np.sin(inputs / 2)], axis=2, dtype=dtype)  # (B, n, 2)
    # outer products over each half of the qubits, then one of the halves: long rows are several times faster
    halves = (reduce(outer, (single[:, wire] for wire in part)) for part in np.array_split(np.arange(n), min(n, 2)))
    real = reduce(outer, halves)
    imaginary = np.zeros_like(real)
    for step in steps:
        if isinstance(step, Phase):
            cos, sin = step.cos.astype(dtype), step.sin.astype(dtype)
            real, imaginary = real * cos - imaginary * sin, real * sin + imaginary * cos
        elif isinstance(step, Permutation):
            real, imaginary = (part.take(step.index, axis=1) for part in (real, imaginary))
        elif isinstance(step, Rotation):
            left, right = step.left.astype(dtype), step.right.T.astype(dtype)
            real, imaginary = (
                (left @ part.reshape(batch, len(left), -1) @ right).reshape(batch, -1) for part in (real, imaginary)
            )
        else:
            real = (real**2 + imaginary**2) @ step.signs.astype(dtype)
    return real
