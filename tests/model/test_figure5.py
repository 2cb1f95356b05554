"""A saved student of a user's own texts in Figure 5: the same classes, the way to a chip and back, what is refused."""

import ast
import csv
import shutil
from pathlib import Path

import numpy as np
import papermill
import pytest

from qdllm_utils.model.loading import load
from qdllm_utils.pages import fig5
from qdllm_utils.pages import fig5_plots as plots
from qdllm_utils.pages import fig5_views as views
from qdllm_utils.pages.fig5_jobs import replay
from qdllm_utils.pages.fig5_students import SETTLED, saved_subject
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.store import Store


@pytest.fixture(scope="module")
def folder(distilled, tmp_path_factory):
    return distilled.save(tmp_path_factory.mktemp("fig5") / "model", name="quantum")


@pytest.fixture(scope="module")
def texts(labelled, tmp_path_factory):
    listed, names, _ = labelled
    chosen = [k for name in sorted(set(names)) for k in [k for k, one in enumerate(names) if one == name][:3]]
    path = tmp_path_factory.mktemp("texts") / "new.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((listed[k], names[k]) for k in chosen)])
    return path


def parameters(folder, texts, **changes) -> Parameters:
    usual = {"scale": "demo", "preset": "released", "seed": 0, "texts": 4, "shots": 2048, "service": "quafu-sqc"}
    usual |= {"chip": "Baihua", "submit": False, "ledger": None, "token_file": None, "url": None, "bit_order": None}
    usual |= {"retry_failed": False, "calibration": None, "refresh": False, "layers": None, "qubits": None}
    return Parameters(usual | {"model": folder and str(folder), "csv": texts and str(texts)} | changes)


def test_a_saved_student_goes_to_a_chip_and_its_counts_come_back_without_the_folder(
    folder, texts, tmp_path, monkeypatch
):
    from tests.qdcircuits.stand_in import TOKEN, StandIn, serving

    monkeypatch.setenv("QDLLM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("QDLLM_QUAFU_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(fig5, "ERROR_CURVE", (0.0,))  # the curves take most of the time, and nothing here reads them
    own, ledger = tmp_path / "model", tmp_path / "ledger.jsonl"
    shutil.copytree(folder, own)
    asked = {"submit": True, "ledger": str(ledger)}
    with serving(StandIn(waiting=0)) as url:
        figure = views.figure5(parameters(own, texts, url=url, **asked))
    (study,), (row,) = figure.studies, figure.rows
    known = load(folder)
    listed = list(study.subject.own.texts)
    names = np.array(known.classes_)[study.student.predict(exact(study))]
    assert names.tolist() == known.predict(listed).tolist()
    truth = [study.subject.own.classes[label] for label in study.subject.own.labels]
    assert row.result["right"]["ideal"] == sum(a == b for a, b in zip(names, truth, strict=True))
    assert row.result["test_texts"] == len(listed) == 12 and row.result["texts"] == 4
    said = views.verdict(figure) + views.accuracies(figure)
    assert "new.csv" in said and "the model in model" in said and "demo" not in said.lower()
    assert len(plots.condition_figure(figure).axes) == 1
    views.provenance_strip(figure)
    shutil.rmtree(own)
    (found,) = replay(str(ledger), Store())
    assert found.task == "other texts" and found.texts == 4 and found.key == study.student.row.key
    assert np.abs(found.z - row.arrays["z/ideal"]).max() < 5 / np.sqrt(2048)
    assert found.ideal_right == (study.student.predict(row.arrays["z/ideal"]) == row.arrays["labels"]).sum()


def exact(study) -> np.ndarray:
    """<Z> of all texts by PennyLane."""
    import torch

    from tests.qdcircuits.circuit_reference import pennylane

    angles = torch.tensor(study.subject.inputs), torch.tensor(study.student.angles)
    return pennylane(study.student.circuit)(*angles).numpy()


def test_what_does_not_go_together_is_refused(folder, texts, distilled, tmp_path, refused):
    store = Store(tmp_path / "store")
    assert saved_subject(parameters(None, None), store) is None
    with refused("model was given alone"):
        saved_subject(parameters(folder, None), store)
    with refused("csv was given alone"):
        saved_subject(parameters(None, texts), store)
    settled = {"layers": 3, "teacher": "qwen", "tasks": "hiding", "preset": "tuned", "data_dir": "texts", "epochs": 1}
    for name, value in settled.items():
        with refused(f"{name} was given with model"):
            saved_subject(parameters(folder, texts, **{name: value}), store)
    with refused("is no quantum student"):
        saved_subject(parameters(distilled.save(tmp_path / "tfidf", name="tfidf"), texts), store)
    foreign = tmp_path / "foreign.csv"
    foreign.write_text(texts.read_text(encoding="utf-8").replace("zinc & co", "copper"), encoding="utf-8")
    with refused("the label 'copper'"):
        saved_subject(parameters(folder, foreign), store)


def test_what_a_saved_student_settles_is_compared_with_the_notebooks_own_defaults():
    declared = papermill.inspect_notebook(str(Path(__file__).parents[2] / "notebooks" / "fig5.ipynb"))
    assert {name: ast.literal_eval(declared[name]["default"]) for name in SETTLED} == SETTLED
