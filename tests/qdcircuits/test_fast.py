import subprocess
import sys
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.qdcircuits.circuit_reference import agreement, largest_difference, outputs, random_angles

pytest.importorskip("numba")

from qdcircuits.ansatz import ANSATZE, Circuit, Gate, angle_encoder, layered_circuit, qdllm_circuit
from qdcircuits.kernel.canonical import canonical
from qdcircuits.kernel.compiling import cache_folder, compiled
from qdcircuits.kernel.fast import FastSimulator
from qdcircuits.simulation import Simulator


@st.composite
def sizes(draw):
    n_qubits = draw(st.integers(3, 12))
    return n_qubits, draw(st.integers(1, 11 if n_qubits <= 6 else 4 if n_qubits <= 9 else 1))


@settings(max_examples=12, deadline=None)
@given(size=sizes(), batch=st.integers(1, 18), seed=st.integers(0, 99))
def test_the_papers_circuit_agrees_with_pennylane(size, batch, seed):
    circuit = qdllm_circuit(*size)
    run = FastSimulator(circuit)
    assert agreement(run, circuit, batch, torch.float64, seed) < 1e-9
    assert agreement(run, circuit, batch, torch.float32, seed) < 1e-4


@pytest.mark.parametrize(("n_qubits", "layers", "batch"), [(11, 11, 2), (14, 1, 1)])
def test_large_circuits_agree_with_pennylane(n_qubits, layers, batch):
    circuit = qdllm_circuit(n_qubits, layers)
    run = FastSimulator(circuit)
    assert agreement(run, circuit, batch) < 1e-9
    assert agreement(run, circuit, batch, torch.float32) < 1e-4


@pytest.mark.parametrize("encoder", ["RX", "RY"])
@pytest.mark.parametrize("name", ANSATZE)
def test_every_ansatz_agrees_with_pennylane(name, encoder):
    for n_qubits in (2, 3, 6):
        circuit = layered_circuit(name, n_qubits, 3, encoder)
        assert agreement(FastSimulator(circuit), circuit) < 1e-9


@pytest.mark.parametrize(
    "gates",
    [
        (*angle_encoder(3), Gate("CNOT", (0, 2)), Gate("RZ", (1,), "weight", 0)),
        (
            Gate("RX", (1,), "input", 1),
            Gate("RX", (1,), "input", 0),
            Gate("RX", (1,), "weight", 0),
            Gate("RY", (0,), "input", 2),
            Gate("RZZ", (0, 1), "weight", 1),
        ),
    ],
    ids=["no rotations", "odd inputs"],
)
def test_unusual_circuits_agree_with_the_plain_path(gates):
    circuit = Circuit(3, gates)
    angles = random_angles(circuit, 5)
    ours, plain = (outputs(path(circuit), *angles) for path in (FastSimulator, Simulator))
    assert largest_difference(ours, plain) < 1e-12


def test_a_layer_of_the_paper_is_one_block():
    tables = canonical(qdllm_circuit(11, 11))
    assert tables.blocks == 11
    assert len(tables.turns) == 11 * 5


def test_the_largest_circuit():
    circuit = qdllm_circuit(20, 1)
    inputs, weights, _ = random_angles(circuit, 1, torch.float32)
    z = FastSimulator(circuit)(inputs, weights)
    assert torch.allclose(z[:, 19], inputs[:, 19].cos(), atol=1e-5)


def test_the_backward_pass_can_be_taken_twice():
    circuit = qdllm_circuit(4, 2)
    inputs, weights, cotangent = random_angles(circuit, 3)
    z = FastSimulator(circuit)(inputs, weights.requires_grad_())
    first, second = (torch.autograd.grad(z, weights, cotangent, retain_graph=True)[0] for _ in range(2))
    assert first.abs().max() > 0.01
    assert torch.equal(first, second)


def test_a_nan_comes_out_as_a_nan_of_its_own_sample():
    circuit = qdllm_circuit(4, 2)
    inputs, weights, _ = random_angles(circuit, 3)
    inputs[1, 0] = float("nan")
    z = FastSimulator(circuit)(inputs, weights)
    assert z[1, 1].isnan()
    assert not z[[0, 2]].isnan().any()


def test_the_cache_folder_follows_the_environment_and_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache_folder().is_relative_to(tmp_path)
    before = cache_folder()
    monkeypatch.setattr("qdcircuits.kernel.compiling.SOURCES", ("registers.py",))
    assert cache_folder() != before


@pytest.mark.parametrize("writable", [True, False])
def test_compiled_code_is_kept_where_it_can_be(writable, monkeypatch, tmp_path):
    base = tmp_path / "cache"
    if not writable:
        base.write_text("a file, so that no folder can be made here")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(base))
    assert compiled(doubled)(21) == 42
    assert bool(list(base.rglob("*.nbi"))) == writable


def doubled(number):
    return 2 * number


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_at_16_qubits_and_11_layers():
    code = """
        import torch
        from qdcircuits.ansatz import qdllm_circuit
        from qdcircuits.simulation import simulator
        circuit = qdllm_circuit(16, 11)
        z = simulator(circuit, "numba")(torch.rand(8, 16, requires_grad=True), torch.rand(circuit.n_weights))
        z.sum().backward()
        print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[1]) / 1024 < 700
