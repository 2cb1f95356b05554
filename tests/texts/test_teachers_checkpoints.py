"""Any checkpoint as a teacher: it works, with its classes in the right order, or one sentence says why not."""

import gc
import json
import re
import weakref
from pathlib import Path

import numpy as np
import peft
import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from qdcircuits.errors import InputError
from qdllm_utils.texts import adapters, heads, loading, needs, teachers
from qdllm_utils.texts.loading import load_classifier
from qdllm_utils.texts.sources import split
from qdllm_utils.texts.teacher_specs import TeacherSpec
from tests.texts.tiny_models import CONFIGS, TEXTS, TOKENIZER, save

LABELS = np.arange(60) % 2
ROWS = split(LABELS, 0)
NAMES = ("low", "middle", "high")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec_of(source: str, **changes) -> TeacherSpec:
    return TeacherSpec(**{**dict(name=source, model="tiny", targets=(), rank=4, learning_rate=1e-2), **RUN, **changes})


RUN = {"epochs": 1, "batch_size": 16}


def logits_of(source: str, texts=TEXTS) -> np.ndarray:
    """The checkpoint's own logits, each text alone."""
    model = AutoModelForSequenceClassification.from_pretrained(source).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    with torch.no_grad():
        tokens = [tokenizer(text, truncation=True, max_length=60, return_tensors="pt") for text in texts]
        return np.concatenate(
            [model(input_ids=one["input_ids"], attention_mask=one["attention_mask"]).logits.numpy() for one in tokens]
        )


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_model_of_every_architecture_teaches(architecture, tmp_path):
    source = save(tmp_path, architecture)
    texts = [f"{text} </s> [SEP] <pad>" if n % 7 == 0 else text for n, text in enumerate(TEXTS)]
    output = teachers.fine_tune(spec_of(source), texts, LABELS, ROWS, 2)
    assert output.logits.shape == (60, 2) and np.isfinite(output.logits).all() and np.ptp(output.logits[:, 0]) > 1e-4
    whole = AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    assert output.parameters == whole.num_parameters()
    head = sum(value.numel() for part in heads.head_modules(whole).values() for value in part.parameters())
    adapted = adapters.with_adapter(spec_of(source), whole)
    trained = {name: value.numel() for name, value in adapted.named_parameters() if value.requires_grad}
    assert sum(size for name, size in trained.items() if "modules_to_save" in name) == head
    assert output.lora_parameters == sum(trained.values()) > head


@pytest.mark.parametrize("architecture", CONFIGS)
def test_padding_does_not_change_what_is_read(architecture, tmp_path):
    tokenizer, model = load_classifier(save(tmp_path, architecture), 2)
    assert tokenizer.padding_side == ("left" if architecture == "xlnet" else "right")
    alone = model(**tokenizer(TEXTS[:1], return_tensors="pt", return_token_type_ids=False)).logits
    padded = model(**tokenizer(TEXTS[:9], return_tensors="pt", padding=True, return_token_type_ids=False)).logits
    torch.testing.assert_close(padded[:1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["bert", "xlnet", "roberta", "bart", "qwen2"])
def test_a_classifier_of_our_classes_has_its_outputs_in_our_order(architecture, tmp_path):
    source = save(tmp_path, architecture, {0: "High", 1: "low ", 2: "middle"})
    theirs = logits_of(source)
    found = teachers.as_is(source, TEXTS, NAMES)
    np.testing.assert_allclose(found.logits, theirs[:, [1, 2, 0]], atol=1e-5)
    assert found.lora_parameters == 0
    _, model = load_classifier(source, 3, NAMES)
    assert model.config.id2label == {0: "low", 1: "middle", 2: "high"}


def test_a_permuted_classifier_keeps_its_accuracy_through_fine_tuning(tmp_path):
    source = save(tmp_path, "bert", {0: "high", 1: "low", 2: "middle"})
    right = np.array([2, 0, 1])[logits_of(source).argmax(axis=1)]  # high, low, middle are our classes 2, 0, 1
    rows = {"train": np.arange(36), "validation": np.arange(36, 48), "test": np.arange(48, 60)}
    output = teachers.fine_tune(spec_of(source, learning_rate=1e-7), TEXTS, right, rows, 3, NAMES)
    assert (output.logits.argmax(axis=1) == right).mean() > 0.9


@pytest.mark.parametrize(
    "labels", [{0: "low", 1: "high", 2: "none"}, {0: "low", 1: "high"}, dict(enumerate("abcd")) | {4: "low"}]
)
def test_class_names_that_agree_in_part_are_refused(refused, labels, tmp_path):
    source = save(tmp_path, "bert", labels)
    with refused("low", "middle", "agree"):
        load_classifier(source, 3, NAMES)


@pytest.mark.parametrize(
    "labels", [{0: "x", 1: "y", 2: "z"}, dict(enumerate("abcdefgh")), {0: "LABEL_0", 1: "LABEL_1"}, {0: "score"}]
)
def test_a_head_for_other_classes_is_dropped_and_said(refused, labels, tmp_path, capsys):
    source = save(tmp_path, "distilbert", labels)
    _, model = load_classifier(source, 3, NAMES)
    assert tmp_path.name in (told := capsys.readouterr().out) and "dropped" in told
    assert model.classifier.weight.shape[0] == 3 and model.config.problem_type == "single_label_classification"
    stored = load_file(tmp_path / "model.safetensors")
    assert not torch.equal(model.pre_classifier.weight, stored["pre_classifier.weight"])
    assert float(model.pre_classifier.weight.std()) == pytest.approx(0.02, rel=0.2)
    body = "distilbert.transformer.layer.0.ffn.lin1.weight"
    assert torch.equal(model.state_dict()[body], stored[body])
    with refused("as it is", "low"):
        teachers.as_is(source, TEXTS, NAMES)


def test_a_multi_label_and_a_regression_head_are_dropped(tmp_path, capsys):
    for number, kind in enumerate(("multi_label_classification", "regression")):
        source = save(tmp_path / str(number), "bert", {0: "low", 1: "middle", 2: "high"}, problem_type=kind)
        output = teachers.fine_tune(spec_of(source), TEXTS, np.arange(60) % 3, split(np.arange(60) % 3, 0), 3, NAMES)
        assert output.logits.shape == (60, 3) and "dropped" in capsys.readouterr().out


def test_a_base_model_is_no_classifier_as_it_is(refused, tmp_path):
    with refused("as it is", "no classification head"):
        teachers.as_is(save(tmp_path), TEXTS, NAMES)


def edit(folder: Path, name: str, **changes) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | changes))


def without_tokeniser(folder: Path) -> None:
    for file in folder.glob("tok*"):
        file.unlink()


def with_empty_tokeniser(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"] |= {"vocab": {"<unk>": 3}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(content))


def with_another_tokeniser(folder: Path) -> None:
    from qdllm_utils.texts import twins

    twins.train_tokenizer(["abc"]).save_pretrained(folder)


def with_a_larger_tokeniser(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)


def with_nan(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["encoder.layer.1.output.dense.weight"][3, 3] = float("nan")
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def truncated(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    (folder / "model.safetensors").write_text(text)


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "org/base", "peft_type": "LORA"})
    )


def own_code(folder: Path) -> None:
    edit(folder, "config.json", model_type="mine", auto_map={"AutoConfig": "code.C", "AutoModel": "code.M"})
    (folder / "code.py").write_text("raise SystemExit('code of a model was run')\n")


BROKEN = {
    without_tokeniser: "tokeniser is missing",
    with_empty_tokeniser: "tokeniser",
    with_another_tokeniser: "another model's (263 tokens and the model knows 349)",
    lambda folder: edit(folder, "config.json", pad_token_id=50): "another model's (its pad token is not the model's)",
    with_a_larger_tokeniser: "resize_token_embeddings",
    with_nan: "not finite (in bert.encoder.layer.1.output.dense.weight)",
    truncated: "cut short",
    pointer: "git lfs pull",
    pickled: "pickle",
    adapter: "PEFT adapter of org/base",
    own_code: "code",
    lambda folder: edit(folder, "config.json", model_type="nonesuch"): "cannot be loaded",
    lambda folder: edit(folder, "config.json", quantization_config={"quant_method": "gptq", "bits": 4}): "quant",
    lambda folder: edit(folder, "config.json", hidden_size=64): "cannot be loaded",
    lambda folder: (folder / "config.json").write_text("{"): "not JSON",
    lambda folder: (folder / "model.safetensors").unlink(): "no weights",
    lambda folder: edit(folder, "tokenizer_config.json", pad_token=None, eos_token=None): "neither a pad nor an eos",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: re.sub(r"\W+", "-", BROKEN[broken]))
def test_what_cannot_be_used_is_refused_in_one_sentence(refused, broken, tmp_path):
    source = save(tmp_path / "mine")
    broken(tmp_path / "mine")
    with refused("mine", BROKEN[broken]):
        teachers.fine_tune(spec_of(source), TEXTS, LABELS, ROWS, 2)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_model_without_its_tokeniser_is_refused_whatever_the_architecture(refused, architecture, tmp_path):
    source = save(tmp_path / "mine", architecture)
    without_tokeniser(tmp_path / "mine")
    with refused("mine", "okeniser"):
        load_classifier(source, 2)


@pytest.mark.parametrize(
    ("architecture", "positions", "reads"), [("bert", 20, 20), ("roberta", 20, 19), ("gpt2", 20, 20)]
)
def test_texts_longer_than_the_position_table_are_cut_and_it_is_said(architecture, positions, reads, tmp_path, capsys):
    name = "n_positions" if architecture == "gpt2" else "max_position_embeddings"
    source = save(tmp_path, architecture, **{name: positions})
    output = teachers.fine_tune(spec_of(source), TEXTS, LABELS, ROWS, 2)
    assert np.isfinite(output.logits).all() and f"at most {reads} tokens" in capsys.readouterr().out


def test_a_folder_with_a_dollar_in_its_name_works(tmp_path):
    source = save(tmp_path / "a $HOME b")
    assert teachers.fine_tune(spec_of(source), TEXTS, LABELS, ROWS, 2).logits.shape == (60, 2)


def test_texts_that_the_tokeniser_does_not_know_are_refused(refused):
    class Tokenizer:
        unk_token_id = 3

        def __call__(self, text, **_):
            return {"input_ids": [1, 3, 3, 3]}

    config = type("Config", (), {"model_type": "bert", "get_text_config": lambda self: self})()
    with refused("unknown"):
        teachers.encode(Tokenizer(), TEXTS, config)


def test_a_loss_that_is_not_finite_ends_without_a_row(refused, tmp_path):
    with refused("loss is", "step"):
        teachers.fine_tune(spec_of(save(tmp_path), learning_rate=1e30, epochs=3), TEXTS, LABELS, ROWS, 2)


def test_the_model_is_freed_when_fine_tune_returns(tmp_path, monkeypatch):
    seen = []
    really = teachers.load_classifier

    def load(*given, **named):
        tokenizer, model = really(*given, **named)
        seen.append(weakref.ref(model))
        return tokenizer, model

    monkeypatch.setattr(teachers, "load_classifier", load)
    gc.collect()
    gc.disable()
    try:
        teachers.fine_tune(spec_of(save(tmp_path)), TEXTS, LABELS, ROWS, 2)
    finally:
        gc.enable()
    assert seen and seen[0]() is None


def test_a_batch_of_long_texts_goes_in_parts_and_comes_to_the_same(tmp_path, monkeypatch):
    assert [teachers.parts_of_a_batch(32, tokens) for tokens in (60, 128, 129, 512, 9999)] == [1, 1, 2, 4, 32]
    assert teachers.parts_of_a_batch(6, 9999) == 2  # the parts of a batch are equal
    source = save(tmp_path)
    file = Path(source, "config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"attention_probs_dropout_prob": 0.0}))
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda _, values: values)  # the parts would draw other numbers
    spec = spec_of(source, batch_size=12, epochs=3)  # 36 training texts: three batches
    sizes = []
    really = teachers.training_arguments

    def arguments(*given, **named):
        made = really(*given, **named)
        sizes.append((made.per_device_train_batch_size, made.gradient_accumulation_steps))
        return made

    monkeypatch.setattr(teachers, "training_arguments", arguments)
    whole = teachers.fine_tune(spec, TEXTS, LABELS, ROWS, 2)
    monkeypatch.setattr(teachers, "STEP_TOKENS", 1)
    parts = teachers.fine_tune(spec, TEXTS, LABELS, ROWS, 2)
    assert sizes == [(12, 1), (3, 4)] and not np.array_equal(parts.logits, whole.logits)
    np.testing.assert_allclose(parts.logits, whole.logits, atol=1e-5)
    untrained = teachers.fine_tune(spec_of(source, batch_size=12, learning_rate=1e-9), TEXTS, LABELS, ROWS, 2)
    assert np.abs(untrained.logits - whole.logits).max() > 0.01  # so that 1e-5 is close


def test_bfloat16_weights_are_not_merged_and_their_head_is_float32(tmp_path, monkeypatch):
    source = save(tmp_path, "qwen2")
    monkeypatch.setattr(loading, "dtype_of", lambda _: torch.bfloat16)
    kept = []
    really = adapters.with_adapter
    monkeypatch.setattr(teachers, "with_adapter", lambda *given: kept.append(really(*given)) or kept[-1])
    monkeypatch.setattr(peft.PeftModel, "merge_and_unload", lambda _: pytest.fail("merged"), raising=False)
    output = teachers.fine_tune(spec_of(source), TEXTS, LABELS, ROWS, 2)
    assert output.numbers == "bfloat16"
    types = {name: value.dtype for name, value in kept[0].named_parameters()}
    assert {t for name, t in types.items() if "lora_" in name or "score" in name} == {torch.float32}
    assert types["base_model.model.model.embed_tokens.weight"] == torch.bfloat16
    # logits that had been bfloat16 anywhere at the end would survive a rounding to it
    rounded = torch.tensor(output.logits).to(torch.bfloat16).float().numpy()
    assert (rounded != output.logits).mean() > 0.9


def test_more_gpus_do_not_change_a_run(monkeypatch, tmp_path, capsys, refused):
    from transformers import TrainingArguments

    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 1 if self._n_gpu == 1 else 4))
    arguments = teachers.training_arguments(spec_of("x"), str(tmp_path))
    assert arguments.train_batch_size == 16 and arguments._n_gpu == 1 and "one is used" in capsys.readouterr().out
    monkeypatch.setenv("WORLD_SIZE", "2")
    with refused("one process"):
        teachers.training_arguments(spec_of("x"), str(tmp_path))


def test_memory_and_disk_are_refused_before_anything_is_loaded(refused, tmp_path, monkeypatch):
    source = save(tmp_path)
    monkeypatch.setattr(teachers, "load_classifier", lambda *_, **__: pytest.fail("the weights were loaded"))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 5e8}))
    with refused("GB of memory", "free"):
        teachers.fine_tune(spec_of(source), TEXTS, LABELS, ROWS, 2)
    monkeypatch.setattr(needs.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e9}))
    with refused("org/large", "13.5 GB", "HF_HOME"):
        needs.check_download("org/large", 6_740_000_000)


def test_parameters_are_counted_from_the_configuration(tmp_path):
    for architecture in ("bert", "llama", "t5"):
        source = save(tmp_path / architecture, architecture)
        state = load_file(tmp_path / architecture / "model.safetensors")
        assert needs.count_parameters(source) == sum(values.numel() for values in state.values())


def test_trust_remote_code_and_pickles_are_switched_off_everywhere():
    """Every from_pretrained of the wing that reads a user's model passes trust_remote_code."""
    folder = Path(loading.__file__).parent
    for file in ("loading", "needs", "states", "gguf"):
        source = (folder / f"{file}.py").read_text()
        calls = re.findall(r"\.from_(?:pretrained|config)\((?:[^()]|\([^()]*\))*\)", source)
        assert all("trust_remote_code=False" in call or "**where" in call for call in calls), file


def test_the_sentence_is_an_input_error_of_the_project():
    assert isinstance(loading.cannot("x", ValueError("a\nb")), InputError) and len(TOKENIZER) > 256
