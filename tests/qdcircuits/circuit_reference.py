"""What the circuit tests share: PennyLane's <Z> and gradients, and ours, for random angles."""

import torch

from qdcircuits.export.pennylane_circuit import qnode


def random_angles(circuit, batch, dtype=torch.float64, students=(), seed=0):
    """Inputs (*students, batch, n_inputs), weights (*students, n_weights) and a cotangent for <Z>."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (batch, circuit.n_inputs), (circuit.n_weights,), (batch, circuit.n_qubits)
    angles = [torch.randn(*students, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [3 * angle.to(dtype) for angle in angles]


def outputs(function, inputs, weights, cotangent):
    """<Z> and the gradients of <cotangent, Z> with respect to inputs and weights."""
    inputs, weights = inputs.detach().requires_grad_(), weights.detach().requires_grad_()
    z = function(inputs, weights)
    return [z.detach(), *torch.autograd.grad((z * cotangent).sum(), (inputs, weights))]


def pennylane(circuit):
    """The circuit on default.qubit, with the call of Simulator."""
    node = qnode(circuit, interface="torch", diff_method="backprop")
    return lambda inputs, weights: torch.stack(list(node(inputs.T, weights)), dim=-1)


def largest_difference(ours, theirs):
    """Over <Z> and both gradients."""
    assert [x.shape for x in ours] == [x.shape for x in theirs]
    return max(float((x - y).abs().max()) for x, y in zip(ours, theirs, strict=True))


def agreement(simulator, circuit, batch=3, dtype=torch.float64, seed=0):
    """The largest difference from PennyLane in float64, over <Z> and both gradients."""
    angles = random_angles(circuit, batch, dtype, seed=seed)
    reference = outputs(pennylane(circuit), *[angle.double() for angle in angles])
    return largest_difference(outputs(simulator, *angles), reference)
