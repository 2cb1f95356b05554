"""What `distil` is given and what it says: repeats, probabilities, few texts, and classes that are never predicted."""

import numpy as np
import pytest

from qdllm_utils.model import distil, training
from qdllm_utils.model.report import Report


def test_report_counts_what_the_predictions_say(distilled):
    report = Report(distilled)
    labels = distilled.data.labels[distilled.data.rows["test"]]
    frame = report.frame.set_index("name")
    for name, candidate in distilled.candidates.items():
        assert frame.loc[name, "accuracy"] == pytest.approx(np.mean(candidate.test.argmax(axis=1) == labels))
        assert np.allclose(candidate.test.sum(axis=1), 1)
    predicted = distilled.candidate().test.argmax(axis=1)
    table, counts = report.per_class(), report.confusion()
    assert table["texts"].sum() == counts.sum() == len(labels) and np.array_equal(
        counts.sum(axis=0), table["predicted"]
    )
    assert np.trace(counts) == (predicted == labels).sum()
    assert "teacher" in frame.index and np.isnan(frame.loc["teacher", "bytes"]) and distilled.recommended != "teacher"
    assert np.array_equal(distilled.candidates["teacher"].test.argmax(axis=1), labels)  # the made-up teacher is right


def test_a_teacher_of_probabilities_has_no_model_to_save(distilled, tmp_path, refused):
    with refused("given as probabilities"):
        distilled.save(tmp_path / "model", "teacher")
    with refused("Unknown candidate 'nothing'"):
        distilled.candidate("nothing")


def test_students_learn_from_the_teacher_and_not_from_the_labels(labelled, monkeypatch):
    """A teacher that calls every class by the next one's name: validation labels choose, but cannot undo that."""
    quick = {"embedder": "static", "curve": False, "progress": False}
    monkeypatch.setattr(training, "STEPS", 150)
    texts, names, teacher = labelled
    found = distil(texts, names, np.roll(teacher, 1, axis=1), arms=("linear", "labels"), **quick)
    labels = found.data.labels[found.data.rows["test"]]
    taught, alone = (found.candidates[name].test.argmax(axis=1) for name in ("linear", "labels"))
    assert (alone == labels).mean() > 0.6 and (taught == labels).mean() < 0.4
    assert (taught == (labels + 1) % 4).mean() > 0.3


def test_five_texts_a_class_give_the_smallest_honest_statement():
    texts = [f"{word} number {number}" for number in range(5) for word in ("good", "bad")]
    found = distil(texts, ["a", "b"] * 5, None, embedder="static", arms=("tfidf", "probe_1bit"), progress=False)
    answer = found.report.answer
    assert answer.startswith("Nothing can be recommended yet") and "2 validation texts" in answer
    assert not found.choice.level or found.choice.name == found.choice.reference


def test_repeats_and_contradictions_are_counted_and_left_out():
    texts = [f"good thing {n}" for n in range(8)] + [f"bad thing {n}" for n in range(8)]
    labels = ["g"] * 8 + ["b"] * 8
    texts += ["Good  thing 0", "both", "both"]
    labels += ["g", "g", "b"]
    found = distil(texts, labels, None, embedder="static", arms=("tfidf",), curve=False, progress=False)
    assert (len(found.data.texts), found.data.repeated, found.data.contradictory) == (16, 1, 2)


def test_a_class_that_is_never_predicted_is_named(distilled):
    report = Report(distilled)
    assert report.never_predicted() == []
    silent = distilled.candidate().test.copy()
    silent[:, 2] = -1
    object.__setattr__(distilled.candidate(), "test", silent)
    try:
        assert report.never_predicted() == [distilled.data.classes[2]]
    finally:
        silent[:, 2] = 1 - silent[:, [0, 1, 3]].sum(axis=1)


@pytest.mark.parametrize(
    ("texts", "labels", "teacher", "mention"),
    [
        (["a"] * 12, ["x"] * 12, None, "one class"),
        (list("abcdefghijkl"), ["x"] * 9 + ["y"] * 3, None, "'y' has 3"),
        (list("abc"), ["x", "y"], None, "3 texts and 2 labels"),
        (list("abc"), ["x", None, "y"], None, "Label number 1"),
        (list("abc"), ["x", 1, "y"], None, "several types"),
        (list("abcdefghij"), ["x", "y"] * 5, np.ones((10, 3)) / 3, "shape (10, 3)"),
        (list("abcdefghij"), ["x", "y"] * 5, np.ones((10, 2)), "no distribution"),
        ([f"text {n}" for n in range(10)], ["x", "y"] * 5, "nonsense", "Unknown teacher 'nonsense'"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_sentence(texts, labels, teacher, mention, refused):
    with refused(mention):
        distil(texts, labels, teacher, embedder="static", arms=("tfidf",), progress=False)


def test_the_four_compressed_berts_are_candidates_and_come_back(labelled, tmp_path, monkeypatch):
    from qdllm_utils.model import load, teacher
    from qdllm_utils.model.teacher import BASELINES

    monkeypatch.setattr(teacher, "BASELINE_EPOCHS", 1)
    texts, names, chances = labelled
    quick = {"arms": ("tfidf",), "max_tokens": 16, "baselines": True, "curve": False, "progress": False}
    found = distil(texts[::6], names[::6], chances[::6], **quick)
    assert set(found.candidates) == {"tfidf", "teacher", *BASELINES}
    assert set(found.report.frame["name"]) == set(found.candidates)
    words = found.data.part("test")
    model = load(found.save(tmp_path / "model", "pkd"))
    assert np.abs(model.predict_proba(words) - found.candidates["pkd"].test).max() < 1e-5


def test_an_adapter_as_the_teacher_says_what_it_is_and_of_what(tmp_path, refused):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    texts = [f"{word} number {n}" for n in range(10) for word in ("good", "bad")]
    with refused("'mine' is a PEFT adapter of org/base", "merge_and_unload"):
        distil(texts, ["a", "b"] * 10, str(tmp_path / "mine"), embedder="static", arms=("tfidf",), progress=False)
