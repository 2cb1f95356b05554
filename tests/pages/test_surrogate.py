from pathlib import Path

import numpy as np
import pytest
import torch

from qdllm_utils.config import SCALES, knobs
from qdllm_utils.pages import surrogate, surrogate_views
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs import provenance
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.students.quantum import QuantumStudents
from qdllm_utils.texts.sources import Source

TEXTS = SCALES["demo"].generated


def prepare(patch: pytest.MonkeyPatch, store: Path) -> None:
    """Embeddings that are noise, presets of four qubits, and one store for the whole file."""
    features = np.random.default_rng(0).normal(size=(TEXTS, 6)).astype(np.float32)
    patch.setattr(Experiment, "embeddings", lambda self, pooling: features)
    patch.setattr(surrogate, "knobs", lambda preset: knobs(preset, qubits=4))
    patch.setenv("QDLLM_STORE", str(store))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the store, the page's study), with untrained students of four qubits in the store; made once, it takes long."""
    folder = tmp_path_factory.mktemp("surrogate")
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, folder)
        given = {"task": "emotion", "teacher": "minilm", "scale": "demo", "preset": "tuned", "qubits": 4}
        parameters = Parameters(given | {"seed": 0, "words": 6, "data_dir": None, "refresh": False})
        with provenance.recorded() as record:
            pass
        for chosen in (parameters.knobs, knobs("paper", qubits=4)):
            experiment = Experiment(Source("emotion", SCALES["demo"]), SCALES["demo"], "minilm", chosen, Store())
            student = QuantumStudents(6, 2, chosen, [0])
            with torch.no_grad():
                student.angles.normal_()
            arrays = {name: values[0].numpy() for name, values in student.state_dict().items()}
            result = {"acc": 0.5}
            experiment.store.save(Row(experiment.student_identity("quantum", 0), result, record, arrays))
        return folder, surrogate.study(parameters)


@pytest.fixture
def study(made, monkeypatch):
    folder, found = made
    prepare(monkeypatch, folder)
    return found


def test_exact_surrogate_is_the_circuit_and_says_what_it_is(study):
    row = study.chosen.row
    assert row.provenance["source"] == "surrogate" and row.key.startswith("surrogate-")
    assert row.identity["words"] is None and row.identity["knobs"] == study.chosen.quantum.identity["knobs"]
    last = row.result["levels"][-1]
    assert max(last["error"]) < 1e-9 and last["same_class"] == 1 and last["acc"] == row.result["circuit_acc"]
    assert row.result["counts"] == study.chosen.table.counts and row.result["texts"] == TEXTS // 5
    for one in row.result["levels"]:
        assert all(error <= bound + 1e-12 for error, bound in zip(one["error"], one["bound"], strict=True))
        assert one["seconds"] > 0 and 0 < one["total"] <= sum(row.result["counts"])
    bounds = [max(one["bound"]) for one in row.result["levels"]]
    assert bounds == sorted(bounds, reverse=True) and bounds[0] > 1e3 * bounds[-1]


def test_deep_surrogate_states_what_it_left_out(study):
    result = study.deep.row.result
    assert study.deep.row.identity["words"] == 6 and max(result["dropped"]) > 0
    last = result["levels"][-1]
    assert all(error <= bound for error, bound in zip(last["error"][:3], last["bound"][:3], strict=True))
    assert max(last["error"]) > 1e-6


def test_second_time_it_comes_from_the_store(study):
    again = surrogate.study(study.parameters)
    assert again.chosen.row.result == study.chosen.row.result
    assert study.chosen.row.key in again.store.loaded and not again.store.computed
    inputs = np.random.default_rng(1).normal(size=(5, 4))
    assert np.array_equal(again.chosen.table(inputs), study.chosen.table(inputs))


def test_another_number_of_words_is_another_row_of_the_deep_student_only(study):
    experiment = study.experiment
    assert surrogate.identity(experiment, 0, 6) == surrogate.identity(experiment, 0, 7)
    deep = Experiment(experiment.source, experiment.scale, "minilm", knobs("paper"), experiment.store)
    assert surrogate.identity(deep, 0, 6) != surrogate.identity(deep, 0, 7)


def test_views_show_the_rows_numbers(study):
    formulae = surrogate_views.formulae(study)
    assert formulae.count(r"\langle Z_{") == 4 and r"| $\langle Z_{3}\rangle$ | $c_{3}$ | 0.0000 |" in formulae
    outputs = surrogate_views.outputs_table(study)
    assert "demo scale: not a result" in outputs
    for count in study.chosen.row.result["counts"]:
        assert f"<td>{count:,}</td>" in outputs
    levels = surrogate_views.levels_table(study)
    assert levels.count("the circuit, simulated") == 2 and "at most 6 Pauli words" in levels
    assert f"{study.chosen.row.result['levels'][-1]['total']:,}" in levels
    strip = surrogate_views.provenance_strip(study)
    assert "surrogate" in strip and ">4 rows" in strip
    figure = surrogate_views.errors(study)
    assert any(text.get_text() == "demo" for text in figure.texts)


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        ({"task": "news"}, ("task", "'news'", "hiding")),
        ({"seed": -1}, ("seed is -1", "between 0 and 999")),
        ({"words": 0}, ("words is 0", "between 1 and")),
        ({"teacher": "all"}, ("one teacher",)),
        ({"teacher": "./no/such"}, ("There is no folder",)),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_computed(refused, change, mentions):
    given = {"task": "emotion", "teacher": "minilm", "scale": "demo", "preset": "tuned", "seed": 0, "words": 6}
    with refused(*mentions):
        surrogate.study(Parameters(given | {"refresh": False} | change))


def test_headline_tells_the_rows_numbers_and_counts_only_cosines(study):
    one = study.chosen.row.result["levels"][0]
    assert one["terms"] == 1
    one["error"] = [0.003, 0.019, 0.021, 0.0]
    sine = (study.chosen.table.digits(1)[0][0] == 2).any()
    shown = surrogate_views.headline(study)
    title, first, deep = shown.facts["verdicts"]
    cosines = sum((study.chosen.table.digits(output)[0][0] < 2).all() for output in (0, 1, 3))
    assert f"{cosines} of 4 outputs are almost one product of cosines" in title
    assert ("with a sine" in first) == (cosines < 3) and (not sine or cosines < 3)
    assert "3 of 4 are within 0.02" in first and "off at most: ⟨Z2⟩ by 0.021" in first
    assert f"same for {one['same_class']:.1%}" in first and "outputs hardly change" in deep
    assert "demo scale: not a result" in shown
