"""LoRA that may be killed: the same bits, the plain loop's gradients, the order of the logits, what is refused."""

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from qdllm_utils.texts import loading, lora, needs, resumption, states, twins
from qdllm_utils.texts.sources import share_of, split
from qdllm_utils.texts.teacher_specs import TeacherSpec

# Easy texts of very different lengths: logits in the order of the lengths would score like chance.
TEXTS = [f"{('good happy day ', 'bad gloomy night ')[n % 2] * (1 + n * 7 % 9)}number {n}" for n in range(60)]
LABELS = np.arange(60) % 2
ROWS = split(LABELS, 0)
SPEC = TeacherSpec("tiny", "tiny", ("q_proj", "k_proj", "v_proj", "o_proj"), 4, 5e-3, 3, 4)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices: two threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny random Qwen2 with its tokeniser."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = twins.train_tokenizer(TEXTS)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=32**-0.5,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def run(tiny: str, folder: Path, spec: TeacherSpec = SPEC, labels: np.ndarray = LABELS):
    return lora.fine_tune_resumable(spec, tiny, TEXTS, labels, ROWS, 2, folder)


def slow_child(tiny: str, folder: Path) -> None:
    """The run with a checkpoint after every step, and a pause after each, so that it can be killed in the middle."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)
    lora.CHECKPOINT_SECONDS, resumption.CHUNK = 0.0, 1
    really = resumption.whole

    def whole(path, write):
        really(path, write)
        time.sleep(0.05)

    lora.whole = resumption.whole = whole
    np.save(folder.parent / "logits.npy", run(tiny, folder).logits)


def kill_when(process, reached) -> None:
    """SIGKILL a process as soon as `reached` holds; it must still be running then."""
    end = time.monotonic() + 60
    while not reached() and process.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    assert process.is_alive() and reached()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def steps(folder: Path) -> int:
    path = folder / "state.pt"
    return torch.load(path, weights_only=True)["step"] if path.is_file() else 0


def test_a_run_killed_twice_ends_with_the_bits_of_an_undisturbed_one(tiny, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers", "peft", "qdllm_utils.texts.lora"])
    killed, whole = tmp_path / "a" / "run", tmp_path / "b" / "run"
    killed.parent.mkdir()
    whole.parent.mkdir()

    def start(folder):
        process = context.Process(target=slow_child, args=(tiny, folder))
        process.start()
        return process

    kill_when(start(killed), lambda: steps(killed) >= 14)  # in the second of three epochs of nine steps
    at_first = steps(killed)
    kill_when(start(killed), lambda: (killed / "others-1.npy").is_file())  # in the last predictions
    assert 14 <= at_first < 27 == steps(killed)
    last, undisturbed = start(killed), start(whole)
    last.join(120)
    undisturbed.join(120)
    assert last.exitcode == undisturbed.exitcode == 0
    found, expected = (np.load(folder.parent / "logits.npy") for folder in (killed, whole))
    assert np.array_equal(found, expected) and found.shape == (60, 2) and np.ptp(found) > 0.1
    ends = [torch.load(folder / "state.pt", weights_only=True) for folder in (killed, whole)]
    for name, values in ends[0]["trained"].items():  # the last epoch's, which need not be the best one's
        assert torch.equal(values, ends[1]["trained"][name])
    assert torch.equal(ends[0]["generators"][0], ends[1]["generators"][0])
    clock = json.loads((killed / "summary.json").read_text())
    assert clock["starts"] == 3 and len(clock["validation"]) == 3 and clock["peak_bytes"] > 1e8


def test_it_learns_and_the_logits_are_in_the_order_of_the_texts(tiny, tmp_path):
    output = run(tiny, tmp_path)
    right = output.logits.argmax(axis=1) == LABELS
    assert right[ROWS["train"]].mean() > 0.9 and right[ROWS["test"]].mean() > 0.8
    # r (in + out) of q, k, v, o in 4 layers, and the head
    assert output.lora_parameters == 4 * 4 * (64 + 48 + 48 + 64) + 64
    base = AutoModel.from_pretrained(tiny)
    assert output.parameters == base.num_parameters() + 64
    again = run(tiny, tmp_path)
    assert np.array_equal(again.logits, output.logits)


def test_the_best_validation_epoch_is_kept(tiny, tmp_path):
    output = run(tiny, tmp_path, replace(SPEC, epochs=4, learning_rate=0.1))
    summary = json.loads((tmp_path / "summary.json").read_text())
    predicted = output.logits[ROWS["validation"]].argmax(axis=1)
    best = max(summary["validation"])
    assert (predicted == LABELS[ROWS["validation"]]).mean() == best
    assert summary["validation"].index(best) + 1 == summary["best_epoch"]


@pytest.mark.parametrize("by_length", [True, False])
def test_an_epoch_has_every_text_once_and_batches_of_like_length(by_length):
    lengths = np.random.default_rng(0).integers(1, 60, 100)
    rows = np.arange(10, 90)
    batches = lora.batches_of_epoch(lengths, rows, 8, by_length, 0, 0)
    assert sorted(np.concatenate(batches)) == list(rows)
    spreads = [np.ptp(lengths[batch]) for batch in batches]
    assert (max(spreads) < 15) == by_length
    other = lora.batches_of_epoch(lengths, rows, 8, by_length, 0, 1)
    assert not np.array_equal(np.concatenate(other), np.concatenate(batches))


def test_probabilities_are_learnt_in_place_of_labels(tiny, tmp_path):
    targets = np.where(np.eye(2)[LABELS] == 1, 0.2, 0.8).astype(np.float32)
    probabilities = torch.softmax(torch.tensor(run(tiny, tmp_path, labels=targets).logits), dim=1).numpy()
    of_label = probabilities[np.arange(60), LABELS][ROWS["test"]]
    assert of_label.mean() == pytest.approx(0.2, abs=0.1)


def test_a_teacher_of_a_share_learns_from_those_texts_alone(tiny, tmp_path):
    half = replace(SPEC, share_learnt=0.5)
    learnt = share_of(ROWS["train"], half.share_learnt, half.seed)
    assert len(learnt) == 18 and set(learnt) < set(ROWS["train"])
    turned = LABELS.copy()
    turned[np.setdiff1d(ROWS["train"], learnt)] ^= 1  # labels that it must not see
    found = run(tiny, tmp_path / "true", half).logits
    assert np.array_equal(found, run(tiny, tmp_path / "turned", half, turned).logits)
    turned[learnt[:6]] ^= 1
    assert not np.array_equal(found, run(tiny, tmp_path / "others", half, turned).logits)


def test_the_validation_texts_have_the_logits_of_the_best_epochs_weights(tiny, tmp_path):
    output = run(tiny, tmp_path, replace(SPEC, epochs=4, learning_rate=0.1))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["best"] < 4, "the last epoch is the best: its weights are no proof"
    tokenizer, model = lora.load_classifier(tiny, 2)
    model = lora.with_adapter(SPEC, model).eval()
    model.load_state_dict(state["best_weights"], strict=False)
    for row in (ROWS["validation"][0], ROWS["train"][0], ROWS["test"][0]):
        with torch.no_grad():
            alone = model(**tokenizer(TEXTS[row], return_tensors="pt")).logits[0]
        np.testing.assert_allclose(output.logits[row], alone.numpy(), atol=1e-4)


def test_a_large_model_is_held_in_bfloat16_where_the_machine_multiplies_it(tiny, tmp_path, monkeypatch, refused):
    small = run(tiny, tmp_path / "float32")
    monkeypatch.setattr(loading, "LARGE", 1)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert loading.dtype_of(tiny) == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert loading.dtype_of(tiny) == torch.bfloat16
    large = run(tiny, tmp_path / "bfloat16")
    for name in ("float32", "bfloat16"):
        assert json.loads((tmp_path / name / "summary.json").read_text())["numbers"] == name
    # the tiny base is rounded to bfloat16 already: what moves the logits is the rounding of the states
    apart = np.abs(large.logits - small.logits)
    assert apart.max() > 0 and np.sqrt((apart**2).mean()) < 0.1 * small.logits.std()
    assert np.array_equal(large.logits, run(tiny, tmp_path / "bfloat16").logits)
    with refused("another run", "number format", "float32"):
        run(tiny, tmp_path / "float32")


@pytest.mark.parametrize(("width", "measured"), [(4, 13.7e9), (2, 11.1e9)])
def test_the_memory_said_is_what_a_run_of_qwen_took(width, measured):
    states = needs.kept_states(16 * 60, 28, 1536, width)
    assert needs.bytes_needed(1_543_714_304, 4_361_216, width) + states == pytest.approx(measured, rel=0.1)


def test_a_checkpoint_of_another_run_and_a_damaged_one_are_refused(refused, tiny, tmp_path):
    run(tiny, tmp_path, replace(SPEC, epochs=1))
    with refused("another run", tmp_path.name):
        run(tiny, tmp_path, replace(SPEC, epochs=1, rank=8))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save({name: value for name, value in state.items() if name != "best_validation"}, tmp_path / "state.pt")
    with refused("earlier version", tmp_path.name):
        run(tiny, tmp_path, replace(SPEC, epochs=1))
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with refused("damaged", tmp_path.name):
        run(tiny, tmp_path, replace(SPEC, epochs=1))


def test_two_processes_do_not_share_a_folder(refused, tiny, tmp_path):
    with resumption.alone(tmp_path), refused("Another process", tmp_path.name):
        run(tiny, tmp_path)


def test_a_loss_that_is_not_finite_ends_the_run(refused, tiny, tmp_path):
    with refused("loss is nan", "step"):
        run(tiny, tmp_path, replace(SPEC, learning_rate=1e30))
    assert not (tmp_path / "summary.json").exists()


def test_too_little_memory_is_said_before_the_weights_are_loaded(refused, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 5e8}))
    monkeypatch.setattr(lora, "load_classifier", lambda *_: pytest.fail("the weights were loaded"))
    with refused("GB of memory", "free"):
        run(tiny, tmp_path)


def test_time_and_memory_are_said(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resumption, "MEASURED", 0.0)
    run(tiny, tmp_path, replace(SPEC, epochs=1))
    told = capsys.readouterr().out
    assert "of memory" in told and "tokens a second" in told and "left" in told and "validation accuracy" in told


def test_frozen_states_are_those_of_each_text_alone(tiny, tmp_path):
    found = states.frozen_states(tiny, TEXTS, tmp_path, max_tokens=12)
    model = AutoModel.from_pretrained(tiny, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    for row in (0, 7, 33):
        tokens = tokenizer(TEXTS[row], truncation=True, max_length=12, return_tensors="pt")
        with torch.no_grad():
            layers = model(**tokens, output_hidden_states=True).hidden_states
        expected = (layers[2][0].mean(0), layers[2][0, -1], layers[4][0].mean(0), layers[4][0, -1])
        for name, vector in zip(states.NAMES, expected, strict=True):
            np.testing.assert_allclose(found[name][row], vector.numpy(), atol=1e-5)
