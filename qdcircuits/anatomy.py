"""What the circuit's parameters do: which gates reach which output, which angles are one, which do nothing.

All of it is read from the circuit's description, without a number put in (`anatomy`), and can be confirmed by
autograd (`jacobian`, `numerical_rank`). An observable carried back through the circuit (Heisenberg picture)
becomes a sum of Pauli words. A rotation about P leaves a word s as it is where the two commute, and adds the
word s P where they do not. So the words that can occur lie in a coset base + span(directions), written as bit
vectors, and a rotation that commutes with base and directions changes nothing: its gradient is identically
zero. This is sufficient for a zero gradient; that it is also necessary here is what the tests show.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdcircuits.ansatz import Circuit, fused
from qdcircuits.pauli import RotationForm, rotation_form
from qdcircuits.simulation import simulator

TOLERANCE = 1e-9  # of singular values, relative to the largest; float64 leaves zeros at about 1e-15
CHUNK = 4  # samples whose Jacobians are worked out together; more of them do not fit the processor's cache


@dataclass(frozen=True)
class Anatomy:
    """The light cones of a circuit's outputs.

    touches: (n_qubits, rotations), whether a rotation (in time order, inputs included) changes <Z_j>.
    """

    circuit: Circuit
    form: RotationForm
    touches: NDArray[np.bool_]

    @cached_property
    def inputs(self) -> NDArray[np.bool_]:
        """(n_qubits, n_inputs): whether <Z_j> depends on an encoder angle."""
        return self._by_angle("input", self.circuit.n_inputs)

    @cached_property
    def weights(self) -> NDArray[np.bool_]:
        """(n_qubits, n_weights): whether <Z_j> depends on a trained angle."""
        return self._by_angle("weight", self.circuit.n_weights)

    def _by_angle(self, source: str, number: int) -> NDArray[np.bool_]:
        cone = np.zeros((len(self.touches), number), dtype=bool)
        for column, rotation in enumerate(self.form.rotations):
            if rotation.gate.source == source:
                cone[:, rotation.gate.index] |= self.touches[:, column]
        return cone

    @property
    def dead(self) -> list[int]:
        """The weights that no output depends on: their gradient is zero for all angles."""
        return np.flatnonzero(~self.weights.any(axis=0)).tolist()

    @property
    def effective(self) -> list[list[int]]:
        """Angles left when rotations in a row are summed and dead ones dropped; each as the weights summed.

        29 L - 10 of them for the student of 11 qubits and L layers.
        """
        dead = set(self.dead)
        return [group for group in fused(self.circuit)[1] if not dead.issuperset(group)]

    @cached_property
    def independent(self) -> list[list[int]]:
        """Angles left when everything is summed that commuting brings together; each as the weights summed.

        A live rotation joins an earlier one about the same word where it commutes with all live ones between.
        28 L - 9 of them for the student of 11 qubits and L layers: the RZ on qubit 9 of a layer and the RZZ on
        qubits 8 and 9 of the next are one.
        """
        groups: list[list[int]] = []  # of columns of touches, inputs among them: they too stand between
        for column in np.flatnonzero(self.touches.any(axis=0)).tolist():
            rotation = self.form.rotations[column]
            for group in reversed(groups):
                earlier = self.form.rotations[group[0]]
                if earlier.word.anticommutes(rotation.word):
                    groups.append([column])
                    break
                if earlier.word.same(rotation.word) and earlier.gate.source == rotation.gate.source == "weight":
                    group.append(column)
                    break
            else:
                groups.append([column])
        gates = [[self.form.rotations[column].gate for column in group] for group in groups]
        return [[gate.index for gate in group] for group in gates if group[0].source == "weight"]

    @cached_property
    def roles(self) -> list[str]:
        """Of each weight: 'dead', 'merged' (its angle only adds to that of an earlier gate) or 'live'."""
        roles = ["dead"] * self.circuit.n_weights
        for first, *others in self.independent:
            roles[first] = "live"
            for weight in others:
                roles[weight] = "merged"
        return roles


def anatomy(circuit: Circuit) -> Anatomy:
    """Carry every Z_j back through the circuit, as the coset of words that can occur."""
    form = rotation_form(circuit)
    touches = np.zeros((circuit.n_qubits, len(form.rotations)), dtype=bool)
    for output, word in enumerate(form.readout):
        coset = [word]  # the base, then directions; repeated directions do no harm
        for column in reversed(range(len(form.rotations))):
            axis = form.rotations[column].word
            if any(axis.anticommutes(other) for other in coset):
                touches[output, column] = True
                if not any(axis.same(other) for other in coset[1:]):
                    coset.append(axis)
    return Anatomy(circuit, form, touches)


def jacobian(circuit: Circuit, inputs: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """d<Z_j>/d inputs, (S, n_qubits, n_inputs), and d<Z_j>/d weights, (S, n_qubits, n_weights), by autograd.

    inputs: (S, n_inputs), weights: (S, n_weights) or (n_weights,), in radians and in one precision.
    """
    n, samples = circuit.n_qubits, len(inputs)
    angles = inputs[:, None, None].repeat(1, n, 1, 1).requires_grad_()
    copies = weights.expand(samples, -1)[:, None].repeat(1, n, 1).requires_grad_()
    z = simulator(circuit)(angles, copies)  # a copy of the circuit for each sample and output
    slopes = torch.autograd.grad(z[:, range(n), 0, range(n)].sum(), (angles, copies))
    return slopes[0][:, :, 0], slopes[1]


@dataclass(frozen=True)
class Rank:
    """A numerical rank; the singular values, relative to the largest, on either side of the cut.

    above: the least that counts. below: the greatest that does not (0 where there is none).
    """

    rank: int
    above: float
    below: float


def numerical_rank(circuit: Circuit, samples: int = 32, seed: int = 0) -> Rank:
    """The rank of d<Z>/d weights, stacked over random inputs, at one random draw of the weights, float64.

    It is the number of directions in which the weights can change the function z -> <Z>. samples: inputs, uniform
    in [0, 2 pi) like the weights; samples * n_qubits rows must outnumber the angles.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = 2 * torch.pi * torch.rand(circuit.n_weights, generator=generator, dtype=torch.float64)
    inputs = 2 * torch.pi * torch.rand(samples, circuit.n_inputs, generator=generator, dtype=torch.float64)
    rows = torch.cat([jacobian(circuit, part, weights)[1].flatten(0, 1) for part in inputs.split(CHUNK)])
    values = torch.linalg.svdvals(rows)
    relative = (values / values[0]).tolist()
    rank = sum(value > TOLERANCE for value in relative)
    return Rank(rank, relative[rank - 1], relative[rank] if rank < len(relative) else 0.0)


def gradient_variance(circuit: Circuit, samples: int, seed: int = 0) -> float:
    """How far gradients scatter over random angles: small where a barren plateau is (McClean et al. 2018).

    The variance (ddof 1) of d<Z_j>/d weight over `samples` draws of all angles, uniform in [0, 2 pi), averaged
    over the pairs of an output and a weight in its light cone; pairs outside it would only dilute the mean.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = 2 * torch.pi * torch.rand(samples, circuit.n_inputs, generator=generator, dtype=torch.float64)
    weights = 2 * torch.pi * torch.rand(samples, circuit.n_weights, generator=generator, dtype=torch.float64)
    parts = zip(inputs.split(CHUNK), weights.split(CHUNK), strict=True)
    slopes = torch.cat([jacobian(circuit, *part)[1] for part in parts])
    return float(slopes.var(dim=0)[torch.from_numpy(anatomy(circuit).weights)].mean())
