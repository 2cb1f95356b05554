"""Ours and the peers that work in torch, or that are given their gradients by it; each imports its library itself."""

from typing import Any

import numpy as np
from shells import Case, TorchShell


class Ours(TorchShell):
    """qdllm_utils, one of its two paths."""

    backend = "numba"

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Take the simulator of the paper's circuit."""
        super().__init__(case, data)
        from qdcircuits.ansatz import qdllm_circuit
        from qdcircuits.simulation import simulator

        self.circuit = simulator(qdllm_circuit(case.n, case.layers), self.backend)  # type: ignore[method-assign]


class OursPlain(Ours):
    """The plain torch path."""

    backend = "torch"


class DefaultQubit(TorchShell):
    """PennyLane default.qubit, backpropagation, the batch by its own broadcasting."""

    device, options, broadcasts = "default.qubit", {"diff_method": "backprop"}, True

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the circuit as a QNode."""
        super().__init__(case, data)
        import pennylane as qml

        operations = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ, "RZZ": qml.IsingZZ, "CNOT": qml.CNOT}
        gates = case.gates()

        @qml.qnode(qml.device(self.device, wires=case.n), interface="torch", **self.options)
        def node(angles: Any, fused: Any) -> Any:
            for wire in range(case.n):
                qml.RX(angles[wire], wires=wire)
            for name, wires, index in gates:
                operations[name](*([fused[index]] if index >= 0 else []), wires=wires)
            return [qml.expval(qml.PauliZ(wire)) for wire in range(case.n)]

        self.node = node

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Angles qubit by qubit, results sample by sample."""
        return self.torch.stack(list(self.node(angles.mT, weights @ self.sums)), dim=-1).float()


class LightningQubit(DefaultQubit):
    """PennyLane lightning.qubit, adjoint differentiation."""

    device, options = "lightning.qubit", {"diff_method": "adjoint"}


class MindQuantum(TorchShell):
    """MindQuantum mqvector, complex64, its own batching and adjoint gradients."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the circuit and the autograd function around it."""
        super().__init__(case, data)
        import mindquantum as mq
        from mindquantum.core.circuit import Circuit
        from mindquantum.core.gates import RX, RY, RZ, Rzz, X
        from mindquantum.core.operators import Hamiltonian, QubitOperator
        from mindquantum.simulator import Simulator

        rotations = {"RY": RY, "RZ": RZ, "RZZ": Rzz}
        encoder, ansatz = Circuit(), Circuit()
        for wire in range(case.n):
            encoder += RX(f"z{wire}").on(wire)
        for name, wires, index in case.gates():
            ansatz += X.on(wires[1], wires[0]) if name == "CNOT" else rotations[name](f"w{index}").on(wires)
        observables = [Hamiltonian(QubitOperator(f"Z{k}")).astype(mq.complex64) for k in range(case.n)]
        simulator = Simulator("mqvector", case.n, dtype=mq.complex64)
        circuit = encoder.as_encoder() + ansatz.as_ansatz()
        gradient = simulator.get_expectation_with_grad(observables, circuit, parallel_worker=1)
        torch = self.torch

        class Expectation(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, angles: Any, fused: Any) -> Any:
                results = gradient(angles.detach().numpy(), fused.detach().numpy())
                real = [torch.from_numpy(np.real(part).astype(np.float32)) for part in results]
                z, of_angles, of_fused = real
                ctx.save_for_backward(of_angles, of_fused)
                return z

            @staticmethod
            def backward(ctx: Any, towards: Any) -> Any:
                of_angles, of_fused = ctx.saved_tensors
                angles = torch.einsum("bh,bhk->bk", towards, of_angles)
                return angles, torch.einsum("bh,bhk->k", towards, of_fused)

        self.expectation = Expectation
        self.plain = Simulator("mqvector", case.n, dtype=mq.complex64)
        self.ours, self.observables = circuit, observables

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Through the autograd function."""
        return self.expectation.apply(angles, weights @ self.sums)

    def infer(self) -> Any:
        """Without gradients: a state and its expectations, sample by sample."""
        with self.torch.no_grad():
            fused = (self.weights @ self.sums).numpy()
        found = np.empty(self.angles.shape, np.float32)
        for row, angles in zip(found, self.angles.numpy(), strict=True):
            values = dict(zip(self.ours.params_name, np.concatenate([angles, fused]), strict=True))
            self.plain.reset()
            self.plain.apply_circuit(self.ours, values)
            row[:] = [self.plain.get_expectation(observable).real for observable in self.observables]
        return found
