"""The simulators that are compared, each running the same student on the same numbers.

A contestant takes a Case and the numbers of `numbers`, and offers
    train()   one step: 768 -> n linear layer, circuit, n -> 2 head, cross-entropy, backward, Adam
    infer()   <Z> of a batch from the encoder's angles, no gradients
    check()   <Z> and the gradients of the sum of <Z> with respect to angles and weights, as arrays
              (a case that is not trained is checked on infer() alone: gradients at batch 512 take 20 GB)
Every contestant trains the circuit's own weights. The peers run the fused circuit, one rotation where
the ansatz has three in a row; ours runs the circuit as it stands. A peer is imported only by its class.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

FEATURES, CLASSES, RATE = 768, 2, 0.06


@dataclass
class Case:
    """What is run. layer: (name, wires, weight of the layer's fused ones or -1) of one layer's gates.

    sums: (fused weights of the circuit, n_weights), 1 where a weight is part of a fused one.
    """

    n: int
    layers: int
    batch: int
    students: int = 1
    layer: list[tuple[str, list[int], int]] = field(default_factory=list)
    sums: Any = None

    def gates(self) -> list[tuple[str, list[int], int]]:
        """All layers' gates, each with its fused weight in the whole circuit."""
        width = len(self.sums) // self.layers
        return [
            (name, wires, index + layer * width if index >= 0 else -1)
            for layer in range(self.layers)
            for name, wires, index in self.layer
        ]


def numbers(case: Case, n_weights: int) -> dict[str, np.ndarray]:
    """The same data, angles and initial parameters for every contestant, float32."""
    generator = np.random.default_rng(7)
    shapes = {
        "features": (case.batch, FEATURES),
        "angles": (case.batch, case.n),
        "weights": (case.students, n_weights),
        "into": (case.students, case.n, FEATURES),
        "head": (case.students, CLASSES, case.n),
    }
    found = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    found["into"] /= FEATURES**0.5
    found["classes"] = generator.integers(CLASSES, size=case.batch)
    return found


class TorchShell:
    """The student around circuit(angles (B, n), weights (n_weights,)) -> (B, n), in torch."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Build the parameters and the optimiser."""
        import torch

        torch.set_num_threads(1)
        self.torch = torch
        as_tensor = {name: torch.from_numpy(value.copy()) for name, value in data.items()}
        if case.students == 1:
            as_tensor |= {name: as_tensor[name][0] for name in ("weights", "into", "head")}
        self.features, self.classes = as_tensor["features"], as_tensor["classes"]
        self.angles = as_tensor["angles"]
        self.weights, self.into, self.head = (as_tensor[name].requires_grad_() for name in ("weights", "into", "head"))
        biases = [matrix.detach()[..., 0].clone().zero_().requires_grad_() for matrix in (self.into, self.head)]
        self.into_bias, self.head_bias = biases
        parameters = [self.into, self.into_bias, self.weights, self.head, self.head_bias]
        self.optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
        self.sums = torch.from_numpy(np.asarray(case.sums, dtype=np.float32).T.copy())

    def circuit(self, angles: Any, weights: Any) -> Any:
        """The contestant's own."""
        raise NotImplementedError

    def train(self) -> None:
        """One step."""
        self.optimiser.zero_grad()
        angles = self.features @ self.into.mT + self.into_bias.unsqueeze(-2)
        z = self.circuit(angles, self.weights)
        logits = z @ self.head.mT + self.head_bias.unsqueeze(-2)
        classes = self.classes.expand(logits.shape[:-1]).flatten()
        # the sum over students, so that each has the gradient that it would have alone
        losses = self.torch.nn.functional.cross_entropy(logits.flatten(0, -2), classes, reduction="sum")
        (losses / len(self.classes)).backward()
        self.optimiser.step()

    def infer(self) -> Any:
        """<Z> without gradients."""
        with self.torch.no_grad():
            return self.circuit(self.angles, self.weights)

    def check(self) -> list[np.ndarray]:
        """<Z> and gradients."""
        angles = self.angles.clone().requires_grad_()
        z = self.circuit(angles, self.weights)
        gradients = self.torch.autograd.grad(z.sum(), (angles, self.weights))
        return [part.detach().numpy() for part in (z, *gradients)]


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


class TensorCircuit:
    """tensorcircuit-ng on jax: the whole step one jitted function, layers by scan, the batch by vmap."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the step."""
        import jax
        import jax.numpy as jnp
        import tensorcircuit as tc

        tc.set_backend("jax")
        tc.set_dtype("complex64")
        states = np.arange(2**case.n)
        bits = np.stack([(states >> (case.n - 1 - j)) & 1 for j in range(case.n)], axis=1)
        signs = jnp.asarray(1 - 2 * bits, dtype=jnp.float32)
        sums = jnp.asarray(np.asarray(case.sums, dtype=np.float32))

        def layer(state: Any, fused: Any) -> Any:
            circuit = tc.Circuit(case.n, inputs=state)
            for name, wires, index in case.layer:
                angle = {"theta": fused[index]} if index >= 0 else {}
                getattr(circuit, name.lower())(*wires, **angle)
            return circuit.state(), None

        def one(angles: Any, weights: Any) -> Any:
            circuit = tc.Circuit(case.n)
            for wire in range(case.n):
                circuit.rx(wire, theta=angles[wire])
            state, _ = jax.lax.scan(layer, circuit.state(), (sums @ weights).reshape(case.layers, -1))
            return (state.real**2 + state.imag**2) @ signs

        expectations = jax.vmap(one, in_axes=(0, None))
        features, classes = jnp.asarray(data["features"]), jnp.asarray(data["classes"])

        def loss(parameters: Any) -> Any:
            into, into_bias, weights, head, head_bias = parameters
            logits = expectations(features @ into.T + into_bias, weights) @ head.T + head_bias
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1).mean()

        @jax.jit
        def step(parameters: Any, first: Any, second: Any, count: Any) -> Any:
            gradient = jax.grad(loss)(parameters)
            first = [0.9 * m + 0.1 * g for m, g in zip(first, gradient, strict=True)]
            second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradient, strict=True)]
            scale = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            moves = [scale * m / (jnp.sqrt(v) + 1e-8) for m, v in zip(first, second, strict=True)]
            return [p - move for p, move in zip(parameters, moves, strict=True)], first, second, count + 1

        self.jax, self.step = jax, step
        into, weights, head = (jnp.asarray(data[name][0]) for name in ("into", "weights", "head"))
        parameters = [into, jnp.zeros(case.n), weights, head, jnp.zeros(CLASSES)]
        still = [jnp.zeros_like(p) for p in parameters]
        self.state = parameters, still, still, jnp.float32(1)
        self.angles, self.weights = jnp.asarray(data["angles"]), weights
        self.expectations = jax.jit(expectations)
        self.gradients = jax.jit(jax.grad(lambda a, w: expectations(a, w).sum(), argnums=(0, 1)))

    def train(self) -> None:
        """One step."""
        self.state = self.jax.block_until_ready(self.step(*self.state))

    def infer(self) -> Any:
        """<Z> without gradients."""
        return self.jax.block_until_ready(self.expectations(self.angles, self.weights))

    def check(self) -> list[np.ndarray]:
        """<Z> and gradients."""
        return [np.asarray(part) for part in (self.infer(), *self.gradients(self.angles, self.weights))]


CONTESTANTS: dict[str, tuple[type, str]] = {
    "qdllm numba": (Ours, "numba"),
    "qdllm torch": (OursPlain, "torch"),
    "default.qubit": (DefaultQubit, "pennylane"),
    "lightning.qubit": (LightningQubit, "pennylane-lightning"),
    "mindquantum": (MindQuantum, "mindquantum"),
    "tensorcircuit-ng": (TensorCircuit, "tensorcircuit-ng"),
}
