import pennylane as qml
import pytest
import torch

from qdcircuits import ansatz
from qdcircuits.ansatz import Circuit, Gate, layered_circuit, qdllm_circuit
from qdcircuits.export.pennylane_circuit import qnode


def test_the_papers_counts():
    assert ansatz.layer_weights(11) == 72
    assert qdllm_circuit(11, 2).n_weights == 144
    assert qdllm_circuit().n_weights == 11 * 72
    assert qdllm_circuit().n_inputs == 11
    assert 768 * 11 + 11 + qdllm_circuit().n_weights + 11 * 2 + 2 == 9275


@pytest.mark.parametrize("n_qubits", [2, 3, 5, 12])
def test_layer_weights_is_what_a_layer_has(n_qubits):
    assert qdllm_circuit(n_qubits, 3).n_weights == 3 * ansatz.layer_weights(n_qubits)


def test_the_released_order_of_the_first_layer():
    gates = [(gate.name, gate.wires) for gate in qdllm_circuit(11, 1).gates[11:]]
    assert gates[:5] == [("RY", (0,))] * 3 + [("RZZ", (1, 2)), ("RY", (1,))]
    assert sum(name == "RZZ" for name, _ in gates) == 9
    assert gates[-17:-12] == [
        ("CNOT", (10, 0)), ("CNOT", (1, 2)), ("CNOT", (1, 0)), ("CNOT", (2, 3)), ("CNOT", (2, 1))
    ]  # fmt: skip


@pytest.mark.parametrize("name", ansatz.ANSATZE)
def test_every_weight_stands_in_one_gate(name):
    circuit = layered_circuit(name, 5, 3)
    indices = [gate.index for gate in circuit.gates if gate.source == "weight"]
    assert indices == list(range(circuit.n_weights))


@pytest.mark.parametrize(("n_qubits", "layers"), [(2, 2), (4, 5), (5, 3)])
def test_strongly_entangling_is_pennylanes(n_qubits, layers):
    circuit = layered_circuit("strongly_entangling", n_qubits, layers)
    weights = torch.randn(circuit.n_weights, dtype=torch.float64)
    inputs = torch.randn(n_qubits, dtype=torch.float64)

    @qml.qnode(qml.device("default.qubit", wires=n_qubits), interface="torch")
    def theirs():
        qml.AngleEmbedding(inputs, wires=range(n_qubits), rotation="X")
        qml.StronglyEntanglingLayers(weights.reshape(layers, n_qubits, 3), wires=range(n_qubits))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(n_qubits)]

    ours = qnode(circuit, interface="torch")(inputs, weights)
    assert torch.allclose(torch.stack(ours), torch.stack(theirs()), atol=1e-12)


def test_hardware_efficient_is_a_ring():
    gates = layered_circuit("hardware_efficient", 4, 1, encoder="RY").gates
    assert [gate.name for gate in gates[:7]] == ["RY"] * 4 + ["RX", "RY", "RZ"]
    assert [gate.wires for gate in gates[-4:]] == [(0, 1), (1, 2), (2, 3), (3, 0)]


def test_unentangled_has_no_gate_on_two_qubits():
    circuit = layered_circuit("unentangled", 11, 2)
    assert circuit.n_weights == 2 * 63
    assert all(len(gate.wires) == 1 for gate in circuit.gates)


def test_reuploading_takes_the_same_inputs_again():
    once, again = (layered_circuit("qdllm", 4, 3, reuploading=flag) for flag in (False, True))
    assert (once.n_inputs, once.n_weights) == (again.n_inputs, again.n_weights)
    assert sum(gate.source == "input" for gate in again.gates) == 12


def test_fused_sums_the_rotations_in_a_row():
    smaller, sums = ansatz.fused(qdllm_circuit(11, 2))
    assert smaller.n_weights == len(sums) == 2 * (10 + 9 + 11)
    assert sorted(index for group in sums for index in group) == list(range(144))
    assert sums[0] == [0, 1, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qdllm_circuit(1, 1), "1 qubits: a circuit takes 2 to 20 qubits."),
        (lambda: qdllm_circuit(21, 1), "21 qubits"),
        (lambda: qdllm_circuit(4, 0), "0 layers: the circuit takes 1 layer or more."),
        (lambda: layered_circuit("qaoa", 4, 1), "Unknown ansatz 'qaoa': choose one of qdllm,"),
        (lambda: layered_circuit("qdllm", 4, 1, encoder="RZ"), "Unknown encoder 'RZ': choose RX or RY."),
        (lambda: Circuit(2, (Gate("SWAP", (0, 1)),)), "Unknown gate 'SWAP'"),
        (lambda: Circuit(2, (Gate("CNOT", (1, 1)),)), "CNOT acts on 2 different qubits"),
        (lambda: Circuit(2, (Gate("RX", (2,), "input", 0),)), "qubits are 0 to 1"),
        (lambda: Circuit(2, (Gate("RX", (0,)),)), "RX takes an angle."),
    ],
)
def test_a_circuit_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=r"\.$") as error:
        make()
    assert message in str(error.value)
