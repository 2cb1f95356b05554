"""The peers that work in jax: the whole step is one jitted function. Each imports its library itself."""

from typing import Any

import numpy as np
from shells import CLASSES, RATE, Case

PART = 5  # neighbouring qubits whose 2 x 2 rotations are multiplied out into one 32 x 32 matrix


class JaxShell:
    """The student around circuit(angles (B, n), weights (n_weights,)) -> (B, n), in jax."""

    def __init__(self, case: Case, data: dict[str, np.ndarray]) -> None:
        """Write the step."""
        import jax
        import jax.numpy as jnp

        self.jax, self.case = jax, case
        self.sums = jnp.asarray(np.asarray(case.sums, dtype=np.float32))
        states = np.arange(2**case.n)
        self.bits = np.stack([(states >> (case.n - 1 - j)) & 1 for j in range(case.n)], axis=1)
        self.signs = jnp.asarray(1 - 2 * self.bits, dtype=jnp.float32)
        circuit = self.circuit = self.built()
        features, classes = jnp.asarray(data["features"]), jnp.asarray(data["classes"])

        def loss(parameters: Any) -> Any:
            into, into_bias, weights, head, head_bias = parameters
            logits = circuit(features @ into.T + into_bias, weights) @ head.T + head_bias
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1).mean()

        def step(parameters: Any, first: Any, second: Any, count: Any) -> Any:
            gradient = jax.grad(loss)(parameters)
            first = [0.9 * m + 0.1 * g for m, g in zip(first, gradient, strict=True)]
            second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradient, strict=True)]
            scale = RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            moves = [scale * m / (jnp.sqrt(v) + 1e-8) for m, v in zip(first, second, strict=True)]
            return [p - move for p, move in zip(parameters, moves, strict=True)], first, second, count + 1

        into, weights, head = (jnp.asarray(data[name][0]) for name in ("into", "weights", "head"))
        parameters = [into, jnp.zeros(case.n), weights, head, jnp.zeros(CLASSES)]
        still = [jnp.zeros_like(p) for p in parameters]
        self.state = parameters, still, still, jnp.float32(1)
        self.angles, self.weights = jnp.asarray(data["angles"]), weights
        self.step, self.expectations = jax.jit(step), jax.jit(circuit)
        self.gradients = jax.jit(jax.grad(lambda a, w: circuit(a, w).sum(), argnums=(0, 1)))

    def built(self) -> Any:
        """The contestant's circuit as a function."""
        raise NotImplementedError

    def train(self) -> None:
        """One step."""
        self.state = self.jax.block_until_ready(self.step(*self.state))

    def infer(self) -> Any:
        """<Z> without gradients."""
        return self.jax.block_until_ready(self.expectations(self.angles, self.weights))

    def check(self) -> list[np.ndarray]:
        """<Z> and gradients."""
        return [np.asarray(part) for part in (self.infer(), *self.gradients(self.angles, self.weights))]


class HandWritten(JaxShell):
    """Our own formulae by hand: a layer is phases, a Kronecker product of real rotations, phases, a relabelling.

    The states are real numbers (2^n, 2 B), real parts beside imaginary ones, so that the rotations are real matrix
    products; the phases of one layer's end and the next one's beginning are one; layers by scan; the relabelling's
    gradient is the inverse relabelling, not the scatter that jax would make of it.
    """

    def built(self) -> Any:
        """See the class."""
        jax = self.jax
        jnp = jax.numpy
        n, width, layers = self.case.n, len(self.case.sums) // self.case.layers, self.case.layers
        kinds: dict[str, list[tuple[list[int], int]]] = {"RY": [], "RZ": [], "RZZ": [], "CNOT": []}
        for name, wires, index in self.case.layer:
            kinds[name].append((wires, index))
        signs = 1 - 2 * self.bits
        before, after = np.zeros((2, 2**n, width), np.float32)
        for kind, table in (("RZZ", before), ("RZ", after)):
            for wires, index in kinds[kind]:
                table[:, index] = -0.5 * signs[:, wires].prod(axis=1)
        source = np.arange(2**n)
        for wires, _ in reversed(kinds["CNOT"]):
            control, target = (n - 1 - wire for wire in wires)
            source ^= ((source >> control) & 1) << target
        inverse = np.argsort(source)
        turned = np.array([index for _, index in sorted(kinds["RY"])])  # of qubits 0 to n - 2, one each
        groups = [turned[start : start + PART] for start in range(0, n - 1, PART)]
        sizes = [2 ** len(group) for group in groups]

        @jax.custom_vjp
        def relabelled(states: Any) -> Any:
            return states[source]

        relabelled.defvjp(lambda states: (states[source], None), lambda _, towards: (towards[inverse],))

        def matrix(angles: Any) -> Any:
            cosines, sines = jnp.cos(angles / 2), jnp.sin(angles / 2)
            found = jnp.ones((1, 1))
            for c, s in zip(cosines, sines, strict=True):
                found = jnp.kron(found, jnp.array([[c, -s], [s, c]]))
            return found

        def turn(states: Any, phase: Any) -> Any:
            batch = states.shape[1] // 2
            c, s = jnp.cos(phase)[:, None], jnp.sin(phase)[:, None]
            real, imaginary = states[:, :batch], states[:, batch:]
            return jnp.concatenate([c * real - s * imaginary, s * real + c * imaginary], axis=1)

        def layer(states: Any, given: Any) -> Any:
            fused, phase = given
            left = 1
            for group, size in zip(groups, sizes, strict=True):
                parts = states.reshape(left, size, -1)
                states = jnp.einsum("xy,lyr->lxr", matrix(fused[group]), parts)
                left *= size
            return turn(relabelled(states.reshape(2**n, -1)), phase), None

        half_turns = (-1j) ** self.bits.sum(axis=1)
        real, imaginary = (jnp.asarray(part.astype(np.float32))[:, None] for part in (half_turns.real, half_turns.imag))

        def circuit(angles: Any, weights: Any) -> Any:
            fused = (self.sums @ weights).reshape(layers, width)
            first = fused @ before.T  # (layers, 2^n): the phases before each layer's rotations
            last = (fused @ after.T)[:, source]  # and after them, seen past the relabelling
            phases = jnp.concatenate([first[1:] + last[:-1], jnp.zeros((1, 2**n))])  # the last do not matter to <Z>
            cosines, sines = jnp.cos(angles.T / 2), jnp.sin(angles.T / 2)  # (n, B)
            product = jnp.ones((1, len(angles)))
            for c, s in zip(cosines, sines, strict=True):
                product = (product[:, None] * jnp.stack([c, s])[None]).reshape(-1, len(angles))
            states = turn(jnp.concatenate([real * product, imaginary * product], axis=1), first[0])
            states, _ = jax.lax.scan(layer, states, (fused, phases))
            squares = states**2
            return (squares[:, : len(angles)] + squares[:, len(angles) :]).T @ self.signs

        return circuit


class TensorCircuit(JaxShell):
    """tensorcircuit-ng: layers by scan, the batch by vmap."""

    def built(self) -> Any:
        """See the class."""
        import tensorcircuit as tc

        tc.set_backend("jax")
        tc.set_dtype("complex64")
        case, jax = self.case, self.jax

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
            state, _ = jax.lax.scan(layer, circuit.state(), (self.sums @ weights).reshape(case.layers, -1))
            return (state.real**2 + state.imag**2) @ self.signs

        return jax.vmap(one, in_axes=(0, None))
