"""From the distribution of bits to counts and back to <Z_j>; what can be corrected on the way.

Bit 0 is the leftmost, the most significant, in every array here. `parities`: for each output the bits whose parity
it is (see reduction.py).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from qdcircuits.chip.noise import on_each, signs
from qdcircuits.errors import InputError, choose

BIT_ORDERS = ("left", "right")  # where qubit 0 stands in a string of bits: pyquafu's clouds left, Quafu-SQC right
FOLDS = (1, 3, 5)
LEAST_CONTRAST = 0.2  # of a reading as it was learnt; tables leave out qubits below 0.5 (readers.py)

Parities = Sequence[Sequence[int]]


def sample(probabilities: np.ndarray, shots: int, rng: np.random.Generator) -> np.ndarray:
    """Relative frequencies (2^n,) of `shots` independent shots."""
    return rng.multinomial(shots, probabilities) / shots


def expectations(frequencies: np.ndarray, parities: Parities) -> np.ndarray:
    """<Z_j> of every output (n,) from frequencies (2^n,)."""
    n = len(frequencies).bit_length() - 1
    return np.array([frequencies @ signs(bits, n) for bits in parities])


def frequencies_of(counts: Mapping[str, int], n_bits: int, bit_order: str) -> np.ndarray:
    """Relative frequencies (2^n,) of a service's counts; raises InputError for counts that are none.

    bit_order: 'left' where qubit 0 is the leftmost character, 'right' where it is the rightmost.
    """
    choose(bit_order, BIT_ORDERS, "bit_order")
    found = np.zeros(2**n_bits)
    for bits, count in counts.items():
        whole = isinstance(count, int) and not isinstance(count, bool) and count >= 0
        if len(bits) != n_bits or set(bits) - {"0", "1"} or not whole:
            raise InputError(
                f"The counts have an entry {bits!r}: {count!r}; {n_bits} bits and a whole number are needed."
            )
        found[int(bits if bit_order == "left" else bits[::-1], 2)] += count
    if not found.sum():
        raise InputError("The counts are empty: the service finished the task without a shot.")
    return found / found.sum()


def measured_confusion(confusion: list[np.ndarray], shots: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The confusion matrices as a user learns them: from `shots` readings of |0...0> and as many of |1...1>."""
    return [
        np.stack([rng.multinomial(shots, column / column.sum()) / shots for column in m.T], axis=1) for m in confusion
    ]


def without_confusion(frequencies: np.ndarray, confusion: list[np.ndarray]) -> np.ndarray:
    """Frequencies with each bit's confusion matrix inverted; they may leave [0, 1] by a little."""
    check_invertible(confusion)
    table = frequencies.reshape((2,) * len(confusion))
    return on_each(table, [np.linalg.inv(matrix) for matrix in confusion]).ravel()


def check_invertible(confusion: Sequence[np.ndarray]) -> None:
    """Raise InputError for a bit whose reading hardly tells 0 from 1: its inverse would make anything of noise."""
    for bit, matrix in enumerate(confusion):
        contrast = float(np.linalg.det(matrix))
        if not contrast >= LEAST_CONTRAST:
            raise InputError(
                f"Bit {bit} is read with a contrast of {contrast:.2g}, below {LEAST_CONTRAST}: its readout cannot be "
                "corrected; leave out that qubit, or use the counts as they are."
            )


def mitigated(frequencies: np.ndarray, confusion: list[np.ndarray], parities: Parities) -> np.ndarray:
    """<Z_j> (n,) with the reading corrected, within [-1, 1], which noise would leave."""
    return np.clip(expectations(without_confusion(frequencies, confusion), parities), -1, 1)


def zero_noise(values: np.ndarray, folds: Sequence[int] = FOLDS) -> np.ndarray:
    """<Z_j> at zero two-qubit noise, (...), from values (folds, ...): a straight line by least squares, within [-1, 1].

    With the noise of this circuit the decay is not a line: what is left of the bias, and the noise of the shots,
    which extrapolating multiplies, is for the reader of the results to judge.
    """
    design = np.vander(np.asarray(folds, float), 2, increasing=True)
    intercept = np.linalg.pinv(design)[0]
    return np.clip(np.tensordot(intercept, values, axes=1), -1, 1)
