"""The encoder in int8: near the float32 one, the same in any company, whole in its folder, its cost said."""

import json

import numpy as np
import pytest

from qdllm_utils.model import distil, load, training
from qdllm_utils.model import int8 as module
from qdllm_utils.model.encoder import Encoder, frozen
from qdllm_utils.model.int8 import FILE, Int8
from qdllm_utils.texts import corpora
from tests.model.test_saving import in_a_new_process
from tests.texts.tiny_models import save

TEXTS = [*corpora.generate("emotion", 12)[0], "short", "word " * 100, "é ü 漢字 🙂"]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "qdllm" / "int8"
    frozen.cache_clear()


def cosines(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_embeddings_are_near_those_of_float32_and_the_same_in_any_company(cache):
    small = Int8("minilm:int8", "mean", 60)
    found = small.poolings(TEXTS)
    for pooling, wanted in Encoder("minilm", "mean", 60).poolings(TEXTS).items():
        assert cosines(found[pooling], wanted).min() > 0.97
    alone = np.concatenate([small.transform([text]) for text in TEXTS])
    assert np.array_equal(alone, found["mean"]) and small.transform([]).shape == (0, 384)
    assert small.stored_bytes < 0.26 * 4 * 22_713_216  # float32 weights of MiniLM: 22.7 M
    half = Int8("minilm:int8", "middle", 60)
    assert half.stored_bytes < 0.8 * small.stored_bytes  # the upper layers are left out
    assert sorted(path.name for path in cache.iterdir()) == sorted(s.place.name for s in (small, half))


def test_a_saved_model_needs_neither_torch_nor_the_folder_and_says_what_int8_costs(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 60)
    source = save(tmp_path / "my mpnet", "mpnet")
    texts, labels = corpora.generate("emotion", 20)
    found = distil(texts, labels, None, embedder=f"{source}:int8", arms=("linear",), curve=False, progress=False)
    folder = found.save(tmp_path / "model")
    (tmp_path / "my mpnet" / "model.safetensors").unlink()
    words = found.data.part("test")
    probabilities, _, _ = in_a_new_process(folder, words)
    assert np.array_equal(probabilities, found.candidate().test)
    config = json.loads((folder / "config.json").read_text())
    assert config["embedder"]["kind"] == "int8" and str(tmp_path) not in json.dumps(config)
    assert config["embedder"]["model"].endswith("of folder my mpnet") and f"embedder/{FILE}" in config["files"]
    assert load(folder).get_params()["embedder"] == "folder my mpnet:int8"
    cost = found.candidate().settings["int8_cost"]
    assert cost in found.report.answer and cost in (folder / "README.md").read_text()


def test_the_cost_is_the_difference_on_the_test_texts(monkeypatch):
    texts, labels = corpora.generate("thematic", 20)
    monkeypatch.setattr(training, "STEPS", 100)
    found = distil(texts, labels, None, embedder="minilm:int8", arms=("linear",), curve=False, progress=False)
    data, model = found.data, found.candidate().model
    truth, words = data.labels[data.rows["test"]], data.part("test")
    encoder, head = model.scorer.embedder, model.scorer.head
    plain = head.logits(encoder.source.transform(words)).argmax(axis=1)
    tested = head.logits(encoder.transform(words)).argmax(axis=1)
    points = 100 * ((tested == truth).mean() - (plain == truth).mean())
    cost = found.candidate().settings["int8_cost"]
    assert cost.startswith(f"{points:+.1f} [") and cost.endswith(f"{np.mean(tested == plain):.1%} agree")


def test_what_cannot_be_exported_or_differs_is_refused_and_leaves_nothing(tmp_path, cache, monkeypatch, refused):
    before = sorted(cache.iterdir())
    texts, labels = corpora.generate("emotion", 12)
    source = save(tmp_path / "mine", "t5")
    with refused("'mine' cannot be had in int8", "without :int8"):
        distil(texts, labels, None, embedder=f"{source}:int8", progress=False)
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    with refused("'other' cannot be had in int8", "differs from torch"):
        Int8(f"{save(tmp_path / 'other', 'bert', hidden_act='relu')}:int8", "mean", 60).transform(["a"])
    assert sorted(cache.iterdir()) == before
    with refused("no folder './nowhere'"):
        Int8("./nowhere:int8", "mean", 60).transform(["a"])
