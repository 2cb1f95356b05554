"""Calibration tables: what is refused by line and column, left out with a notice, or converted from a vendor's file."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdcircuits.chip.calibration import COLUMNS, SHIPPED, Coupler, Qubit, best_line, read_calibration
from qdcircuits.chip.counts import mitigated, without_confusion
from qdcircuits.chip.readers import read_table
from qdcircuits.errors import InputError

CASES = Path(os.environ.get("QDLLM_CASES") or Path(__file__).parents[3] / "shared" / "cases") / "hardware" / "cal"
GOOD = "{},60,30,0.01,0.03,0.001,30"


def table(tmp_path, *lines: str, head: str = ",".join(COLUMNS)) -> str:
    path = tmp_path / "chip.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["0,60,30,0.1,0.1,0.001,30", "0-1,,,,,0.01,60"], "couplers at qubits 1"),
        (["0,60,30,1.6,0.1,0.001,30"], "line 2, column reads_1_for_0: reads_1_for_0 is '1.6'"),
        (["0,60,30,0.1,0.1,x,30"], "line 2, column error: error is 'x'"),
        (["0,60,30,0.1,0.1,nan,30"], "line 2, column error: error is 'nan'"),
        (["0,60,30,0.1,0.1,0.1,inf"], "line 2, column duration_ns"),
        (["0,1e999,30,0.1,0.1,0.1,3"], "line 2, column t1_us"),
        (["0,6_0,30,0.1,0.1,0.1,3"], "line 2, column t1_us: t1_us is '6_0'"),
        (["0,60,30,0.1,0.1,-0.1,3"], "line 2, column error"),
        (["0,60,30,1%,0.1,0.1,3"], "line 2, column reads_1_for_0: reads_1_for_0 is '1%'"),
        (["0,60,30,0.1,0.1"], "line 2, column error: error is missing"),
        (["0,60,30,,0.1,0.1,3"], "line 2, column reads_1_for_0"),
        (["0,60,30,0.1,0.1,0.1,30,7"], "line 2, column 8: the line has more cells"),
        (["a,60,30,0.1,0.1,0,30"], "line 2, column qubits: qubits is 'a'"),
        (["-1,60,30,0.1,0.1,0,30"], "line 2, column qubits: qubits is '-1'"),
        (["3.5,60,30,0.1,0.1,0,30"], "line 2, column qubits"),
        (["٣,60,30,0.1,0.1,0,30"], "line 2, column qubits"),
        (["99999,60,30,0.1,0.1,0,30"], "numbers up to 9999"),
        (["1-1,,,,,0.01,60"], "a coupler joins two different qubits"),
        ([GOOD.format(0), "0,61,30,0.01,0.03,0.001,30"], "line 3, column qubits: qubit 0 has other values in line 2"),
        (
            [GOOD.format(0), GOOD.format(1), "0-1,,,,,0.1,60", "0-1,,,,,0.2,60"],
            "coupler 0-1 has other values in line 4",
        ),
        (["x" * 200_000 + ",60,30,0.1,0.1,0,30"], "line 2, column 1: field larger than field limit"),
        (["0,60,30,0.1,0.1," + "9" * 100_000 + ",30"], "line 2, column error: error is '9999"),
        ([], "has no usable qubit"),
        (["0,60,130,0.1,0.1,0.001,30"], "has no usable qubit: qubit 0 is left out: its T2"),
    ],
)
def test_a_bad_table_is_refused_by_line_and_column(lines, sentence, tmp_path, refused):
    with refused(sentence):
        read_calibration(table(tmp_path, *lines))


def test_a_bad_head_or_encoding_is_refused(tmp_path, refused):
    with refused("line 1, column duration_ns: there is no such column"):
        read_calibration(table(tmp_path, head="qubits,t1_us,t2_us,reads_1_for_0,reads_0_for_1,error"))
    with refused("line 1, column 'error': the column stands there twice"):
        read_calibration(table(tmp_path, head=",".join(COLUMNS) + ",error"))
    for raw, sentence in [
        (SHIPPED.read_text().encode("utf-16"), "UTF-16"),
        (b"qubits\n0,\xff\n", "line 2, column 3: this is no UTF-8"),
        (b"", "the table is empty"),
        (b"{'a': 1}", "begins like JSON and is none"),
        (b"[" * 100_000, "begins like JSON and is none"),
        (b'{"a": 1}', "neither IBM's backend properties"),
    ]:
        (tmp_path / "chip.csv").write_bytes(raw)
        with refused(sentence):
            read_calibration(str(tmp_path / "chip.csv"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,10,28.5,0.01,0.03,0.001,30", "above twice its T1"),
        ("1,0,0,0.01,0.03,0.001,30", "T1 or T2 is 0"),
        ("1,60,30,0.5,0.5,0.001,30", "contrast of 0"),
        ("1,60,30,0.499999,0.499999,0.001,30", "contrast of 2e-06"),
        ("1,60,30,0.01,0.03,1,30", "nothing is left after its gate"),
        ("1,0.01,0.01,0.01,0.03,0.1,30", "decays within one gate"),
        ("1,,,,,,", "it has no values"),
    ],
)
def test_a_dead_qubit_is_left_out_with_its_couplers_and_a_notice(line, reason, tmp_path):
    others = [GOOD.format(k) for k in (0, 2, 3)] + ["0-1,,,,,0.01,60", "1-2,,,,,0.01,60", "2-3,,,,,0.01,60"]
    chip = read_calibration(table(tmp_path, line, *others))
    assert sorted(chip.qubits) == [0, 2, 3] and list(chip.couplers) == [(2, 3)]
    assert len(chip.notices) == 1 and chip.notices[0].startswith("qubit 1 is left out") and reason in chip.notices[0]
    assert best_line(chip, 2) in ((2, 3), (3, 2))


def test_spellings_that_mean_the_same_are_the_same(tmp_path):
    plain = [GOOD.format(k) for k in range(3)] + ["0-1,,,,,0.01,60", "1-2,,,,,0.02,70"]
    usual = read_calibration(table(tmp_path, *plain))
    semicolons = [line.replace(",", ";") for line in plain]
    for lines, head in ((semicolons, ";"), ([line.replace(",", "\t") for line in plain], "\t")):
        chip = read_calibration(table(tmp_path, *lines, head=head.join(COLUMNS)))
        assert (chip.qubits, chip.couplers, chip.notices) == (usual.qubits, usual.couplers, ())
    names = [GOOD.format("0.0"), GOOD.format("Q1"), GOOD.format("q2"), "Q0_Q1,,,,,0.01,60", "2-1,,,,,0.02,70", ",,,,,,"]
    chip = read_calibration(table(tmp_path, *names, plain[0]))  # the last line says the first once more
    assert (chip.qubits, chip.couplers) == (usual.qubits, usual.couplers)


def test_of_two_directions_the_worse_values_count(tmp_path):
    lines = [GOOD.format(0), GOOD.format(1), "0-1,,,,,0.1,60", "1-0,,,,,0.02,90"]
    chip = read_calibration(table(tmp_path, *lines))
    assert chip.couplers == {(0, 1): Coupler(0.1, 90)} and "the two directions" in chip.notices[0]


IBM = {
    "backend_name": "x",
    "qubits": [
        [
            {"name": "T1", "unit": "us", "value": 100.0},
            {"name": "T2", "unit": "ms", "value": 0.08},
            {"name": "readout_error", "unit": "", "value": 0.02},
            {"name": "prob_meas0_prep1", "unit": "", "value": 0.03},
            {"name": "prob_meas1_prep0", "unit": "", "value": 0.01},
        ],
        [{"name": "T1", "unit": "s", "value": 9e-5}, {"name": "readout_error", "unit": "", "value": 0.02}],
    ],
    "gates": [
        {"qubits": [0], "gate": "sx", "parameters": [
            {"name": "gate_error", "unit": "", "value": 0.0002}, {"name": "gate_length", "unit": "ns", "value": 36}]},
        {"qubits": [0, 1], "gate": "cz", "parameters": [
            {"name": "gate_error", "unit": "", "value": 0.004}, {"name": "gate_length", "unit": "us", "value": 0.07}]},
    ],
}  # fmt: skip


def test_ibm_properties_are_converted():
    chip = read_table(json.dumps(IBM), "ibm.json", "digest")
    first, second = chip.qubits[0], chip.qubits[1]
    assert first == Qubit(100, pytest.approx(80), 0.01, 0.03, pytest.approx(0.0003), pytest.approx(36))
    assert second == Qubit(pytest.approx(90), pytest.approx(180), 0.02, 0.02, 0, 0)
    assert chip.couplers == {(0, 1): Coupler(pytest.approx(0.005), pytest.approx(70))}
    assert any(notice.startswith("T2: 1 values are not given") for notice in chip.notices)


def test_ibm_csv_is_converted():
    head = '"Qubit","T1 (us)","T2 (us)","Readout assignment error ","Prob meas0 prep1 ","Prob meas1 prep0 "'
    head += ',"√x (sx) error ","CZ error ","Gate time (ns)","Operational"'
    lines = ['"0","131.2","90.1","0.017","0.02","0.014","0.0002","1:0.004","1:68","Yes"']
    lines += [
        '"1","120","90","0.017","","","0.0002","0_1:0.004","0_1:68","Yes"',
        '"2","9","9","0","0","0","0","","","No"',
    ]
    chip = read_table("\n".join([head, *lines]), "ibm.csv", "digest")
    assert chip.qubits[0] == Qubit(131.2, 90.1, 0.014, 0.02, pytest.approx(0.0003), 0) and sorted(chip.qubits) == [0, 1]
    assert chip.couplers == {(0, 1): Coupler(pytest.approx(0.005), 68)} and "qubit 2 is left out" in chip.notices[0]
    assert chip.qubits[1].reads_1_for_0 == chip.qubits[1].reads_0_for_1 == 0.017


def test_quafu_chip_info_is_converted(refused):
    info = {
        "qubits_info": {
            "Q0": {"T1": 41.0, "T2": 61.0, "fidelity": 0.998, "readout g_fidelity": 0.97, "readout e_fidelity": 0.94},
            "Q1": {"T1": 40.0, "T2": 20.0, "fidelity": 0.998, "length": 8e-8},
        },
        "couplers_info": {"C0": {"qubits_index": [1, 0], "fidelity": 0.98}},
        "global_info": {"one_qubit_gate_length": 6.4e-8, "two_qubit_gate_length": 2.1e-7},
    }
    chip = read_table(json.dumps(info), "info.json", "digest")
    assert chip.qubits[0] == Qubit(41, 61, *map(pytest.approx, (0.03, 0.06, 0.003, 64)))
    assert chip.qubits[1].duration_ns == pytest.approx(80)
    assert chip.couplers == {(0, 1): Coupler(pytest.approx(0.025), pytest.approx(210))}
    info["qubits_info"]["Q0"]["fidelity"] = 99.8
    with refused("the one-qubit gate fidelity is '99.8'", "at most 1"):
        read_table(json.dumps(info), "info.json", "digest")


def test_fidelity_and_error_are_what_the_noise_makes_of_them():
    """The conversion against the channel itself: its fidelity averaged over random states."""
    from qdcircuits.chip.noise import depolarising
    from qdcircuits.chip.vendors import ONE_QUBIT, TWO_QUBITS

    for qubits, factor in ((1, ONE_QUBIT), (2, TWO_QUBITS)):
        infidelity, d = 0.01, 2**qubits
        channel = depolarising(factor * infidelity, qubits)  # in Pauli words: tr = d^2 times the process fidelity
        process = np.trace(channel) / d**2
        assert (d * process + 1) / (d + 1) == pytest.approx(1 - infidelity)


def test_a_readout_that_cannot_be_inverted_is_refused_and_mitigation_stays_within_bounds(refused):
    bad = [np.array([[0.501, 0.5], [0.499, 0.5]])]
    with refused("Bit 0 is read with a contrast of 0.001"):
        without_confusion(np.array([0.4, 0.6]), bad)
    weak = [np.array([[0.8, 0.4], [0.2, 0.6]])] * 3
    assert np.abs(mitigated(np.array([1.0, 0, 0, 0, 0, 0, 0, 0]), weak, [(0, 1, 2), (0,)])).max() <= 1


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60), st.integers(0, 6), st.integers(0, 4))
def test_any_cell_ends_in_a_table_or_one_sentence(text, column, line):
    rows = [GOOD.format(k).split(",") for k in range(3)] + [["0-1", "", "", "", "", "0.01", "60"]] * 2
    rows = [list(row) for row in rows]
    rows[line][column] = text
    written = "\n".join([",".join(COLUMNS), *(",".join(row) for row in rows)])
    try:
        chip = read_table(written, "chip.csv", "digest")
    except InputError as error:
        assert str(error).count("\n") == 0 and str(error).startswith("chip.csv") and len(str(error)) < 400
        return
    assert all(math.isfinite(value) for qubit in chip.qubits.values() for value in vars(qubit).values())


EXPECTED = {
    "shipped": "works", "semicolon": "works", "Q3_names": "works", "float_number_3.0": "works",
    "T2>2T1": "notice", "readout_0.5+0.5": "notice", "both_directions_different_(asymmetric)": "notice",
    "disconnected_10+10": "ten", "only_10_qubits": "ten",
    "IBM_calibrations_CSV": "vendor", "IBM_properties_JSON": "vendor", "Quafu_chip_info_JSON": "vendor",
}  # fmt: skip


def test_the_zoo_of_tables(refused):
    if not CASES.is_dir():
        pytest.skip(f"the zoo of tables is not in {CASES}")
    for path in sorted(CASES.glob("*.csv")):
        expected = EXPECTED.get(path.stem, "refused")
        if expected == "refused":
            with refused(path.name, "line ", "column "):
                read_calibration(str(path))
            continue
        chip = read_calibration(str(path))
        assert bool(chip.notices) == (expected in ("notice", "vendor")), path.name
        if expected in ("ten", "vendor"):
            with refused("the longest has 10" if expected == "ten" else "the longest has 1"):
                best_line(chip, 11)
        else:
            assert len(best_line(chip, 11)) == 11
