"""What is saved is what was measured: equal in a new process, by class name, without torch, and checked by hash."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

from qdllm_utils.model import load
from qdllm_utils.model.candidates import ARMS
from qdllm_utils.model.onnx_head import session
from tests.model.conftest import NAMES

ROOT = Path(__file__).parents[2]
ASK = """
import json, sys
from qdllm_utils.model import load
model = load(sys.argv[1])
texts = json.load(sys.stdin)
found = model.predict_proba(texts)
assert "torch" not in sys.modules and "transformers" not in sys.modules, "torch was loaded"
json.dump([found.tolist(), model.predict(texts).tolist(), model.classes_.tolist()], sys.stdout)
"""


def in_a_new_process(folder, texts):
    """(probabilities, predictions, classes) of a saved folder, asked for where torch must not be loaded."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder)], cwd=ROOT, input=json.dumps(texts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    probabilities, predictions, classes = json.loads(done.stdout)
    return np.array(probabilities), predictions, classes


@pytest.mark.parametrize("arm", ["tfidf", "probe_2bit", "surrogate", "quantum"])
def test_the_same_in_a_new_process_without_torch(distilled, arm, tmp_path):
    folder = distilled.save(tmp_path / "model", arm)
    texts = distilled.data.part("test")
    probabilities, predictions, classes = in_a_new_process(folder, texts)
    candidate = distilled.candidate(arm)
    assert np.abs(probabilities - candidate.test).max() < 1e-9
    assert classes == sorted(NAMES.values())
    assert predictions == [classes[number] for number in candidate.test.argmax(axis=1)]


@pytest.mark.parametrize("arm", ARMS)
def test_every_candidate_comes_back(distilled, arm, tmp_path):
    if arm == "labels" and arm not in distilled.candidates:
        pytest.skip("no teacher")
    folder = distilled.save(tmp_path / "model", arm)
    found = load(folder).predict_proba(distilled.data.part("test"))
    assert np.abs(found - distilled.candidate(arm).test).max() < 1e-9
    kept = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not {name for name in kept if name.endswith((".pkl", ".bin", ".pt", ".joblib", ".npz"))}
    stored = sum(values.nbytes for values in load_file(folder / "weights.safetensors").values())
    terms = json.loads((folder / "vocabulary.json").read_text()) if arm == "tfidf" else []
    stored += sum(len(term.encode()) + 1 for part in terms for term in part)
    assert stored == distilled.candidate(arm).head_bytes
    assert ("circuit.qasm" in kept) == (arm == "quantum")


@pytest.mark.parametrize("arm", ["linear", "quantum"])
def test_onnx_of_the_folder_gives_the_classifiers_probabilities(distilled, arm, tmp_path):
    folder = distilled.save(tmp_path / "model", arm)
    model, texts = load(folder), distilled.data.part("test")
    embedding = model.model_.scorer.embedder.transform(texts)
    (found,) = session(folder / "head.onnx").run(None, {"embedding": embedding})
    assert np.abs(found - model.predict_proba(texts)).max() < 1e-5


def test_openqasm_of_the_folder_is_the_trained_circuit(distilled, tmp_path):
    openqasm3 = pytest.importorskip("openqasm3")
    folder = distilled.save(tmp_path / "model", "quantum")
    program = openqasm3.parse((folder / "circuit.qasm").read_text())
    inputs = [line for line in program.statements if type(line).__name__ == "IODeclaration"]
    assert len(inputs) == distilled.candidate("quantum").model.scorer.head.qubits


def test_tfidf_is_scikit_learns(distilled, tmp_path):
    """Vectoriser and regression made here, by scikit-learn alone, from the same texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    data, word = distilled.data, r"(?u)\b\w+\b"
    vectoriser = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=word),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True),
    )
    features = vectoriser.fit_transform(data.part("train"))
    loaded = load(distilled.save(tmp_path / "model", "tfidf"))
    scorer = loaded.model_.scorer
    theirs = LogisticRegression(C=scorer.c, max_iter=1000).fit(features, data.labels[data.rows["train"]])
    texts = data.part("test")
    scores = theirs.decision_function(vectoriser.transform(texts))
    assert np.abs(scorer.logits(texts) - scores).max() < 1e-9
    assert np.array_equal(scorer.logits(texts).argmax(axis=1), scores.argmax(axis=1))
    scaled = np.exp(scores / loaded.model_.temperature)
    assert np.abs(loaded.predict_proba(texts) - scaled / scaled.sum(axis=1, keepdims=True)).max() < 1e-9


def test_two_classes_of_tfidf_agree_with_predict_proba():
    from qdllm_utils.model import tfidf

    texts, labels = ["good fine day", "bad poor day", "fine good", "poor bad"] * 5, np.array([1, 0, 1, 0] * 5)
    found = tfidf.fit(texts, labels, texts, labels)
    logits = found.logits(texts)
    chances = found.model.predict_proba(found.features(texts))
    assert np.abs(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - chances).max() < 1e-12


def test_card_and_config_say_what_the_model_is(distilled, tmp_path):
    folder = distilled.save(tmp_path / "model", "quantum")
    config = json.loads((folder / "config.json").read_text())
    assert config["classes"] == sorted(NAMES.values()) and config["max_tokens"] == 60
    assert config["embedder"]["sha256"] and "all-MiniLM-L6-v2" in config["embedder"]["model"]
    card = (folder / "README.md").read_text()
    row = distilled.report.frame.set_index("name").loc["quantum"]
    for part in (
        distilled.report.data_hash,
        f"{row.accuracy:.3f}",
        f"{row.low:.3f}",
        "Controls",
        "limits",
        "zinc & co",
    ):
        assert part in card
    assert str(tmp_path) not in card + json.dumps(config)


def test_a_folder_with_other_files_is_not_touched_and_an_older_model_is_replaced(distilled, tmp_path, refused):
    (tmp_path / "mine.txt").write_text("mine")
    with refused("holds other files"):
        distilled.save(tmp_path)
    folder = distilled.save(tmp_path / "model", "quantum")
    distilled.save(folder, "tfidf")
    assert not (folder / "circuit.qasm").exists() and load(folder).model_.classes
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("damage", "mention"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bert"}'), "was not written by"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"\x80\x04N."), "SHA-256 differs"),
        (lambda folder: change(folder, version=99), "version 99"),
        (lambda folder: change(folder, kind="pickle"), "kind 'pickle'"),
        (lambda folder: change(folder, classes=None), "lacks classes"),
        (lambda folder: change(folder, files={"../../secret": "0"}), "outside the folder"),
    ],
)
def test_a_damaged_or_foreign_folder_ends_with_one_sentence(distilled, damage, mention, tmp_path, refused):
    folder = distilled.save(tmp_path / "model", "tfidf")
    damage(folder)
    with refused(mention):
        load(folder)


def change(folder, **values):
    """Rewrite fields of config.json; None takes one out."""
    config = json.loads((folder / "config.json").read_text()) | values
    kept = {name: value for name, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


def test_no_folder_at_all(tmp_path, refused):
    with refused("There is no folder"):
        load(tmp_path / "nowhere")


def test_a_pickle_in_the_folder_is_not_read(distilled, tmp_path):
    folder = distilled.save(tmp_path / "model", "tfidf")
    trap = "import os\nclass T:\n def __reduce__(s): return (os._exit, (3,))\n"
    code = f"{trap}import pickle\nopen({str(folder / 'model.pkl')!r}, 'wb').write(pickle.dumps(T()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    _, predictions, _ = in_a_new_process(folder, ["a text"])
    assert len(predictions) == 1


def test_an_embedder_of_other_weights_is_refused(distilled, tmp_path, refused, monkeypatch):
    from qdllm_utils.model import loading

    folder = distilled.save(tmp_path / "model", "linear")
    kept = json.loads((folder / "config.json").read_text())["embedder"]
    change(folder, embedder=kept | {"name": "minilm", "kind": "encoder"})
    monkeypatch.setattr(loading, "weights_hash", lambda folder: "another")
    with refused("not the one that the model", "SHA-256"):
        load(folder)
