import subprocess
import sys
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcircuits.ansatz import ANSATZE, layered_circuit, qdllm_circuit
from qdcircuits.simulation import Simulator, simulator
from qdcircuits.steps import KINDS, program
from tests.qdcircuits.circuit_reference import agreement, largest_difference, outputs, random_angles


@pytest.mark.parametrize("reuploading", [False, True])
@pytest.mark.parametrize("name", ANSATZE)
def test_every_ansatz_agrees_with_pennylane(name, reuploading):
    circuit = layered_circuit(name, 4, 3, encoder="RY", reuploading=reuploading)
    assert agreement(Simulator(circuit), circuit) < 1e-9


@pytest.mark.parametrize(("n_qubits", "layers"), [(2, 1), (3, 11), (7, 4), (12, 1)])
def test_the_papers_circuit_agrees_with_pennylane(n_qubits, layers):
    circuit = qdllm_circuit(n_qubits, layers)
    assert agreement(Simulator(circuit), circuit) < 1e-9
    assert agreement(Simulator(circuit), circuit, dtype=torch.float32) < 1e-4


@settings(max_examples=20, deadline=None)
@given(n_qubits=st.integers(2, 9), layers=st.integers(1, 4), name=st.sampled_from(sorted(ANSATZE)))
def test_the_program_keeps_every_gate_and_the_order_of_those_that_do_not_commute(n_qubits, layers, name):
    circuit = layered_circuit(name, n_qubits, layers)
    gates = [gate for step in program(circuit) for gate in step.gates]
    assert sorted(map(repr, gates)) == sorted(map(repr, circuit.gates))
    for wire in range(n_qubits):
        before, after = ([gate for gate in order if wire in gate.wires] for order in (circuit.gates, gates))
        assert runs(before) == runs(after)


def runs(gates):
    """Gates on a qubit, those that are diagonal and stand together without their order."""
    found = []
    for gate in gates:
        if found and KINDS[gate.name] == found[-1][0] == "diagonal":
            found[-1][1].add(gate)
        else:
            found.append((KINDS[gate.name], {gate}))
    return found


def test_a_layer_of_the_paper_is_four_steps():
    kinds = [step.kind for step in program(qdllm_circuit(11, 3))]
    assert kinds == ["rotation"] + ["diagonal", "rotation", "diagonal", "permutation"] * 3


@pytest.mark.parametrize("layers", range(1, 12))
def test_the_last_qubit_reads_the_cosine_of_its_angle(layers):
    circuit = qdllm_circuit(11, layers)
    inputs, weights, _ = random_angles(circuit, 2)
    assert torch.allclose(simulator(circuit)(inputs, weights)[:, 10], inputs[:, 10].cos(), atol=1e-12)


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_the_released_circuit_has_36_zero_gradients(backend):
    circuit = qdllm_circuit(11, 2)
    _, _, gradient = outputs(simulator(circuit, backend), *random_angles(circuit, 4))
    weights = [gate for gate in circuit.gates if gate.source == "weight"]
    dead = {gate.index for gate in weights if gate.name == "RZ" and (gate.index >= 72 or gate.wires == (10,))}
    assert len(dead) == 36
    assert {k for k, value in enumerate(gradient.tolist()) if abs(value) < 1e-12} == dead


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("own_inputs", [True, False])
def test_students_together_are_students_one_by_one(backend, own_inputs):
    circuit = qdllm_circuit(5, 2)
    run = simulator(circuit, backend)
    inputs, weights, cotangent = random_angles(circuit, 9, students=(2, 3))
    inputs = inputs if own_inputs else inputs[0, 0]
    together = outputs(run, inputs, weights, cotangent)
    single = [
        outputs(run, inputs[s] if own_inputs else inputs, weights[s], cotangent[s])
        for s in [(i, j) for i in range(2) for j in range(3)]
    ]
    z, of_inputs, of_weights = (torch.stack(part) for part in zip(*single, strict=True))
    of_inputs = of_inputs.unflatten(0, (2, 3)) if own_inputs else of_inputs.sum(dim=0)
    expected = [z.unflatten(0, (2, 3)), of_inputs, of_weights.unflatten(0, (2, 3))]
    assert largest_difference(together, expected) < 1e-12


def test_the_plain_path_runs_where_numba_is_absent():
    code = """
        import sys
        sys.modules["numba"] = None
        import torch
        from qdcircuits.ansatz import qdllm_circuit
        from qdcircuits.simulation import simulator
        run = simulator(qdllm_circuit(3, 1))
        z = run(torch.tensor([[0.1, 0.2, 0.3]]), torch.zeros(qdllm_circuit(3, 1).n_weights))
        print(run.backend, round(float(z[0, 2]), 4))
        try:
            simulator(qdllm_circuit(3, 1), "numba")
        except ImportError:
            print("ImportError")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["torch", "0.9553", "ImportError"]
    assert "The plain torch simulator runs this circuit" in done.stderr


def test_numba_is_imported_only_when_it_is_used():
    code = "import sys, qdcircuits.simulation; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_path_is_chosen_named_and_said_aloud(caplog):
    circuit = qdllm_circuit(3, 1)
    assert simulator(circuit).backend == simulator(circuit, "numba").backend == "numba"
    assert simulator(circuit, "torch").backend == "torch"
    assert not caplog.records
    again = layered_circuit("qdllm", 3, 2, reuploading=True)
    assert simulator(again).backend == "torch"
    assert caplog.messages == [
        "The plain torch simulator runs this circuit, not the compiled one: "
        "RX of an input on qubit 0 comes after the first layer."
    ]


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match=r"^Unknown backend 'cuda': choose one of auto, numba, torch\.$"):
        simulator(qdllm_circuit(3, 1), "cuda")
    with pytest.raises(ValueError, match="after the first layer"):
        simulator(layered_circuit("qdllm", 3, 2, reuploading=True), "numba")


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_wrong_shapes_and_precisions_are_refused(backend):
    run = simulator(qdllm_circuit(3, 1), backend)
    inputs, weights = torch.zeros(2, 3), torch.zeros(run.circuit.n_weights)
    with pytest.raises(ValueError, match=r"inputs \(\.\.\., B, 3\) and weights \(\.\.\., 16\), not \(2, 4\)"):
        run(torch.zeros(2, 4), weights)
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(15,\)"):
        run(inputs, weights[1:])
    with pytest.raises(ValueError, match=r"not torch.float32 and torch.float64\."):
        run(inputs, weights.double())
