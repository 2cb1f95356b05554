"""Figure 5: a study on generated texts, the shipped ledger's replay, dry runs, subset sizes."""

import json

import numpy as np
import pytest

from qdllm_utils.config import SCALES, knobs
from qdllm_utils.pages import fig5_views as views
from qdllm_utils.pages.fig5 import CONDITIONS, Settings, Study, stratified, supporting_sizes
from qdllm_utils.pages.fig5_jobs import RECORDED, replay, submit_or_explain
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.texts.sources import Source


class Fixed(Experiment):
    """An experiment whose student is not trained: random angles on random features, so that a study takes seconds."""

    def student_rows(self, students, seeds):
        from qdllm_utils.students.quantum import QuantumStudents

        module = QuantumStudents(8, 2, self.knobs, list(seeds))
        module.angles.data.mul_(100)
        arrays = {name: values[0].numpy() for name, values in module.state_dict().items()}
        return {"quantum": [Row(self.student_identity("quantum", 0), {}, {"source": "measured"}, arrays)]}

    def embeddings(self, pooling):
        return np.random.default_rng(0).normal(size=(len(self.source.corpus.texts), 8)).astype("float32")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    scale = SCALES["demo"]
    store = Store(tmp_path_factory.mktemp("store"), say=lambda _: None)
    small = Fixed(Source("hiding", scale), scale, "minilm", knobs("released", qubits=4), store)
    return Study(small, Settings(texts=6, shots=2048))


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
    student = study.student
    assert result["right"]["ideal"] == (student.predict(row.arrays["z/ideal"]) == row.arrays["labels"]).sum()


def test_the_ideal_condition_is_the_trained_student_itself(study):
    import torch

    from qdcircuits.simulator import simulator

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
    store, row = study.experiment.store, study.row()
    store.save(study.student.row)
    with serving(StandIn(waiting=0)) as url:
        submit_or_explain([study], [row], parameters(submit=True, ledger=path, url=url))
    (found,) = replay(path, store)
    assert found.source == "stand-in" and found.texts == 6 and found.key == study.student_key
    assert np.abs(found.z - row.arrays["z/ideal"]).max() < 5 / np.sqrt(2048)
    assert found.ideal_right == row.result["right"]["ideal"]


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


def test_subset_sizes_are_those_of_whole_numbers_of_right_texts():
    slow = [n for n in range(1, 300) if any(f"{100 * k / n:.2f}" == "73.75" for k in range(n + 1))]
    assert supporting_sizes("73.75%", 299) == slow and slow[0] == 80
    assert supporting_sizes("50.00%", 6) == [2, 4, 6]


def test_wilson_interval_of_half():
    low, high = views.interval(10, 20)
    z = 1.959964
    half = z * np.sqrt(0.25 / 20 + z**2 / 1600) / (1 + z**2 / 20)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
