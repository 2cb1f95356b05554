"""Simulated hardware: a compiled circuit with decay, gate errors and readout confusion, exact (no sampling of errors).

A state is held as its expectations of all 4^n Pauli words, a real vector, on which every channel is a real matrix
(its Pauli transfer matrix). Gates and noise that fall on at most three neighbouring positions are multiplied into one
64 x 64 matrix first. Only the encoder depends on the text, so these blocks are worked out once for a student:
forwards they give the distribution of all bits for one text, backwards <Z_j> for any number of texts.

The noise: after a gate, with probability `error`, a random Pauli word other than the identity on its qubits; T1 and T2
decay during gates and while waiting (gates start as early as they can, all qubits are read together at the end; cold
qubits: decay goes to |0>); independent readout confusion of each qubit. No crosstalk, no leakage, no drift.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from qdcircuits.chip.calibration import Calibration, Qubit
from qdcircuits.chip.compilation import Compiled, Native

WINDOW = 3  # positions of a block
PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
CZ = np.diag([1.0, 1.0, 1.0, -1.0])


def transfer(unitary: np.ndarray) -> np.ndarray:
    """The Pauli transfer matrix of a unitary on one or two qubits: R[i, j] = tr(P_i U P_j U*) / d."""
    words = PAULIS if len(unitary) == 2 else np.array([np.kron(a, b) for a in PAULIS for b in PAULIS])
    moved = unitary @ words @ unitary.conj().T
    return np.einsum("iab,jba->ij", words, moved).real / len(unitary)


def rotation(name: str, angle: float) -> np.ndarray:
    """The transfer matrix of RX, RY or RZ by an angle in rad."""
    generator = PAULIS["IXYZ".index(name[1])]
    return transfer(np.cos(angle / 2) * PAULIS[0] - 1j * np.sin(angle / 2) * generator)


def depolarising(error: float, qubits: int) -> np.ndarray:
    """With probability `error` a random Pauli word other than the identity; qubits: 1 or 2."""
    words = 4**qubits
    return np.diag([1.0] + [1 - error * words / (words - 1)] * (words - 1))


def decay(qubit: Qubit, duration_ns: float) -> np.ndarray:
    """Amplitude and phase decay for a time: X and Y shrink by exp(-t/T2), Z goes to 1 with exp(-t/T1)."""
    t1, t2 = np.exp(-duration_ns / (1000 * np.array([qubit.t1_us, qubit.t2_us])))
    matrix = np.diag([1.0, t2, t2, t1])
    matrix[3, 0] = 1 - t1
    return matrix


@dataclass
class Block:
    """A real matrix on `width` neighbouring positions from `first` on, (4^width, 4^width)."""

    first: int
    width: int
    matrix: np.ndarray

    def widened(self, first: int, width: int) -> np.ndarray:
        """The matrix on a window that holds this one."""
        before, after = self.first - first, first + width - self.first - self.width
        return np.kron(np.kron(np.eye(4**before), self.matrix), np.eye(4**after))

    def overlaps(self, other: "Block") -> bool:
        """Whether the two share a position."""
        return self.first < other.first + other.width and other.first < self.first + self.width


def channels(compiled: Compiled, chip: Calibration, fold: int) -> Iterator[Block]:
    """Gates and noise in time order, the encoder's rotations left out, their noise not.

    fold: an odd number of times that each CZ is done, for zero-noise extrapolation (CZ CZ = 1).
    """
    n = len(compiled.line)
    qubits = [chip.qubits[k] for k in compiled.line]
    clock = np.zeros(n)

    def wait(position: int, until: float) -> Block:
        idle = Block(position, 1, decay(qubits[position], until - clock[position]))
        clock[position] = until
        return idle

    for gate in compiled.gates:
        if gate.name == "CZ":
            coupler = chip.coupler(*(compiled.line[wire] for wire in gate.wires))
            first, start = min(gate.wires), max(clock[wire] for wire in gate.wires)
            noise = np.kron(*(decay(qubits[wire], coupler.duration_ns) for wire in sorted(gate.wires)))
            once = noise @ depolarising(coupler.error, 2) @ transfer(CZ)
            yield from (wait(wire, start) for wire in gate.wires)
            yield Block(first, 2, np.linalg.matrix_power(once, fold))
            for wire in gate.wires:
                clock[wire] += fold * coupler.duration_ns
        else:
            yield Block(gate.wires[0], 1, one_qubit(gate, qubits[gate.wires[0]]))
            if gate.name != "RZ":
                clock[gate.wires[0]] += qubits[gate.wires[0]].duration_ns
    yield from [wait(position, clock.max()) for position in range(n)]


def one_qubit(gate: Native, qubit: Qubit) -> np.ndarray:
    """A rotation and its noise; RZ has none, and of an encoder gate only the noise."""
    turn = np.eye(4) if gate.angle is None else rotation(gate.name, gate.angle)
    if gate.name == "RZ":
        return turn
    return decay(qubit, qubit.duration_ns) @ depolarising(qubit.error, 1) @ turn


def merged(blocks: Iterable[Block]) -> list[Block]:
    """The same product in fewer blocks: each goes into the last one that it overlaps, if both fit a window."""
    found: list[Block] = []
    for block in blocks:
        for last in reversed(found):
            if not last.overlaps(block):
                continue
            first = min(last.first, block.first)
            width = max(last.first + last.width, block.first + block.width) - first
            if width <= WINDOW:
                last.matrix = block.widened(first, width) @ last.widened(first, width)
                last.first, last.width = first, width
                break
            found.append(block)
            break
        else:
            found.append(block)
    for block in found:  # rounding errors of cos(pi/2) would end as subnormal numbers, which are many times slower
        block.matrix[np.abs(block.matrix) < 1e-15] = 0
    return found


class NoisyCircuit:
    """A compiled circuit on a chip. precision: float32 (errors below 1e-5) or float64."""

    def __init__(
        self, compiled: Compiled, chip: Calibration, fold: int = 1, precision: type[np.floating] = np.float32
    ) -> None:
        """Work out the blocks."""
        self.compiled, self.n, self.precision = compiled, len(compiled.line), precision
        self.blocks = merged(channels(compiled, chip, fold))
        self.confusion = confusion_matrices(compiled, chip)

    def encoded(self, inputs: np.ndarray) -> list[np.ndarray]:
        """The Pauli expectations (4, B) of each position after the encoder; inputs (B, n_inputs) in rad."""
        states = [np.array([[1.0], [0.0], [0.0], [1.0]]).repeat(len(inputs), axis=1) for _ in range(self.n)]
        for gate in self.compiled.gates:
            if gate.index >= 0:
                z, zero, one = inputs[:, gate.index], np.zeros(len(inputs)), np.ones(len(inputs))
                turned = {"RX": [one, zero, -np.sin(z), np.cos(z)], "RY": [one, np.sin(z), zero, np.cos(z)]}
                states[gate.wires[0]] = np.array(turned[gate.name])
        return states

    def probabilities(self, inputs: np.ndarray, readout: bool = True) -> np.ndarray:
        """The distribution of the bits, (2^n,), for the angles (n_inputs,) of one text; bit 0 is the leftmost.

        readout: with the confusion of the reading.
        """
        factors = [state[:, 0] for state in self.encoded(np.asarray(inputs, float)[None])]
        words = reduce(np.kron, factors).astype(self.precision)
        for block in self.blocks:
            words = apply(block, block.matrix, words, self.n)
        diagonal = words.reshape((4,) * self.n)[(slice(None, None, 3),) * self.n].astype(float)
        hadamard = np.array([[0.5, 0.5], [0.5, -0.5]])
        result = on_each(diagonal, [hadamard] * self.n).transpose(self.compiled.bits)
        if readout:
            result = on_each(result, self.confusion)
        return np.clip(result, 0, None).ravel() / np.clip(result, 0, None).sum()

    def expectations(self, inputs: np.ndarray) -> np.ndarray:
        """<Z_j> of every output with all noise and infinitely many shots, (B, n), for inputs (B, n_inputs)."""
        return self.means(np.stack([signs(bits, self.n) for bits in self.compiled.parities]), inputs)

    def means(self, functions: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """The means (B, K) of functions of the bits as they are read, (K, 2^n), bit 0 leftmost; inputs (B, n_inputs).

        Each function is carried back through the blocks once, whatever the number of texts.
        """
        states = [state.astype(self.precision) for state in self.encoded(np.asarray(inputs, float))]
        left, right = (product(half) for half in (states[: self.n // 2], states[self.n // 2 :]))
        means = []
        for function in functions:
            words = self.carried_back(function).reshape(len(left), len(right))
            means.append(np.sum(left * (words @ right), axis=0, dtype=float))
        return np.stack(means, axis=1)

    def carried_back(self, function: np.ndarray) -> np.ndarray:
        """A function (2^n,) of the bits as they are read, as Pauli words (4^n,) right after the encoder."""
        table = on_each(function.reshape((2,) * self.n).astype(float), [matrix.T for matrix in self.confusion])
        hadamard = np.array([[0.5, 0.5], [0.5, -0.5]])
        table = on_each(table.transpose(np.argsort(self.compiled.bits)), [hadamard] * self.n)
        words = np.zeros((4,) * self.n, dtype=self.precision)
        words[(slice(None, None, 3),) * self.n] = table
        words = words.ravel()
        for block in reversed(self.blocks):
            words = apply(block, block.matrix.T, words, self.n)
        return words


def signs(bits: Sequence[int], n: int) -> np.ndarray:
    """The sign (2^n,) of the parity of some of n bits, bit 0 leftmost: 1 where an even number of them is 1."""
    numbers = np.arange(2**n)
    return 1 - 2 * (np.sum([(numbers >> (n - 1 - bit)) & 1 for bit in bits], axis=0) % 2)


def shot_time(compiled: Compiled, chip: Calibration, fold: int = 1) -> float:
    """Nanoseconds of one shot's gates, without reset and reading: a lower bound of what it takes."""
    clock = np.zeros(len(compiled.line))
    for gate in compiled.gates:
        numbers = [compiled.line[wire] for wire in gate.wires]
        if gate.name == "CZ":
            until = max(clock[list(gate.wires)]) + fold * chip.coupler(*numbers).duration_ns
            clock[list(gate.wires)] = until
        elif gate.name != "RZ":
            clock[gate.wires[0]] += chip.qubits[numbers[0]].duration_ns
    return float(clock.max())


def product(states: list[np.ndarray]) -> np.ndarray:
    """The Kronecker product (4^k, B) of k vectors (4, B), text by text."""
    return reduce(lambda left, right: (left[:, None] * right[None]).reshape(-1, left.shape[1]), states)


def confusion_matrices(compiled: Compiled, chip: Calibration) -> list[np.ndarray]:
    """For each bit the matrix [read, true] of its reading."""
    qubits = [chip.qubits[compiled.line[position]] for position in compiled.bits]
    return [np.array([[1 - q.reads_1_for_0, q.reads_0_for_1], [q.reads_1_for_0, 1 - q.reads_0_for_1]]) for q in qubits]


def apply(block: Block, matrix: np.ndarray, words: np.ndarray, n: int) -> np.ndarray:
    """A block's matrix (or its transpose) on the Pauli words of n positions, (4^n,)."""
    matrix = np.ascontiguousarray(matrix, dtype=words.dtype)  # a transposed view would miss the fast product
    size, after = len(matrix), 4 ** (n - block.first - block.width)
    if after == 1:
        return (words.reshape(-1, size) @ matrix.T).ravel()
    return (matrix @ words.reshape(-1, size, after)).ravel()


def on_each(table: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """A 2 x 2 matrix on each axis of a table (2, 2, ...)."""
    for axis, matrix in enumerate(matrices):
        table = np.moveaxis(np.tensordot(matrix, table, axes=(1, axis)), 0, axis)
    return table
