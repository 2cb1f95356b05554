"""A bundle taken round: out, run by other people's simulators, and in again with the same classes."""

import json
from collections import Counter

import numpy as np
import pytest

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.bundle import export_bundle, import_bundle, read_manifest, write_ledger
from qdcircuits.bundle_counts import counts_in
from qdcircuits.cloud.ledger import Ledger
from qdcircuits.errors import InputError

N, SHOTS = 4, 4096
CIRCUIT = qdllm_circuit(N, 2)
RNG = np.random.default_rng(4)
STUDENT = {
    "circuit": CIRCUIT,
    "weights": RNG.normal(size=CIRCUIT.n_weights),
    "inputs": RNG.uniform(0, 6, (6, N)),
    "head_weight": 3 * RNG.normal(size=(N, 3)),
    "head_bias": RNG.normal(size=3),
    "text_hashes": [f"{k:064x}" for k in range(6)],
    "labels": [0, 1, 2, 0, 1, 2],
    "shots": SHOTS,
    "about": {"student": "row", "numbers": list(range(6))},
}


@pytest.fixture
def bundle(tmp_path):
    return export_bundle(tmp_path / "bundle", **STUDENT)


def by_qiskit(text: str) -> dict[str, int]:
    from qiskit import qasm2, qasm3
    from qiskit.primitives import StatevectorSampler

    three = "OPENQASM 3" in text
    circuit = qasm3.loads(text) if three else qasm2.loads(text)
    result = StatevectorSampler(seed=1).run([circuit], shots=SHOTS).result()[0]
    return result.data.c.get_counts()


def by_aer(text: str) -> dict[str, int]:
    aer = pytest.importorskip("qiskit_aer", reason="Aer is not installed")
    from qiskit import qasm2

    result = aer.AerSimulator(seed_simulator=1).run(qasm2.loads(text), shots=SHOTS).result()
    return result.to_dict()["results"][0]  # hexadecimal keys, as a saved result has them


def by_cirq(text: str) -> dict[str, int]:
    """Bits with qubit 0 leftmost, as Cirq and Braket write them."""
    cirq = pytest.importorskip("cirq", reason="Cirq is not installed")
    from cirq.contrib.qasm_import import circuit_from_qasm

    circuit = circuit_from_qasm(text)
    columns = cirq.Simulator(seed=1).run(circuit, repetitions=SHOTS).measurements
    return {"measurements": np.stack([columns[f"c_{k}"][:, 0] for k in range(N)], axis=1).tolist()}


def by_stand_in(text: str) -> dict[str, int]:
    from tests.qdcircuits.stand_in import probabilities

    drawn = np.random.default_rng(1).multinomial(SHOTS, probabilities(text))
    return {f"{x:0{N}b}": int(count) for x, count in enumerate(drawn) if count}


def counts_of(bundle, runner, suffix: str = "qasm") -> dict[str, dict[str, int]]:
    return {path.stem: runner(path.read_text()) for path in sorted(bundle.glob(f"*.{suffix}"))}


def imported(bundle, counts, tmp_path):
    file = tmp_path / "counts.json"
    file.write_text(json.dumps(counts))
    return import_bundle(bundle, file)


@pytest.mark.parametrize(
    ("runner", "order"), [(by_qiskit, "right"), (by_aer, "right"), (by_cirq, "left"), (by_stand_in, "left")]
)
def test_taken_round_the_classes_are_the_same(bundle, tmp_path, runner, order):
    found = imported(bundle, counts_of(bundle, runner), tmp_path)
    assert found.order == order and np.abs(found.z - found.expected).max() < 5 / np.sqrt(SHOTS)
    margins = np.sort(found.expected @ STUDENT["head_weight"] + STUDENT["head_bias"], axis=1)
    clear = margins[:, -1] - margins[:, -2] > 0.3
    assert clear.sum() >= 4 and (found.predicted == found.expected_class)[clear].all()
    assert "of 6" in found.summary() and found.labels is not None


def test_openqasm_3_is_the_same_circuit(bundle, tmp_path):
    pytest.importorskip("qiskit_qasm3_import", reason="Qiskit's reader of OpenQASM 3 is not installed")
    found = imported(bundle, counts_of(bundle, by_qiskit, "qasm3"), tmp_path)
    assert np.abs(found.z - found.expected).max() < 5 / np.sqrt(SHOTS)


def test_a_reversed_order_is_caught_or_read_rightly(bundle, tmp_path, refused):
    counts = counts_of(bundle, by_stand_in)
    turned = {name: {bits[::-1]: count for bits, count in item.items()} for name, item in counts.items()}
    assert np.array_equal(imported(bundle, turned, tmp_path).z, imported(bundle, counts, tmp_path).z)
    with refused("do not stand in the same order"):
        imported(bundle, turned | {"check": counts["check"]}, tmp_path)
    with refused("have none of 'check'"):
        imported(bundle, {name: item for name, item in counts.items() if name != "check"}, tmp_path)
    with refused("the order of the bits is not clear"):
        imported(bundle, counts | {"check": {"0000": 5}}, tmp_path)


def test_every_provider_s_form_says_the_same():
    shots = [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    plain = {"100": 2, "011": 1}
    forms = [
        plain,
        {"1 00": 2, "0 11": 1},
        {"0x4": 2, "0x3": 1},
        {"data": {"counts": {"0x4": 2, "0x3": 1}}},
        {"measurement_counts": {"100": 2.0, "011": "1"}},
        {"measurements": [[s[2], s[0], s[1]] for s in shots], "measuredQubits": [7, 2, 5]},
        {"counts": plain, "measurement_keys": ["m"]},
        {"m": shots},
        {f"c_3_0_{k}": [[s[k]] for s in shots] for k in (2, 0, 1)},
        {"count": plain, "status": "Finished"},
        {"res": "{'100': 2, '011': 1}", "status": 2},
        shots,
    ]
    for form in forms:
        assert counts_in(json.loads(json.dumps(form)), 3, "x") == plain, form


@pytest.mark.parametrize(
    "item",
    [None, 3, "x", [], {}, {"10": 1}, {"102": 1}, {"100": 1.5}, {"100": -1}, {"100": True}, {"100": 0}, {"0x9": 1},
     {"m": [[1, 0]]}, {"m": [[1, 0, 2]]}, {"measurements": "x"}, {"counts": {"counts": {"counts": {"counts": 3}}}}],
)  # fmt: skip
def test_what_is_no_counts_is_refused_by_name(item, refused):
    with refused("text-0001: "):
        counts_in(item, 3, "text-0001")


def test_a_partial_import_says_so_and_feeds_figure_5(bundle, tmp_path, refused):
    counts = counts_of(bundle, by_stand_in)
    del counts["text-0003"]
    found = imported(bundle, counts, tmp_path)
    assert len(found.z) == 5 and "1 of 6 texts have no counts" in found.summary()
    write_ledger(bundle, found, tmp_path / "ledger.jsonl", "IQM Resonance", "garnet")
    ledger = Ledger.open(tmp_path / "ledger.jsonl")
    assert Counter(entry.state for entry in ledger.entries.values()) == {"done": 5}
    assert ledger.settings["chip"] == "garnet" and ledger.settings["bit_order"] == "left"
    with refused("is there already"):
        write_ledger(bundle, found, tmp_path / "ledger.jsonl", "IQM Resonance", "garnet")
    with refused("has no circuit 'text-9999'"):
        imported(bundle, counts | {"text-9999": {}}, tmp_path)


def test_export_refuses_what_does_not_fit(bundle, tmp_path, refused):
    with refused("is not empty"):
        export_bundle(bundle, **STUDENT)
    with refused("one row of angles, one hash"):
        export_bundle(tmp_path / "a", **STUDENT | {"text_hashes": ["x"]})
    with refused("not finite"):
        export_bundle(tmp_path / "b", **STUDENT | {"head_bias": [0, np.nan, 0]})
    with refused("is no bundle of this version"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="no JSON"):
        (tmp_path / "c.json").write_text("{'a': 1}")
        import_bundle(bundle, tmp_path / "c.json")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()
