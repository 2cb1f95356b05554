"""OpenQASM, dead gates, compilation, noise and counts, each against PennyLane, pyquafu, Qiskit or arithmetic."""

import itertools
import math
import re

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcircuits.ansatz import ANSATZE, Circuit, Gate, layered_circuit, qdllm_circuit
from qdcircuits.chip.calibration import (
    SHIPPED,
    Calibration,
    Coupler,
    Qubit,
    best_line,
    read_calibration,
    synthetic,
)
from qdcircuits.chip.compilation import compile_for
from qdcircuits.chip.counts import (
    expectations,
    frequencies_of,
    measured_confusion,
    sample,
    without_confusion,
    zero_noise,
)
from qdcircuits.chip.noise import NoisyCircuit, confusion_matrices
from qdcircuits.export.openqasm import fixed_point, openqasm2, openqasm3
from qdcircuits.export.pennylane_circuit import qnode
from qdcircuits.export.reduction import two_qubit_gates, without_dead_gates, without_final_cnots
from qdcircuits.simulation import simulator

RNG = np.random.default_rng(3)
PAPER = qdllm_circuit(11, 2)
WEIGHTS = RNG.normal(size=PAPER.n_weights)
INPUTS = RNG.uniform(0, 10, 11)


def ours(circuit: Circuit, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """<Z> of one text by the project's simulator, in float64."""
    return simulator(circuit, "torch")(torch.tensor(inputs[None]), torch.tensor(weights))[0].numpy()


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    return ours(PAPER, WEIGHTS, INPUTS)


def parsed_by_pennylane(text: str, n_qubits: int, **angles: float) -> np.ndarray:
    """PennyLane's OpenQASM 3 parser knows neither `include` nor old registers of bits: those lines are left out."""
    skipped = ("include", "OPENQASM", "measure", "creg", "bit", "c[")
    body = "\n".join(line for line in text.splitlines() if not line.startswith(skipped))
    wires = [f"q[{k}]" for k in range(n_qubits)]

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit():
        qml.from_qasm3(body)(**angles)
        return [qml.expval(qml.PauliZ(wire)) for wire in wires]

    return np.array(circuit())


def parsed_by_pyquafu(text: str, n_qubits: int) -> np.ndarray:
    from quafu import QuantumCircuit, simulate

    circuit = QuantumCircuit(n_qubits)
    circuit.from_openqasm(text)
    return expectations(np.array(simulate(circuit).probabilities), [(k,) for k in range(n_qubits)])


@pytest.mark.parametrize("rzz", ["keep", "decompose"])
def test_openqasm2_comes_back_from_pyquafu(exact, rzz):
    text = openqasm2(PAPER, WEIGHTS, INPUTS, rzz)
    assert ("rzz(" in text) == (rzz == "keep")
    assert np.abs(parsed_by_pyquafu(text, 11) - exact).max() < 1e-9


def test_openqasm_comes_back_from_pennylane(exact):
    free = {f"z{k}": float(z) for k, z in enumerate(INPUTS)}
    named = openqasm3(PAPER, WEIGHTS)
    assert re.findall(r"input float (z\d+);", named) == list(free) and "rx(z10) q[10];" in named
    assert np.abs(parsed_by_pennylane(named, 11, **free) - exact).max() < 1e-9
    assert np.abs(parsed_by_pennylane(openqasm3(PAPER, WEIGHTS, INPUTS), 11) - exact).max() < 1e-9
    assert np.abs(parsed_by_pennylane(openqasm2(PAPER, WEIGHTS, INPUTS), 11) - exact).max() < 1e-9


def test_openqasm3_with_rzz_kept_is_read_by_the_reference_parser():
    import openqasm3 as reference

    program = reference.parse(openqasm3(PAPER, WEIGHTS, rzz="keep"))
    names = [statement.name.name for statement in program.statements if type(statement).__name__ == "QuantumGate"]
    assert names.count("rzz") == 18 and names.count("rx") == 11


@given(st.floats(-1e6, 1e6))
def test_angles_are_fixed_point_and_exact(angle):
    text = fixed_point(angle)
    assert re.fullmatch(r"-?\d+\.\d+", text) and not re.fullmatch(r"-0\.0+", text)
    assert abs(float(text) - angle) < 1e-12 + 1e-15 * abs(angle)


def test_tiny_angles_parse_where_exponents_do_not():
    weights, inputs = np.full(PAPER.n_weights, 1e-5), np.full(11, 1e-7)
    assert np.abs(parsed_by_pyquafu(openqasm2(PAPER, weights, inputs), 11) - ours(PAPER, weights, inputs)).max() < 1e-9


def test_export_refuses_what_it_cannot_write(refused):
    with refused("An angle of the circuit is nan"):
        openqasm2(PAPER, np.full(PAPER.n_weights, np.nan), INPUTS)
    with refused("takes 144 trained angles, not 3"):
        openqasm2(PAPER, [1, 2, 3], INPUTS)
    with refused("takes 11 encoder angles, not 2"):
        openqasm3(PAPER, WEIGHTS, [1, 2])
    with refused("Unknown rzz 'drop'"):
        openqasm2(PAPER, WEIGHTS, INPUTS, "drop")


def test_dead_gates_are_the_ones_with_zero_gradient():
    """SPEC: of 144 angles at L = 2, 36 have zero gradient at every point."""
    live = without_dead_gates(PAPER)
    kept = {gate.index for gate in live.gates if gate.source == "weight"}
    z, w = torch.tensor(INPUTS[None]), torch.tensor(WEIGHTS)
    jacobian = torch.autograd.functional.jacobian(lambda angles: simulator(PAPER, "torch")(z, angles)[0], w)
    moving = set(torch.nonzero(jacobian.abs().amax(dim=0) > 1e-12).flatten().tolist())
    assert kept == moving and len(kept) == 144 - 36


@settings(deadline=None, max_examples=40)
@given(data=st.data(), ansatz=st.sampled_from(sorted(ANSATZE)), n=st.integers(3, 5), layers=st.integers(1, 2))
def test_removal_leaves_the_measured_expectations_as_they_were(data, ansatz, n, layers):
    circuit = layered_circuit(ansatz, n, layers)
    measured = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    live = without_dead_gates(circuit, measured)
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=circuit.n_weights), rng.uniform(0, 6, n)
    before, after = (np.array(qnode(c)(inputs, weights)) for c in (circuit, live))
    assert np.abs(before - after)[sorted(measured)].max() < 1e-12
    assert len(without_dead_gates(live, measured).gates) == len(live.gates) <= len(circuit.gates)


def test_gates_outside_a_light_cone_go():
    """<Z_10> = cos z_10: all that is left of the circuit is one encoder gate."""
    assert [gate.wires for gate in without_dead_gates(PAPER, [10]).gates] == [(10,)]
    cone = without_dead_gates(qdllm_circuit(11, 1), [4])
    assert two_qubit_gates(cone) < two_qubit_gates(qdllm_circuit(11, 1))


def test_final_cnots_become_parities(exact):
    reduced, parities = without_final_cnots(without_dead_gates(PAPER))
    assert two_qubit_gates(PAPER) - two_qubit_gates(reduced) == 17
    assert reduced.gates[-1].name != "CNOT"
    device = qml.device("default.qubit", wires=11)

    @qml.qnode(device)
    def circuit():
        from qdcircuits.export.pennylane_circuit import apply

        apply(reduced, INPUTS, WEIGHTS)
        return [qml.expval(qml.prod(*(qml.PauliZ(bit) for bit in bits))) for bits in parities]

    assert np.abs(np.array(circuit()) - exact).max() < 1e-12


def clean() -> Calibration:
    return read_calibration().noiseless()


@pytest.fixture(scope="module")
def compiled():
    circuit = qdllm_circuit(5, 2)
    weights = np.random.default_rng(5).normal(size=circuit.n_weights)
    return circuit, weights, compile_for(circuit, weights, read_calibration())


def test_compiled_circuit_is_native_on_a_connected_line_and_cheaper_than_uncut(compiled):
    circuit, weights, made = compiled
    chip = read_calibration()
    assert all(chip.coupler(a, b) for a, b in itertools.pairwise(made.line))
    assert {gate.name for gate in made.gates} <= {"RX", "RY", "RZ", "CZ"}
    assert all(abs(gate.wires[0] - gate.wires[-1]) == 1 for gate in made.gates if gate.name == "CZ")
    uncut = compile_for(circuit, weights, chip, cut_final_cnots=False)
    assert made.two_qubit < uncut.two_qubit
    gates = [gates for _, gates, _ in made.stages]
    assert gates[0] == gates[1] == two_qubit_gates(circuit) > gates[2] and gates[3] == made.two_qubit


@pytest.mark.parametrize("cut", [True, False])
def test_without_noise_the_simulated_chip_is_the_simulator(compiled, cut):
    circuit, weights, made = compiled
    made = made if cut else compile_for(circuit, weights, read_calibration(), cut_final_cnots=False)
    perfect = NoisyCircuit(made, clean(), precision=np.float64)
    inputs = np.random.default_rng(6).uniform(0, 10, (3, 5))
    expected = np.array([ours(circuit, weights, z) for z in inputs])
    assert np.abs(perfect.expectations(inputs) - expected).max() < 1e-9
    by_counts = np.array([expectations(perfect.probabilities(z), made.parities) for z in inputs])
    assert np.abs(by_counts - expected).max() < 1e-9
    folded = NoisyCircuit(made, clean(), fold=3, precision=np.float64)
    assert np.abs(folded.expectations(inputs) - expected).max() < 1e-9


def test_openqasm_for_the_chip_is_the_same_circuit(compiled):
    from tests.qdcircuits.stand_in import probabilities

    circuit, weights, made = compiled
    z = np.random.default_rng(7).uniform(0, 10, 5)
    found = probabilities(made.openqasm2(z))
    assert np.abs(expectations(found, made.parities) - ours(circuit, weights, z)).max() < 1e-9
    assert set(map(int, re.findall(r"q\[(\d+)\];", made.openqasm2(z).replace("measure", "")))) <= {
        *made.line,
        max(made.line) + 1,
    }


def mixed(made, chip: Calibration, inputs: np.ndarray) -> np.ndarray:
    """The distribution of the positions by PennyLane's default.mixed, with its own channels and its own schedule."""
    n = len(made.line)
    qubits = [chip.qubits[k] for k in made.line]
    paulis = [qml.matrix(p(0)) for p in (qml.Identity, qml.PauliX, qml.PauliY, qml.PauliZ)]
    clock = [0.0] * n

    def relax(wire: int, nanoseconds: float) -> None:
        if nanoseconds:
            qml.ThermalRelaxationError(0.0, 1e3 * qubits[wire].t1_us, 1e3 * qubits[wire].t2_us, nanoseconds, wires=wire)

    @qml.qnode(qml.device("default.mixed", wires=n))
    def circuit():
        for gate in made.gates:
            if gate.name == "CZ":
                coupler = chip.coupler(*(made.line[wire] for wire in gate.wires))
                start = max(clock[wire] for wire in gate.wires)
                for wire in gate.wires:
                    relax(wire, start - clock[wire])
                qml.CZ(gate.wires)
                weights = [1 - coupler.error] + [coupler.error / 15] * 15
                words = [np.kron(a, b) for a in paulis for b in paulis]
                qml.QubitChannel([math.sqrt(p) * w for p, w in zip(weights, words, strict=True)], wires=gate.wires)
                for wire in gate.wires:
                    relax(wire, coupler.duration_ns)
                    clock[wire] = start + coupler.duration_ns
                continue
            wire = gate.wires[0]
            angle = inputs[gate.index] if gate.index >= 0 else gate.angle
            getattr(qml, gate.name)(angle, wires=wire)
            if gate.name != "RZ":
                qml.DepolarizingChannel(qubits[wire].error, wires=wire)
                relax(wire, qubits[wire].duration_ns)
                clock[wire] += qubits[wire].duration_ns
        for wire in range(n):
            relax(wire, max(clock) - clock[wire])
        return qml.probs(wires=list(made.bits))

    return np.array(circuit())


def test_noise_equals_pennylanes_default_mixed():
    chip = read_calibration()
    rough = Calibration(
        {
            k: Qubit(q.t1_us / 8, q.t2_us / 8, q.reads_1_for_0, q.reads_0_for_1, 0.01, 30)
            for k, q in chip.qubits.items()
        },
        {pair: Coupler(5 * c.error, 60) for pair, c in chip.couplers.items()},
        "rough",
    )
    circuit = qdllm_circuit(4, 2)
    weights = np.random.default_rng(8).normal(size=circuit.n_weights)
    made = compile_for(circuit, weights, rough)
    z = np.random.default_rng(9).uniform(0, 10, 4)
    noisy = NoisyCircuit(made, rough, precision=np.float64)
    expected = mixed(made, rough, z)
    assert np.abs(expected - NoisyCircuit(made, rough.noiseless()).probabilities(z)).max() > 0.01
    assert np.abs(noisy.probabilities(z, readout=False) - expected).max() < 1e-9
    confused = expected
    for bit, matrix in enumerate(confusion_matrices(made, rough)):
        table = confused.reshape(2**bit, 2, -1)
        confused = np.einsum("rt,atb->arb", matrix, table).ravel()
    assert np.abs(noisy.probabilities(z) - confused).max() < 1e-9
    by_texts = noisy.expectations(np.stack([z, z + 1]))[0]
    assert np.abs(by_texts - expectations(confused, made.parities)).max() < 1e-9
    assert np.abs(NoisyCircuit(made, rough).expectations(z[None])[0] - by_texts).max() < 1e-5  # float32


def test_shots_spread_as_the_binomial_does(compiled):
    *_, made = compiled
    z = np.random.default_rng(10).uniform(0, 10, 5)
    found = NoisyCircuit(made, read_calibration()).probabilities(z)
    mean, shots, rng = expectations(found, made.parities), 1024, np.random.default_rng(0)
    drawn = np.array([expectations(sample(found, shots, rng), made.parities) for _ in range(2000)])
    assert np.abs(drawn.mean(axis=0) - mean).max() < 5 * np.sqrt(1 / shots / 2000)
    assert np.allclose(drawn.var(axis=0), (1 - mean**2) / shots, rtol=0.2)
    assert np.array_equal(sample(found, 9, np.random.default_rng(1)), sample(found, 9, np.random.default_rng(1)))


def test_readout_mitigation_undoes_the_confusion():
    rng = np.random.default_rng(2)
    truth = rng.dirichlet(np.ones(8))
    confusion = [np.array([[1 - a, b], [a, 1 - b]]) for a, b in rng.uniform(0.01, 0.2, (3, 2))]
    table = truth.reshape(2, 2, 2)
    read = np.einsum("ai,bj,ck,ijk->abc", *confusion, table).ravel()
    assert np.abs(without_confusion(read, confusion) - truth).max() < 1e-12
    learnt = measured_confusion(confusion, 100_000, rng)
    assert all(np.allclose(m.sum(axis=0), 1) for m in learnt)
    assert 0 < max(np.abs(a - b).max() for a, b in zip(confusion, learnt, strict=True)) < 0.01


def test_zero_noise_extrapolation_is_exact_for_a_line_and_stays_within_bounds():
    values = np.array([[0.5, 0.9], [0.3, 0.3], [0.1, -0.3]])
    assert np.allclose(zero_noise(values), [0.6, 1.0])


def test_mitigation_brings_the_expectations_closer(compiled):
    circuit, weights, made = compiled
    chip, z = read_calibration(), np.random.default_rng(11).uniform(0, 10, 5)
    exact = ours(circuit, weights, z)
    folds = [NoisyCircuit(made, chip, fold).probabilities(z) for fold in (1, 3, 5)]
    confusion = confusion_matrices(made, chip)
    raw = expectations(folds[0], made.parities)
    read = [expectations(without_confusion(f, confusion), made.parities) for f in folds]
    errors = [np.linalg.norm(z_ - exact) for z_ in (raw, read[0], zero_noise(np.array(read)))]
    assert errors[0] > 1.2 * errors[1] > 1.2 * errors[2]


@pytest.mark.parametrize(("order", "index"), [("left", 4), ("right", 1)])
def test_bit_order_of_counts(order, index):
    assert frequencies_of({"100": 3, "000": 1}, 3, order)[index] == 0.75


@pytest.mark.parametrize("counts", [{}, {"1": 3}, {"12": 1}, {"01": -1}, {"01": 1.5}, {"01": True}])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="The counts"):
        frequencies_of(counts, 2, "left")


def test_shipped_table_is_what_its_recipe_makes():
    assert SHIPPED.read_text() == synthetic()


def test_best_line_is_the_best_of_all_lines():
    import networkx as nx

    chip = read_calibration()
    graph = nx.Graph(list(chip.couplers))

    def price(line):
        gates = -10 * sum(math.log(1 - chip.coupler(a, b).error) for a, b in itertools.pairwise(line))
        ends = [(chip.qubits[k].reads_1_for_0 + chip.qubits[k].reads_0_for_1) / 2 for k in line]
        return gates - sum(math.log(1 - p) for p in ends)

    lines = [
        path
        for start in graph
        for end in graph
        if start != end
        for path in nx.all_simple_paths(graph, start, end, cutoff=4)
        if len(path) == 5
    ]
    assert price(best_line(chip, 5)) == pytest.approx(min(map(price, lines)))


def test_chip_without_a_long_enough_line_is_refused(refused):
    with refused("no connected line of 25 qubits: the longest has 24"):
        best_line(read_calibration(), 25)


def test_reuploading_cannot_be_compiled():
    circuit = layered_circuit("qdllm", 4, 2, reuploading=True)
    with pytest.raises(ValueError, match="one encoder"):
        compile_for(circuit, np.zeros(circuit.n_weights), read_calibration())
    assert Gate("RX", (0,), "input", 0) in circuit.gates
