"""Embeddings without padding to a fixed length equal those of the released way; batches, cuts, and refusals."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qdllm_utils.__main__ import main
from qdllm_utils.model import distil, load, training
from qdllm_utils.model.embedders import Encoder, embedder
from qdllm_utils.model.tokens import automatic, cut, in_batches, lengths_in_tokens
from qdllm_utils.model.transformer import Transformer
from qdllm_utils.pages.fig5_students import saved_subject
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.store import Store
from qdllm_utils.texts import corpora
from qdllm_utils.texts.pretrained import minilm_folder

TEXTS = ["short", "a text of a few words more than that", "word " * 100, "é ü 漢字 🙂"]


def test_embeddings_are_those_of_the_padded_path():
    from qdllm_utils.texts.embeddings import embed

    wanted = embed(TEXTS, "minilm")
    found = embedder("minilm", 60).poolings(TEXTS)
    for pooling in ("mean", "middle"):
        assert np.abs(found[pooling] - wanted[pooling]).max() < 1e-5
    half = embedder("minilm", 60, "middle")
    assert half.model.config.num_hidden_layers == 3
    assert np.abs(half.transform(TEXTS) - wanted["middle"]).max() < 1e-5


def test_batches_hold_every_row_once_within_the_limit():
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    batches = in_batches(lengths, 2000)
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(len(batch) * lengths[batch].max() <= 2000 for batch in batches)
    assert [len(batch) for batch in in_batches(np.array([5000, 5000]), 2000)] == [1, 1]


def test_a_cut_text_keeps_its_last_special_token():
    assert cut([101, 1, 2, 3, 102], 4) == [101, 1, 2, 102] and cut([101, 102], 4) == [101, 102]


def test_auto_is_the_95th_percentile_up_to_a_multiple_of_eight():
    assert automatic(np.arange(1, 101)) == 96 and automatic(np.full(9, 2)) == 16 and automatic(np.full(9, 2000)) == 512
    assert lengths_in_tokens(["a b c", "a"], "static").tolist() == [5, 3]


def test_static_is_a_mean_of_token_vectors():
    static = embedder("static", 60)
    one, other, both = static.transform(["river", "bank", "river bank"])
    table = {
        word: static.model.embedding[static.model.tokenizer.token_to_id(word)].astype(float)
        for word in ("river", "bank")
    }
    mean = (table["river"] + table["bank"]) / 2
    assert np.abs(both - mean / np.linalg.norm(mean)).max() < 2e-3  # float16
    assert np.linalg.norm(one) == pytest.approx(1, abs=2e-3) and one @ other < 1
    assert np.isfinite(static.transform([""])).all()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A BERT of one layer with random weights and MiniLM's tokeniser, as a folder."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny") / "my bert"
    torch.manual_seed(0)
    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    ).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(f"{minilm_folder()}/{name}", folder / name)
    return folder


def test_a_teacher_from_a_folder_is_tuned_kept_and_loaded_again(tiny, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    texts, labels = corpora.generate("emotion", 20)
    more = ["a text without a label"]
    found = distil(texts, labels, str(tiny), more, 24, arms=("tfidf",), curve=False, progress=False)
    assert set(found.candidates) == {"tfidf", "teacher"} and found.taught.logits.shape == (len(found.data.texts) + 1, 2)
    folder = found.save(tmp_path / "model", "teacher")
    model, words = load(folder), found.data.part("test")
    assert np.abs(model.predict_proba(words) - found.candidates["teacher"].test).max() < 1e-5
    plain = AutoModelForSequenceClassification.from_pretrained(folder / "teacher").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "teacher")
    wanted = plain(**tokenizer(words[0], truncation=True, max_length=24, return_tensors="pt")).logits.detach().numpy()
    assert np.abs(Transformer(folder / "teacher", 24).logits(words[:1]) - wanted).max() < 1e-5


def test_an_embedder_of_ones_own_folder(tiny, tmp_path, refused):
    texts, labels = corpora.generate("emotion", 20)
    found = distil(texts, labels, None, embedder=str(tiny), arms=("probe_1bit",), curve=False, progress=False)
    folder = found.save(tmp_path / "model")
    kept = json.loads((folder / "config.json").read_text())["embedder"]
    assert kept["model"] == "folder my bert" and str(tiny.parent) not in (folder / "config.json").read_text()
    with refused("embedder of your own", "embedder="):
        load(folder)
    words = found.data.part("test")
    assert np.abs(load(folder, embedder=str(tiny)).predict_proba(words) - found.candidate().test).max() < 1e-6
    with refused("not the one that the model"):
        load(folder, embedder="minilm")
    given, said = tmp_path / "new.txt", tmp_path / "said.txt"
    given.write_text("\n".join(word.replace("\n", " ") for word in words), encoding="utf-8")
    with pytest.raises(SystemExit, match="--embedder"):
        main(["predict", str(folder), str(given), str(said)])
    main(["predict", str(folder), str(given), str(said), "--embedder", str(tiny)])
    assert said.read_text(encoding="utf-8").split() == [*load(folder, embedder=str(tiny)).predict(words)]


def test_a_quantum_student_of_ones_own_embedder_goes_to_figure_5_and_into_a_bundle(
    tiny, tmp_path, refused, monkeypatch
):
    monkeypatch.setattr(training, "STEPS", 100)
    texts, labels = corpora.generate("emotion", 20)
    found = distil(texts, labels, None, embedder=str(tiny), arms=("quantum",), curve=False, progress=False)
    folder, table = found.save(tmp_path / "model", name="quantum"), tmp_path / "new.csv"
    pd.DataFrame({"text": texts[:6], "label": labels[:6]}).to_csv(table, index=False)
    values = {"model": str(folder), "csv": str(table), "seed": 0}
    with refused("-p embedder"):
        saved_subject(Parameters(values), Store())
    subject = saved_subject(Parameters(values | {"embedder": str(tiny)}), Store())
    assert subject is not None
    scorer = load(folder, embedder=str(tiny)).model_.scorer
    assert np.allclose(subject.inputs, scorer.head.inputs(scorer.embedder.transform(texts[:6])))
    assert "draws" not in subject.identity and replace(subject, seed=1).identity == subject.identity | {"draws": 1}
    main(["hardware", "export", str(folder), str(table), str(tmp_path / "bundle"), "--embedder", str(tiny)])
    assert len(list((tmp_path / "bundle").rglob("*.qasm"))) >= 6


def test_an_embedder_that_is_not_asked_for_is_refused(distilled, tmp_path, refused):
    with refused("in its own folder", "leave embedder out"):
        load(distilled.save(tmp_path / "static", name="quantum"), embedder="minilm")
    with refused("with no embedder", "leave embedder out"):
        load(distilled.save(tmp_path / "words", name="tfidf"), embedder="minilm")


def test_several_embedders_and_unknown_ones(refused):
    texts, labels = corpora.generate("emotion", 12)
    found = distil(texts, labels, None, embedder="static, minilm", arms=("probe_1bit",), curve=False, progress=False)
    assert set(found.candidates) == {"probe_1bit@static", "probe_1bit@minilm"}
    assert isinstance(found.candidates["probe_1bit@minilm"].model.scorer.embedder, Encoder)
    with refused("no folder './nowhere'"):
        distil(texts, labels, None, embedder="./nowhere", progress=False)
    for tokens in (4, "many", 10_000):
        with refused("max_tokens is"):
            distil(texts, labels, None, embedder="static", max_tokens=tokens, progress=False)
