"""Peers whose gates are applied one by one, in torch or given their gradients by it; each imports its own library."""

import sys
import types
from typing import Any

import numpy as np
from shells import Case, TorchShell


class Qulacs(TorchShell):
    """qulacs: sample by sample, gradients of one weighted sum of <Z> by its backprop; double precision."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the circuit and the autograd function around it."""
        super().__init__(case, data)
        from qulacs import Observable, ParametricQuantumCircuit, QuantumState

        n, torch = case.n, self.torch
        circuit = ParametricQuantumCircuit(n)
        order = []  # of each gate's angle: the encoder's, then the fused weights'
        for wire in range(n):
            circuit.add_parametric_RX_gate(wire, 0.0)
            order.append(wire)
        for name, wires, index in case.gates():
            if name == "CNOT":
                circuit.add_CNOT_gate(*wires)
                continue
            if name == "RZZ":
                circuit.add_parametric_multi_Pauli_rotation_gate(wires, [3, 3], 0.0)
            else:
                getattr(circuit, f"add_parametric_{name}_gate")(wires[0], 0.0)
            order.append(n + index)
        state, places = QuantumState(n), np.array(order)

        def run(values: np.ndarray) -> list[float]:
            for place, value in enumerate(values[places]):
                circuit.set_parameter(place, -value)  # its rotations are exp(+i angle/2 P)
            state.set_zero_state()
            circuit.update_quantum_state(state)
            return [2 * state.get_zero_probability(wire) - 1 for wire in range(n)]

        class Expectation(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, angles: Any, fused: Any) -> Any:
                both = [np.concatenate([row, fused.numpy()]).astype(float) for row in angles.numpy()]
                ctx.both, ctx.width = both, len(fused)
                return torch.tensor([run(values) for values in both], dtype=torch.float32)

            @staticmethod
            def backward(ctx: Any, towards: Any) -> Any:
                of_angles, of_fused = np.zeros(towards.shape, np.float32), np.zeros(ctx.width, np.float32)
                for number, values in enumerate(ctx.both):
                    for place, value in enumerate(values[places]):
                        circuit.set_parameter(place, -value)
                    observable = Observable(n)
                    for wire, weight in enumerate(towards[number].tolist()):
                        observable.add_operator(weight, f"Z {wire}")
                    gradient = np.zeros(n + ctx.width)
                    gradient[places] = -np.array(circuit.backprop(observable))
                    of_angles[number] = gradient[:n]
                    of_fused += gradient[n:].astype(np.float32)
                return torch.from_numpy(of_angles), torch.from_numpy(of_fused)

        self.expectation = Expectation

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Through the autograd function."""
        return self.expectation.apply(angles, weights @ self.sums)


class Catalyst(TorchShell):
    """pennylane-catalyst: circuit and gradient each one qjit, lightning.qubit with adjoint gradients, double precision.

    Its compiler (0.15.0) ends with a failed assertion on the gradient of a batch; it compiles the batch of gradients.
    """

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write both and the autograd function around them."""
        super().__init__(case, data)
        import catalyst
        import jax.numpy as jnp
        import pennylane as qml

        torch = self.torch
        operations = {"RX": qml.RX, "RY": qml.RY, "RZ": qml.RZ, "RZZ": qml.IsingZZ, "CNOT": qml.CNOT}

        @qml.qnode(qml.device("lightning.qubit", wires=case.n), diff_method="adjoint")
        def node(angles, fused):  # type: ignore[no-untyped-def] # annotations would be taken for types to compile for
            for wire in range(case.n):
                qml.RX(angles[wire], wires=wire)

            @catalyst.for_loop(0, case.layers, 1)
            def layer(number):  # type: ignore[no-untyped-def]
                for name, wires, index in case.layer:
                    operations[name](*([fused[number, index]] if index >= 0 else []), wires=wires)

            layer()
            return [qml.expval(qml.PauliZ(wire)) for wire in range(case.n)]

        @catalyst.qjit
        def expectations(angles, fused):  # type: ignore[no-untyped-def]
            return catalyst.vmap(lambda row: jnp.stack(node(row, fused)))(angles)

        @catalyst.qjit
        def gradients(angles, fused, towards):  # type: ignore[no-untyped-def]
            @catalyst.for_loop(0, case.batch, 1)
            def sample(number, found):  # type: ignore[no-untyped-def]
                weighted = lambda a, f: jnp.dot(towards[number], jnp.stack(node(a, f)))  # noqa: E731
                of_angles, of_fused = catalyst.grad(weighted, argnums=(0, 1), method="auto")(angles[number], fused)
                return found[0].at[number].set(of_angles), found[1] + of_fused

            return sample((jnp.zeros_like(angles), jnp.zeros_like(fused)))

        def plain(tensor: Any) -> np.ndarray:
            return np.asarray(tensor.detach().numpy(), dtype=np.float64)

        class Expectation(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, angles: Any, fused: Any) -> Any:
                ctx.given = plain(angles), plain(fused).reshape(case.layers, -1)
                return torch.from_numpy(np.array(expectations(*ctx.given), dtype=np.float32))

            @staticmethod
            def backward(ctx: Any, towards: Any) -> Any:
                found = gradients(*ctx.given, plain(towards))
                of_angles, of_fused = (torch.from_numpy(np.array(part, dtype=np.float32)) for part in found)
                return of_angles, of_fused.flatten()

        self.expectation = Expectation

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Through the autograd function."""
        return self.expectation.apply(angles, weights @ self.sums)


class DeepQuantum(TorchShell):
    """deepquantum: its state vector, the batch by its own vmap over the encoder."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the circuit; the weights are set from outside, as its encoders are."""
        super().__init__(case, data)
        import deepquantum

        made = deepquantum.QubitCircuit(case.n)
        for wire in range(case.n):
            made.rx(wire, encode=True)
        self.weighted = []
        for name, wires, index in case.gates():
            if name == "CNOT":
                made.cnot(*wires)
                continue
            getattr(made, name.lower())(wires if name == "RZZ" else wires[0], encode=True)
            self.weighted.append((made.operators[-1], index))
        made.encoders, made.ndata = made.encoders[: case.n], case.n
        for wire in range(case.n):
            made.observable(wire)
        self.made = made

    def circuit(self, angles: Any, weights: Any) -> Any:
        """The batch at once."""
        fused = weights @ self.sums
        for gate, index in self.weighted:
            gate.init_para(fused[index : index + 1])
        self.made(angles)
        return self.made.expectation()


class TorchQuantum(TorchShell):
    """torchquantum-ng: its functional gates on a device that holds the batch."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Keep the gates."""
        super().__init__(case, data)
        # its data sets, not used here, import torchvision, whose wheel for a GPU does not load without one
        sys.modules.setdefault("torchquantum.dataset", types.ModuleType("torchquantum.dataset"))
        import torchquantum

        self.library, self.case, self.gates = torchquantum, case, case.gates()
        self.measure = torchquantum.MeasureAll(torchquantum.PauliZ)

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Gate by gate."""
        functional, fused = self.library.functional, weights @ self.sums
        device = self.library.QuantumDevice(n_wires=self.case.n, bsz=len(angles))
        for wire in range(self.case.n):
            functional.rx(device, wires=wire, params=angles[:, wire : wire + 1])
        for name, wires, index in self.gates:
            if name == "CNOT":
                functional.cnot(device, wires=wires)
            else:
                gate, place = getattr(functional, name.lower()), wires if name == "RZZ" else wires[0]
                gate(device, wires=place, params=fused[index].view(1, 1).expand(len(angles), 1))
        return self.measure(device)


class Torq(TorchShell):
    """torq: walls of single-qubit gates, and its CNOTs, which are matrices of the whole space, multiplied out once.

    It has no RZZ: those of a layer, moved before its RYs where they commute, are one RZ wall between a ladder of
    CNOTs and its inverse.
    """

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Multiply out the CNOTs; refuse what takes more than some GB."""
        super().__init__(case, data)
        if case.n > 12:
            size = 8 * 4**case.n / 1e9
            raise MemoryError(f"its CNOTs are matrices of {size:.0f} GB at n = {case.n}")
        import torq

        torch = self.torch
        self.library, self.case = torq, case
        kinds: dict[str, list[tuple[list[int], int]]] = {"RY": [], "RZ": [], "RZZ": [], "CNOT": []}
        for name, wires, index in case.layer:
            kinds[name].append((wires, index))

        def product(pairs: list[list[int]]) -> Any:
            found = torch.eye(2**case.n, dtype=torch.complex64)
            for control, target in pairs:
                dense = torq.get_cnot_ops(case.n, control, target, dtype=torch.complex64, device="cpu")
                found = dense.to_sparse() @ found
            return found

        ladder = [wires for wires, _ in sorted(kinds["RZZ"], reverse=True)]
        self.ladder, self.back = product(ladder), product(ladder[::-1])
        self.relabelling = product([wires for wires, _ in kinds["CNOT"]])
        width = len(case.sums) // case.layers
        self.places = {}
        for kind in ("RY", "RZ", "RZZ"):
            table = torch.zeros(width, case.n)
            for wires, index in kinds[kind]:
                table[index, wires[-1]] = 1
            self.places[kind] = table

    def wall(self, state: Any, gates: Any) -> Any:
        """A gate on every qubit; its states are written in place, so each gets its own."""
        return self.library.Ops.apply_single_qubit_wall_batched(state.clone(), gates, self.case.n)

    def circuit(self, angles: Any, weights: Any) -> Any:
        """Layer by layer."""
        torch, torq = self.torch, self.library
        layers = (weights @ self.sums).reshape(self.case.layers, -1)
        state = torq.angle_embedding(angles, basis="X").reshape(len(angles), -1)
        for fused in layers:
            state = torq.apply_matrix(state, self.ladder)
            state = self.wall(state, torq.get_rz(fused @ self.places["RZZ"]))
            state = torq.apply_matrix(state, self.back)
            both = torch.matmul(torq.get_rz(fused @ self.places["RZ"]), torq.get_ry(fused @ self.places["RY"]))
            state = self.wall(state, both)
            state = torq.apply_matrix(state, self.relabelling)
        return torq.measure_local_Z(state)
