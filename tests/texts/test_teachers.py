"""Teachers and twins: sizes, tokenisers, the order of the logits, and a BERT teacher rebuilt from its adapter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModel, AutoTokenizer

from qdllm_utils.config import SCALES, TASKS
from qdllm_utils.texts import pretrained, teachers, twins
from qdllm_utils.texts.fine_tuned import of_teacher as fine_tuned_states
from qdllm_utils.texts.sources import split
from qdllm_utils.texts.teacher_specs import NAMED, REAL, TeacherSpec, hub_name, teacher_spec
from tests.texts.tiny_models import save

# Easy texts of very different lengths, the lengths alike in both classes: logits handed back in the order of
# the lengths would score like chance.
TEXTS = [f"{('good happy day ', 'bad gloomy night ')[n % 2] * (1 + n * 7 % 9)}number {n}" for n in range(60)]
LABELS = np.arange(60) % 2
ROWS = split(LABELS, 0)

# Parameters of the five models, in billions, as their cards give them; a twin has a thousandth.
BILLIONS = {"bloomz-1.1b": 1.07, "bloomz-3b": 3.0, "opt": 6.66, "llama2": 6.74, "llama3": 8.03}


def fine_tuned(name: str, targets: tuple[str, ...], rank: int, epochs: int, rate: float = 3e-3, steps: int = 2):
    spec = TeacherSpec(name, name, targets, rank, rate, epochs, 16, steps)
    return spec, teachers.fine_tune(spec, TEXTS, LABELS, ROWS, 2)


@pytest.fixture(scope="module")
def tokenizer():
    return twins.train_tokenizer(TEXTS)


@pytest.fixture(scope="module")
def llama2():
    return fine_tuned("llama2", ("q_proj", "k_proj", "v_proj"), rank=8, epochs=2)[1]


@pytest.fixture(scope="module")
def bloomz():
    return fine_tuned("bloomz-1.1b", ("query_key_value",), rank=4, epochs=1)[1]


@pytest.fixture(scope="module")
def minilm():
    return fine_tuned("minilm", ("query", "value"), rank=16, epochs=2, rate=1e-3, steps=0)


def test_every_llm_of_the_paper_has_a_twin():
    assert set(twins.TWINS) == set(BILLIONS) == set(NAMED) - set(REAL)


@pytest.mark.parametrize("name", BILLIONS)
def test_a_twin_is_a_thousandth_of_its_model_and_of_its_class(tokenizer, name):
    model = twins.build(name, tokenizer)
    assert model.num_parameters() == pytest.approx(BILLIONS[name] * 1e6, rel=0.15)
    assert name.startswith(model.config.model_type.removesuffix("m"))
    output = model(**tokenizer("good day", return_tensors="pt", return_token_type_ids=False))
    assert output.logits.shape[-1] == twins.VOCABULARY >= len(tokenizer)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")).filter(lambda text: not any(s in text for s in twins.SPECIAL.values())))
def test_a_twins_tokeniser_gives_any_text_back(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids[1:-1]).removeprefix(" ") == text.removeprefix(" ")


def test_a_twin_sees_the_training_rows_only(monkeypatch):
    seen = {}
    monkeypatch.setattr(twins, "pretrain", lambda name, texts, steps, seed, folder: seen.update(texts=texts))
    with teachers.weights_folder(TeacherSpec("opt", "", (), 8, 1e-3, 1, 8, 5), TEXTS, ROWS["train"]):
        assert seen["texts"] == [TEXTS[row] for row in ROWS["train"]]


def test_logits_come_in_the_order_of_the_texts(llama2):
    assert llama2.logits.shape == (60, 2) and llama2.logits.dtype == np.float32
    right = llama2.logits.argmax(axis=1) == LABELS
    assert right.mean() > 0.9 and right[ROWS["test"]].mean() > 0.8


def test_the_lora_parameters_are_those_of_the_formula(llama2, bloomz, minilm):
    def trained(rank, adapted, layers, width):
        """r (in + out) for every adapted matrix, and the head."""
        return layers * rank * sum(fan_in + fan_out for fan_in, fan_out in adapted) + 2 * width

    assert llama2.lora_parameters == trained(8, [(256, 256)] * 3, 8, 256)
    assert bloomz.lora_parameters == trained(4, [(128, 3 * 128)], 4, 128)
    assert minilm[1].lora_parameters == trained(16, [(384, 384)] * 2, 6, 384) + 2


def test_the_merged_model_has_the_size_of_its_base_and_a_head(tokenizer, llama2, bloomz):
    assert llama2.parameters == twins.build("llama2", tokenizer).num_parameters() + 2 * 256
    assert bloomz.parameters == twins.build("bloomz-1.1b", tokenizer).num_parameters() + 2 * 128


def test_a_teacher_is_the_same_the_second_time(bloomz):
    again = fine_tuned("bloomz-1.1b", ("query_key_value",), rank=4, epochs=1)[1]
    np.testing.assert_allclose(again.logits, bloomz.logits, atol=1e-5)
    assert np.ptp(bloomz.logits[:, 0]) > 1e-3


def test_only_an_encoder_leaves_its_adapter(llama2, minilm):
    assert llama2.adapter == {}
    assert {values.dtype for values in minilm[1].adapter.values()} == {np.dtype("float32")}


def test_a_bert_teacher_is_rebuilt_from_its_adapter(minilm):
    spec, output = minilm
    bert = teachers.merged_encoder(spec, output.adapter, 2)
    head = {name.split(".")[-1]: torch.tensor(v) for name, v in output.adapter.items() if "classifier" in name}
    tokens = AutoTokenizer.from_pretrained(pretrained.minilm_folder())(TEXTS, padding=True, return_tensors="pt")
    assert not bert.training and tokens["input_ids"].shape[1] <= 60
    with torch.no_grad():
        pooled = bert(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
        logits = pooled @ head["weight"].T + head["bias"]
        base = AutoModel.from_pretrained(pretrained.minilm_folder())(**tokens).pooler_output
    np.testing.assert_allclose(logits.numpy(), output.logits, atol=1e-4)
    assert (base - pooled).abs().max() > 1e-2


@pytest.mark.parametrize("architecture", pretrained.ENCODERS)
def test_any_encoder_is_rebuilt_from_its_adapter(architecture, tmp_path):
    source = save(tmp_path / "pretrained", architecture)
    spec = TeacherSpec(source, source, (), 4, 3e-2, 1, 16)
    output = teachers.fine_tune(spec, TEXTS, LABELS, ROWS, 2, save_to=tmp_path / "merged")
    rebuilt = teachers.merged_encoder(spec, output.adapter, 2)
    tokens = AutoTokenizer.from_pretrained(source)(TEXTS[:8], padding=True, return_tensors="pt")
    with torch.no_grad():
        found, expected, untaught = (
            model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
            for model in (rebuilt, *(AutoModel.from_pretrained(folder) for folder in (tmp_path / "merged", source)))
        )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (found - untaught).abs().max() > 1e-2
    assert np.isfinite(fine_tuned_states(spec, output.adapter, TEXTS[:8], 2)).all()


def test_a_model_saved_without_its_tokeniser_is_refused_in_a_whole_sentence(refused, tokenizer, tmp_path):
    twins.build("bloomz-1.1b", tokenizer).save_pretrained(tmp_path)
    with refused("cannot be loaded", tmp_path.name, "okeni"):
        teachers.load_classifier(str(tmp_path), 2)


@pytest.mark.parametrize(("scale", "rank", "twin"), [("demo", 8, True), ("cpu", 8, True), ("paper", 64, False)])
def test_the_llms_are_twins_below_the_scale_paper_and_rank_64_at_it(scale, rank, twin):
    for name in BILLIONS:
        spec = teacher_spec(name, SCALES[scale], TASKS["emotion"])
        assert (spec.rank, spec.twin) == (rank, twin)
        assert spec.model == ("twin of " if twin else "") + hub_name(name)
        assert spec.targets == NAMED[name].targets


def test_minilm_is_the_real_model_at_every_scale():
    specs = {teacher_spec("minilm", scale, TASKS["hiding"]) for scale in SCALES.values()}
    assert len(specs) == 1 and not specs.pop().twin
