"""Figure 5: a study on generated texts, the shipped ledger's replay, dry runs, subset sizes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from qdcircuits.chip.calibration import SHIPPED
from qdcircuits.chip.counts import expectations, without_confusion
from qdcircuits.cloud.ledger import Ledger
from qdcircuits.cloud.mitigation import mitigated_z
from qdllm_utils.config import SCALES, knobs
from qdllm_utils.pages import fig5_views as views
from qdllm_utils.pages.fig5 import Settings, Study, crossing, stratified, supporting_sizes, texts_needed
from qdllm_utils.pages.fig5_checks import check_study, check_submission, shots_of
from qdllm_utils.pages.fig5_jobs import RECORDED, jobs, replay, submit_or_explain
from qdllm_utils.pages.fig5_paired import CONDITIONS, Paired, moments, tally
from qdllm_utils.pages.fig5_repeats import change_over_texts, repeats
from qdllm_utils.pages.fig5_students import Trained
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.texts.sources import Source

WHOLE = dict.fromkeys(("acc", "p", "r", "f1", "validation"), 0.5) | {"parameters": 9, "size": "small"}


class Fixed(Experiment):
    """An experiment whose student is not trained: random angles on random features, so that a study takes seconds."""

    def student_rows(self, students, seeds):
        from qdllm_utils.students.quantum import QuantumStudents

        module = QuantumStudents(8, 2, self.knobs, list(seeds))
        module.angles.data.mul_(100)
        arrays = {name: values[0].numpy() for name, values in module.state_dict().items()}
        return {"quantum": [Row(self.student_identity("quantum", seeds[0]), WHOLE, {"source": "measured"}, arrays)]}

    def embeddings(self, pooling):
        return np.random.default_rng(0).normal(size=(len(self.source.corpus.texts), 8)).astype("float32")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    scale = SCALES["demo"]
    store = Store(tmp_path_factory.mktemp("store"), say=lambda _: None)
    small = Fixed(Source("hiding", scale), scale, "minilm", knobs("released", qubits=4), store)
    return Study(Trained(small, 0), Settings(texts=6, shots=2048))


def parameters(**changes) -> Parameters:
    usual = {
        "service": "quafu-sqc",
        "chip": "Baihua",
        "shots": 2048,
        "submit": False,
        "ledger": "recorded",
        "token_file": None,
        "url": None,
        "bit_order": None,
        "retry_failed": False,
        "calibration": None,
    }
    return Parameters(usual | changes)


def test_a_study_is_marked_simulated_noise_and_comes_back_from_the_store(study):
    row = study.row()
    assert row.provenance["source"] == "simulated noise" and row.identity["kind"] == "simulated"
    again = study.row()
    assert again.result == json.loads(json.dumps(row.result))
    result = row.result
    assert set(result["right"]) == set(CONDITIONS) and result["texts"] == 6
    assert max(result["error"]["ideal"]) == 0 < max(result["error"]["shots"]) < 5 / np.sqrt(2048)
    noise, both = (np.linalg.norm(result["error"][name]) for name in ("noise", "both"))
    assert noise > np.linalg.norm(result["error"]["shots"]) and both < noise
    assert result["test_texts"] == len(study.subject.test) > 6 and result["flips"]["ideal"]["flipped"] == 0


def test_the_exact_circuits_right_texts_are_those_of_the_simulator_over_all_test_texts(study):
    import torch

    from qdcircuits.simulation import simulator

    student, labels = study.student, study.subject.labels[study.subject.test]
    angles = torch.tensor(study.subject.inputs[study.subject.test]), torch.tensor(student.angles)
    exact = student.predict(simulator(student.circuit, "torch")(*angles).numpy())
    assert study.row().result["right"]["ideal"] == (exact == labels).sum()


def test_what_is_drawn_for_all_texts_have_the_mean_and_covariance_of_sampled_counts(study):
    from qdcircuits.chip.counts import measured_confusion, sample
    from qdcircuits.chip.noise import NoisyCircuit, confusion_matrices

    inputs, rng = study.subject.inputs[:3], np.random.default_rng(0)
    circuit = NoisyCircuit(study.compiled, study.chip, precision=np.float64)
    counter = Paired(study.student.head, study.student.bias, study.compiled.parities, 1024, rng)
    mean, covariance = moments(circuit, inputs, counter.above)
    for z, m, c in zip(inputs, mean, covariance, strict=True):
        p = circuit.probabilities(z)
        expected = counter.above @ p
        spread = (counter.above * p) @ counter.above.T - np.outer(expected, expected)
        assert np.abs(m - expected).max() < 1e-9 and np.abs(c - spread).max() < 1e-9
        by_hand = study.student.head.T @ expectations(p, study.compiled.parities) + study.student.bias
        assert np.abs(m - (by_hand[1:] - by_hand[0])).max() < 1e-9
    drawn = np.array([counter.draw(circuit, inputs[:1], counter.above)[0] for _ in range(4000)])
    assert np.abs(drawn.mean(axis=0) - mean[0]).max() < 5 * np.sqrt(covariance[0].max() / 1024 / 4000)
    assert np.allclose(
        np.atleast_2d(np.cov(drawn.T)), covariance[0] / 1024, rtol=0.2, atol=1e-3 * covariance[0].max() / 1024
    )
    known = measured_confusion(confusion_matrices(study.compiled, study.chip), 10**7, rng)
    noisy = {fold: NoisyCircuit(study.compiled, study.chip, fold) for fold in (1, 3, 5)}
    ideal = NoisyCircuit(study.compiled, study.chip.noiseless())
    classes = Paired(study.student.head, study.student.bias, study.compiled.parities, 10**9, rng).classes(
        ideal, noisy, study.subject.inputs, known
    )
    table = sample(noisy[1].probabilities(study.subject.inputs[0]), 10**8, rng)
    assert classes["noise"][0] == study.student.predict(expectations(table, study.compiled.parities))
    better = study.student.predict(expectations(without_confusion(table, known), study.compiled.parities))
    assert classes["readout mitigated"][0] == better


def test_the_tally_is_arithmetic():
    truth = np.array([0, 0, 1, 1, 1])
    classes = dict.fromkeys(CONDITIONS, np.array([0, 1, 1, 1, 0]))
    classes |= {"noise": np.array([1, 0, 1, 0, 0]), "both": np.array([0, 0, 1, 1, 1])}
    found = tally(classes, truth)
    assert found["right"]["ideal"] == 3 and found["right"]["both"] == 5
    assert found["flips"]["noise"] == {"flipped": 3, "lost": 2, "won": 1}
    assert found["back"]["both"] == {"back": 2, "more": 1} and found["back"]["extrapolated"]["back"] == 3


def test_where_the_curve_crosses_an_accuracy_and_how_many_texts_a_difference_needs():
    result = {"by_error": {"0.0": 0.9, "1.0": 0.8, "2.0": 0.6}, "median_error": 0.01}
    row = Row({}, result, {}, {})
    assert crossing(row, 0.7) == pytest.approx(0.015) and crossing(row, 0.85) == pytest.approx(0.005)
    assert crossing(row, 0.5) is None and crossing(row, 0.95) is None
    assert texts_needed(0.7375, 0.6785) == pytest.approx(931, abs=5)


def test_the_ideal_condition_is_the_trained_student_itself(study):
    import torch

    from qdcircuits.simulation import simulator

    row, student = study.row(), study.student
    exact = simulator(student.circuit, "torch")(torch.tensor(row.arrays["inputs"]), torch.tensor(student.angles))
    assert np.abs(row.arrays["z/ideal"] - exact.numpy()).max() < 1e-5


def test_a_dry_run_says_what_it_would_take_and_sends_nothing(study, monkeypatch, refused):
    monkeypatch.setattr("requests.request", None)
    said = submit_or_explain([study], [study.row()], parameters())
    assert said.startswith("Dry run: 7 tasks for Baihua") and "to send: 7 tasks, 14,336 shots (14 x 1,024)" in said
    with refused("submit needs a ledger of its own"):
        submit_or_explain([study], [study.row()], parameters(submit=True))
    with refused("shots is 1000"):
        submit_or_explain([study], [study.row()], parameters(shots=1000))


def test_submission_sends_the_circuits_and_the_replay_reads_them(study, monkeypatch, tmp_path):
    from tests.qdcircuits.stand_in import TOKEN, StandIn, serving

    monkeypatch.setenv("QDLLM_QUAFU_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)
    path = str(tmp_path / "ledger.jsonl")
    store, row = study.subject.store, study.row()
    store.save(study.student.row)
    with serving(StandIn(waiting=0)) as url:
        submit_or_explain([study], [row], parameters(submit=True, ledger=path, url=url))
    (found,) = replay(path, store)
    assert found.source == "stand-in" and found.texts == 6 and found.key == study.student.row.key
    assert np.abs(found.z - row.arrays["z/ideal"]).max() < 5 / np.sqrt(2048)
    right = (study.student.predict(row.arrays["z/ideal"]) == row.arrays["labels"]).sum()
    assert found.ideal_right == right and found.mitigated == {}


def test_a_chips_counts_are_mitigated_when_asked_and_the_tasks_are_said(study, monkeypatch, tmp_path, refused):
    from tests.qdcircuits.stand_in import TOKEN, StandIn, serving

    monkeypatch.setenv("QDLLM_QUAFU_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)
    own = Study(study.subject, replace(study.settings, table=str(SHIPPED)))
    row, path = own.row(), str(tmp_path / "ledger.jsonl")
    study.subject.store.save(own.student.row)
    asked = {"ledger": path, "calibration": str(SHIPPED), "mitigation": "both", "shots": 10_240}
    with refused("needs the chip's calibration table"):
        submit_or_explain([own], [row], parameters(mitigation="both"))
    said = submit_or_explain([own], [row], parameters(**asked))
    assert "to send: 21 tasks" in said and "seconds of the chip in gates alone" in said  # 1 + 2 + 6 x 3
    written = {file.stem: file.read_text() for file in (tmp_path / "ledger.jsonl.circuits").iterdir()}
    assert len(written) == 21 and not (tmp_path / "ledger.jsonl").exists()
    stand_in = StandIn(waiting=0, flip=0.06)
    with serving(stand_in) as url:
        said = submit_or_explain([own], [row], parameters(submit=True, url=url, **asked))
    assert {task["qasm"] for task in stand_in.accepted.values()} == set(written.values())
    assert "3 tasks wait" in said and "of 20 tasks 20 done" in said
    (found,) = replay(path, study.subject.store)
    assert set(found.mitigated) == {"readout", "extrapolation", "both"}
    ledger = Ledger.open(path)
    names = [job.name for job in jobs(own, row)]
    better = np.array([mitigated_z(ledger, name, own.compiled.parities)["readout"] for name in names])
    errors = [np.sqrt(np.mean((z - row.arrays["z/ideal"]) ** 2)) for z in (found.z, better)]
    assert errors[1] < errors[0] / 2  # the stand-in's chip has readout errors alone
    other = tmp_path / "other.csv"
    other.write_text(SHIPPED.read_text().replace("62.31", "62.32"))
    third = Study(study.subject, replace(study.settings, table=str(other)))
    with serving(stand_in) as url, refused("was begun with"):
        changed = asked | {"calibration": str(other)}
        submit_or_explain([third], [third.row()], parameters(submit=True, url=url, **changed))


def test_what_waits_or_is_undecided_is_said_and_is_no_error(study, monkeypatch, tmp_path):
    from tests.qdcircuits.stand_in import TOKEN, StandIn, serving

    monkeypatch.setenv("QDLLM_QUAFU_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)
    stand_in, asked = StandIn(waiting=0), {"submit": True, "ledger": str(tmp_path / "ledger.jsonl")}
    stand_in.faults = {"submit": [None, None, "drop"]}
    with serving(stand_in) as url:
        said = submit_or_explain([study], [study.row()], parameters(url=url, **asked))
    assert "of 6 tasks 1 open, 1 undecided, 4 not sent" in said and "not known whether" in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"service": "ibm"}, "Unknown service 'ibm'"),
        ({"service": "quafu-v1", "shots": 10_240}, "1,024 to 8,192"),
        ({"bit_order": "middle"}, "Unknown bit_order 'middle'"),
        ({"url": "ftp://127.0.0.1"}, "must begin with https://"),
        ({"url": "https://user:pass@host"}, "no user name"),
        ({"ledger": "/"}, "is a folder"),
        ({"ledger": "a-file/ledger.jsonl"}, "cannot be written"),
        ({"mitigation": "magic"}, "Unknown mitigation 'magic'"),
        ({"submit": True, "ledger": "l.jsonl"}, "No token"),
        ({"texts": 0}, "texts is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"calibration": "none.csv"}, "There is no calibration table"),
    ],
)
def test_a_bad_parameter_is_said_before_anything_is_trained(changes, sentence, monkeypatch, refused, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").touch()
    for name in ("QDLLM_QUAFU_TOKEN", "QPU_API_TOKEN", "QUAFU_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(views, "Store", None)
    usual = {"scale": "demo", "preset": "released", "qubits": None, "layers": None, "seed": 0, "texts": None}
    usual |= {"teacher": "minilm", "tasks": "all", "refresh": False, "data_dir": None}
    with refused(sentence):
        check_submission(parameters(**usual | changes))
        check_study(parameters(**usual | changes), 9)


def test_default_shots_are_the_services():
    assert [shots_of(parameters(shots=None, service=name)) for name in ("quafu-sqc", "quafu-v1")] == [10_240, 8192]


def test_the_shipped_ledger_replays_and_says_that_it_is_the_stand_ins():
    (found,) = replay("recorded", Store())
    assert found.source == "stand-in" and found.task == "Hiding detection" and found.shots == 10_240
    assert found.texts == 8 and np.abs(found.z - found.ideal).max() < 0.5
    assert "token" not in RECORDED.read_text().lower()


def test_a_ledger_that_is_not_there_yet_replays_nothing():
    assert replay("no-such-ledger.jsonl", Store()) == [] == replay(None, Store())


def test_the_subset_is_stratified_and_always_the_same():
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    numbers = np.arange(100)
    chosen = stratified(numbers, labels, 20)
    assert np.bincount(labels[chosen]).tolist() == [12, 6, 2]
    assert np.array_equal(chosen, stratified(numbers, labels, 20))
    assert np.array_equal(stratified(numbers, labels, 500), numbers)
    for size in (2, 98):
        with pytest.raises(ValueError, match="3 to 97 can be drawn"):
            stratified(numbers, labels, size)


def test_subset_sizes_are_those_of_whole_numbers_of_right_texts():
    slow = [n for n in range(1, 300) if any(f"{100 * k / n:.2f}" == "73.75" for k in range(n + 1))]
    assert supporting_sizes("73.75%", 299) == slow and slow[0] == 80
    assert supporting_sizes("50.00%", 6) == [2, 4, 6]


def test_wilson_interval_of_half():
    low, high = views.interval(10, 20)
    z = 1.959964
    half = z * np.sqrt(0.25 / 20 + z**2 / 1600) / (1 + z**2 / 20)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(0.7, "at a two-qubit error of 0.50%"), (0.9, "already without any two-qubit error"), (0.1, "at none looked at")],
)
def test_where_an_accuracy_is_reached_is_said(accuracy, words):
    row = Row({}, {"by_error": {"0.0": 0.8, "1.0": 0.6, "2.0": 0.5}, "median_error": 0.01}, {})
    assert views.reached(row, accuracy) == words


def test_more_seeds_stand_in_a_table_and_the_figures_keep_the_first(study, monkeypatch):
    small, store = study.subject.experiment, study.subject.store
    monkeypatch.setattr(views, "trained_subjects", lambda *_: [Trained(small, seed) for seed in (0, 1, 2)])
    monkeypatch.setattr(views, "Store", lambda refresh: store)
    asked = parameters(scale="demo", teacher="minilm", seed=0, texts=6, refresh=False, preset="released")
    figure = views.figure5(asked)
    assert [row.key for row in figure.rows] == [study.row().key] and len({row.key for _, row in figure.every}) == 3
    shown = repeats(figure)
    shares = [100 * row.result["flips"]["noise"]["flipped"] / row.result["test_texts"] for _, row in figure.every]
    assert f"{np.mean(shares):.1f}" in shown and f"{min(shares):.1f} to {max(shares):.1f}" in shown
    said = views.verdict(figure)
    assert "of 3 students by" in said and "accuracy of MiniLM&#x27;s student of seed 0 from" in said
    assert [row.result.get("texts") for _, row in figure.every] == [6, None, None] and "by_error" not in figure.every[
        1
    ][1].result
    alone = Study(Trained(small, 1), study.settings).row().result
    assert alone["right"]["ideal"] == figure.every[1][1].result["right"]["ideal"]
    assert repeats(replace(figure, every=figure.every[:1])) is None


def test_seeds_and_teachers_asked_for_are_all_made(monkeypatch):
    monkeypatch.setattr(views, "Experiment", lambda source, scale, teacher, knobs, store: (teacher, knobs.layers))
    asked = {"scale": "cpu", "teacher": "minilm, qwen@hiding", "tasks": "emotion,hiding", "seed": 4, "seeds": 2}
    found = views.trained_subjects(parameters(**asked, preset="released", layers=None, data_dir=None, texts=None), None)
    made = [(*subject.experiment, subject.seed) for subject in found]
    expected = [
        (teacher, layers, seed) for teacher in ("minilm", "minilm", "qwen") for layers in (2, 11) for seed in (4, 5)
    ]
    assert made == expected


def test_the_interval_over_texts_is_that_of_the_mean_difference():
    differences = np.random.default_rng(0).choice([-1, 0, 1], size=1500, p=[0.12, 0.83, 0.05])
    flips = {"won": int((differences == 1).sum()), "lost": int((differences == -1).sum())}
    right = {"ideal": 1000, "noise": int(1000 + differences.sum())}
    row = Row({}, {"flips": {"noise": flips}, "right": right, "test_texts": 1500}, {})
    expected = ttest_1samp(100 * differences, 0).confidence_interval()
    assert change_over_texts([row]) == pytest.approx(tuple(expected), abs=0.01)
    assert change_over_texts([row, row]) == pytest.approx(change_over_texts([row]))
