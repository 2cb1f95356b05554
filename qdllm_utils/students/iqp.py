"""An instantaneous quantum polynomial-time (IQP) circuit in the place of the ansatz, and random cosines of its size.

H on every qubit, gates that are diagonal, H again, <Z_j> (Shepherd and Bremner 2009; features in the angles as in one
layer of the feature map of Havlicek et al. 2019). Here RZ(z_j) on each qubit and RZZ(w_jk z_j z_k) on each pair, w
trained.
"""

import torch
from torch import Tensor

from qdllm_utils.learning.copies import each
from qdllm_utils.students.classical_designs import RandomCosine
from qdllm_utils.students.controls import Cosine
from qdllm_utils.students.quantum import WEIGHT_SD

COUPLINGS = "couplings"


class IQP(Cosine):
    """Linear(d, n) -> z -> IQP circuit -> <Z_j> -> Linear(n, C).

    Between the H, Z_j is X_j, which flips spin j of 2^n equally likely ones and picks up the phases that j is in; their
    mean factorises, so the read-out of gates of at most two qubits has a closed form, exact and classical:
    <Z_j> = cos z_j prod_(k != j) cos(w_jk z_j z_k). At w = 0 it is the control with cos in the circuit's place.
    Trainable: (d + 1) n + n (n - 1) / 2 + (n + 1) C; 8,538 for d = 768, n = 11, C = 2.
    """

    name = "iqp"
    title = "IQP circuit"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The control's, and a coupling (1 / rad) for each pair of qubits."""
        n = self.knobs.qubits
        return {**super().shapes(), COUPLINGS: (n * (n - 1) // 2,)}

    def initial(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Couplings N(0, 0.01^2), as the student's angles."""
        if name == COUPLINGS:
            return WEIGHT_SD * torch.randn(shape, generator=generator)
        return super().initial(name, shape, generator)

    def expectations(self, inputs: Tensor) -> Tensor:
        """<Z_j>, (S, B, n), from z (S, B, n) in rad."""
        return each(read_out, inputs, self.get_parameter(COUPLINGS))

    def describe(self) -> str:
        """The size in words."""
        return f"{self.knobs.qubits} qubits, all pairs coupled"


def read_out(z: Tensor, couplings: Tensor) -> Tensor:
    """<Z_j> of the IQP circuit, (B, n), from z (B, n) in rad and w_jk (pairs j < k in rows) in 1 / rad."""
    n = z.shape[-1]
    above = torch.zeros(n, n, device=z.device).index_put(tuple(torch.triu_indices(n, n, 1, device=z.device)), couplings)
    angles = z[:, :, None] * z[:, None, :] * (above + above.T)
    return torch.cos(z) * torch.cos(angles).prod(dim=-1)


class RandomCosines(RandomCosine):
    """Random Fourier features (Rahimi and Recht 2007) with as many trained numbers as the IQP student.

    4,268 fixed random cosines and a linear head for d = 768, C = 2.
    """

    name = "random_cosines"
    title = "random cosines"

    @property
    def budget(self) -> int:  # type: ignore[override]
        """The trained numbers of the IQP student."""
        n = self.knobs.qubits
        return (self.dimension + 1) * n + n * (n - 1) // 2 + (n + 1) * self.classes

    def describe(self) -> str:
        """The size in words."""
        return f"{self.outputs()} random features"
