"""The circuit as a short program of three kinds of step, which every simulator runs.

    diagonal      RZ and RZZ that stand together: one phase for each basis state
    rotation      RX and RY that stand together: a Kronecker product of 2 x 2 matrices
    permutation   CNOTs that stand together: a relabelling of the basis states

Gates are moved past one another only where they commute (different qubits, or both diagonal). Qubit 0
is the most significant bit of a basis state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qdcircuits.ansatz import Circuit, Gate

if TYPE_CHECKING:
    from torch import Tensor

KINDS = {"RX": "rotation", "RY": "rotation", "RZ": "diagonal", "RZZ": "diagonal", "CNOT": "permutation"}


@dataclass
class Step:
    """Gates of one kind that stand together, in time order."""

    kind: str
    gates: list[Gate]

    def commutes(self, gate: Gate) -> bool:
        """Whether `gate` may pass this step: no shared qubit, or both diagonal."""
        if self.kind == "diagonal" == KINDS[gate.name]:
            return True
        return not any(set(gate.wires) & set(other.wires) for other in self.gates)


def program(circuit: Circuit) -> list[Step]:
    """The circuit's gates gathered into steps, each gate as early as commuting allows.

    Inputs and weights are not mixed in a step: the encoder stays by itself.
    """
    steps: list[Step] = []
    for gate in circuit.gates:
        kind, home, earliest = KINDS[gate.name], None, 0
        for number in reversed(range(len(steps))):
            if steps[number].kind == kind and steps[number].gates[0].source == gate.source:
                home = steps[number]
            if not steps[number].commutes(gate):
                earliest = number + 1
                break
        if home is None:
            home = Step(kind, [])
            steps.insert(earliest, home)
        home.gates.append(gate)
    return steps


def signs(n_qubits: int) -> Tensor:
    """The eigenvalue of Z_j on each basis state x, (2^n, n): +1 where bit j of x is 0, -1 where it is 1."""
    import torch  # not above: a saved student is run by numpy, where no torch need be installed

    states = torch.arange(2**n_qubits)
    bits = torch.stack([(states >> (n_qubits - 1 - j)) & 1 for j in range(n_qubits)], dim=1)
    return 1 - 2 * bits


def cnot_gather(n_qubits: int, gates: list[Gate]) -> Tensor:
    """The index g, (2^n,), with new_state[x] = old_state[g[x]] after the CNOTs in time order."""
    import torch

    source = torch.arange(2**n_qubits)
    for gate in reversed(gates):
        control, target = (n_qubits - 1 - wire for wire in gate.wires)
        source = source ^ (((source >> control) & 1) << target)
    return source
