"""The numpy heads and their ONNX against the torch students they were taken from; the circuit against the simulator."""

import numpy as np
import pytest
import torch

from qdcircuits.ansatz import layered_circuit, qdllm_circuit
from qdcircuits.simulation import Simulator
from qdllm_utils.config import knobs
from qdllm_utils.model import heads, onnx_head
from qdllm_utils.model.circuit import ReadOut, dense_steps, expectations
from qdllm_utils.model.training import student_of

ARMS = ["linear", "probe_1bit", "probe_2bit", "probe_3bit", "probe_4bit", "probe_8bit", "surrogate", "quantum"]


@pytest.fixture(scope="module")
def features():
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(120, 24, generator=generator) * torch.rand(24, generator=generator) + 0.3
    found[:, 5] = 1.0  # a feature that never changes
    return found


def student(arm, classes, features):
    """A student with weights far from its first ones, prepared on the features."""
    torch.manual_seed(1)
    found = student_of(arm)(features.shape[1], classes, knobs("tuned"), [3])
    found.prepare(features)
    with torch.no_grad():
        for values in found.parameters():
            values.add_(0.3 * torch.randn_like(values))
    return found


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("arm", ARMS)
def test_head_gives_the_students_probabilities(arm, classes, features):
    trained = student(arm, classes, features)
    head = heads.of(trained)
    wanted = trained.double().logits({"features": features.double()[None]})[0].detach().softmax(dim=1).numpy()
    found = torch.from_numpy(head.logits(features.numpy())).softmax(dim=1).numpy()
    assert np.abs(found - wanted).max() < 1e-5
    if not head.bits < 32:
        assert head.stored_bytes == trained.stored_bytes()
    else:  # packed weights, a scale and the biases
        outputs = 1 if classes == 2 else classes
        assert head.stored_bytes == -(-24 * outputs * head.bits // 8) + 4 + 4 * outputs


@pytest.mark.parametrize("arm", ARMS)
def test_onnx_gives_torchs_probabilities(arm, features, tmp_path):
    head = heads.of(student(arm, 3, features))
    difference = onnx_head.save_checked(head, 1.7, tmp_path / "head.onnx", features.numpy())
    assert difference < 1e-5
    (found,) = onnx_head.session(tmp_path / "head.onnx").run(None, {"embedding": features.numpy()})
    scores = head.logits(features.numpy()) / 1.7
    wanted = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert np.abs(found - wanted / wanted.sum(axis=1, keepdims=True)).max() < 1e-5


def test_onnx_that_differs_is_not_handed_over(features, tmp_path, monkeypatch):
    head = heads.of(student("quantum", 2, features))
    *others, last = head.steps
    monkeypatch.setitem(head.__dict__, "steps", [*others, ReadOut(1.001 * last.signs)])
    with pytest.raises(RuntimeError, match="differ by"):
        onnx_head.save_checked(head, 1.0, tmp_path / "head.onnx", features.numpy())


@pytest.mark.parametrize(("qubits", "layers"), [(3, 1), (6, 3), (11, 2)])
def test_dense_steps_are_the_circuit(qubits, layers):
    circuit = qdllm_circuit(qubits, layers)
    generator = np.random.default_rng(0)
    angles, inputs = generator.normal(size=circuit.n_weights), generator.uniform(0, 3, (7, qubits))
    wanted = Simulator(circuit).double()(torch.from_numpy(inputs), torch.from_numpy(angles)).numpy()
    assert np.abs(expectations(dense_steps(circuit, angles), inputs) - wanted).max() < 1e-12


def test_a_circuit_that_cannot_be_saved_is_refused(refused):
    for circuit in (layered_circuit("qdllm", 4, 2, reuploading=True), layered_circuit("qdllm", 4, 2, encoder="RY")):
        with refused("RX a qubit"):
            dense_steps(circuit, np.zeros(circuit.n_weights))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_packed_numbers_come_back(bits):
    codes = np.random.default_rng(bits).integers(0, 2**bits, 77)
    packed = heads.pack(codes, bits)
    assert packed.nbytes == -(-77 * bits // 8)
    assert np.array_equal(heads.unpack(packed, bits, 77), codes)
