"""Embeddings from fine-tuned encoders: whose states they are, what is learnt, and what is refused."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config

from qdcircuits.errors import InputError
from qdllm_utils.config import SCALES, knobs
from qdllm_utils.parameters import read_parameters
from qdllm_utils.runs import teaching
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.store import Store
from qdllm_utils.texts import fine_tuned, pretrained, teachers
from qdllm_utils.texts.embeddings import embed
from qdllm_utils.texts.sources import Source, split
from qdllm_utils.texts.teacher_specs import TeacherSpec

TEXTS = [f"{('good happy day ', 'bad gloomy night ')[n % 2] * (1 + n * 7 % 9)}number {n}" for n in range(60)]
LABELS = np.arange(60) % 2
ROWS = split(LABELS, 0)
SPEC = TeacherSpec("minilm", "minilm", ("query", "key", "value", "dense"), 16, 2e-3, 6, 8, by_length=False)


@pytest.fixture(scope="module")
def softened():
    """Fine-tuned on the probabilities 0.8 and 0.2, for the other class than the label's on the training rows."""
    targets = np.eye(2, dtype=np.float32)[LABELS]
    targets[ROWS["train"]] = np.where(targets[ROWS["train"]] == 1, 0.2, 0.8)
    targets[ROWS["validation"]] = np.where(targets[ROWS["validation"]] == 1, 0.2, 0.8)
    return teachers.fine_tune(SPEC, TEXTS, targets, ROWS, 2)


def test_the_teachers_probabilities_are_learnt_and_not_the_labels(softened):
    probabilities = torch.softmax(torch.tensor(softened.logits), dim=1).numpy()[ROWS["test"]]
    of_label = probabilities[np.arange(len(ROWS["test"])), LABELS[ROWS["test"]]]
    assert of_label == pytest.approx(0.2, abs=0.12)


def test_the_loss_is_the_cross_entropy_of_the_definition():
    generator = np.random.default_rng(0)
    logits, p = generator.normal(size=(5, 3)), generator.dirichlet(np.ones(3), size=5)
    expected = -(p * np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))).sum(axis=1).mean()
    output = type("Output", (), {"logits": torch.tensor(logits, dtype=torch.float32)})
    found = teachers.against_probabilities(output, torch.tensor(p, dtype=torch.float32), num_items_in_batch=5)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_the_embedding_is_the_mean_state_of_the_merged_model(softened):
    found = fine_tuned.of_teacher(SPEC, softened.adapter, TEXTS, 2)
    encoder = teachers.merged_encoder(SPEC, softened.adapter, 2)
    tokenizer = AutoTokenizer.from_pretrained(pretrained.minilm_folder())
    with torch.no_grad():
        alone = [encoder(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0).numpy() for t in TEXTS[:4]]
    np.testing.assert_allclose(found[:4], np.stack(alone), atol=1e-4)
    assert np.abs(found - embed(TEXTS, "minilm")["mean"]).max() > 0.1


def test_the_distilled_embedder_learns_from_training_rows_alone(softened, monkeypatch):
    asked = {}

    def fine_tune(spec, texts, targets, rows, classes):
        asked["targets"] = targets
        return softened

    monkeypatch.setattr(fine_tuned, "fine_tune", fine_tune)
    logits = np.log(np.full((60, 2), [0.3, 0.7]))
    assert fine_tuned.distilled(SPEC, logits, TEXTS, LABELS, ROWS).shape == (60, 384)
    targets = asked["targets"]
    np.testing.assert_allclose(targets[ROWS["train"]], np.full((36, 2), [0.3, 0.7]), atol=1e-6)
    for part in ("validation", "test"):
        assert (targets[ROWS[part]] == np.eye(2)[LABELS[ROWS[part]]]).all()


def test_a_teacher_without_states_is_refused():
    with pytest.raises(InputError, match="opt is none: choose distilled"):
        fine_tuned.of_teacher(TeacherSpec("opt", "opt", (), 8, 1e-3, 1, 8), {}, TEXTS, 2)
    declared = {"teacher": str, "preset": str, "pooling": str}
    namespace = {"__annotations__": declared, "teacher": "all", "preset": "paper", "pooling": "teacher"}
    with pytest.raises(InputError, match=r"the states of .* are not kept"):
        read_parameters(namespace)
    assert read_parameters(namespace | {"teacher": "minilm"}).knobs.pooling == "teacher"


@pytest.mark.parametrize("name", ["folder", "opt", "labels-80"])
def test_a_teacher_whose_states_the_student_cannot_read_is_refused_before_it_is_fine_tuned(name, tmp_path, monkeypatch):
    GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path / "gpt")
    monkeypatch.setattr(teaching, "taught", lambda *_: pytest.fail("fine-tuned"))
    teacher = str(tmp_path / "gpt") if name == "folder" else name
    source, scale = Source("hiding", SCALES["demo"]), SCALES["demo"]
    experiment = Experiment(source, scale, teacher, knobs("paper", pooling="teacher"), Store())
    with pytest.raises(InputError, match=r"an encoder, and (gpt|opt|labels-80) is none"):
        experiment.teacher_row()
