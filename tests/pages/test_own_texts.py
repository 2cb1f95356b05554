"""The page of a user's own texts: parameters, the example, the answer, the saved folder."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from qdllm_utils.model import load, training
from qdllm_utils.pages import own_texts, own_texts_views


def namespace(**changes):
    """The notebook's globals() with its defaults."""
    kinds = {
        "csv": str, "text_column": str, "label_column": str, "separator": str, "encoding": str, "teacher": str,
        "save": str, "saved": str, "max_tokens": str, "embedder": str, "baselines": bool, "seed": int,
    }  # fmt: skip
    values = dict.fromkeys(kinds) | {"max_tokens": "60", "embedder": "static", "baselines": False, "seed": 0}
    return values | {"teacher": "labels"} | changes | {"__annotations__": kinds}


@pytest.mark.parametrize(
    ("changes", "mention"),
    [
        ({"csv": ""}, "csv is empty"),
        ({"teacher": "nonsense"}, "Unknown teacher 'nonsense'"),
        ({"teacher": "all"}, "one teacher"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"techer": "minilm"}, "Unknown parameter 'techer'"),
        ({"saved": "quantum"}, "saved was given without save"),
        ({"saved": "teacher", "save": "x"}, "Unknown saved 'teacher': choose one of tfidf, linear, probe_8bit"),
        ({"saved": "pkd", "save": "x", "teacher": "minilm"}, "Unknown saved 'pkd'"),
        ({"saved": "quantum", "save": "x", "embedder": "static, minilm"}, "quantum@static"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(changes, mention, refused):
    with refused(mention):
        own_texts.settings(namespace(**changes))


@pytest.mark.parametrize("saved", [None, "quantum"])
def test_own_data_goes_the_whole_path_without_a_stamp(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STEPS", 50)
    rows = [
        (f"{word} thing {n} here", label) for n in range(40) for word, label in (("good", "no <b>"), ("poor", "yes"))
    ]
    pd.DataFrame(rows, columns=["message", "verdict"]).to_csv(tmp_path / "mine.csv", index=False, sep=";")
    columns = {"text_column": "message", "label_column": "verdict"}
    given = namespace(csv=str(tmp_path / "mine.csv"), save=str(tmp_path / "my model"), saved=saved, **columns)
    parameters = own_texts.settings(given)
    own = own_texts.read(parameters)
    shown = [own_texts.data_check(own, parameters)]
    distilled = own_texts.train(own, parameters)
    shown += [own_texts.answer(distilled, parameters), own_texts.candidates(distilled, parameters)]
    shown += [own_texts.per_class(distilled, parameters), own_texts.save(distilled, parameters)]
    page = "".join(shown)
    assert "demo" not in page and "paper" not in page.replace('class="paper"', "")
    assert "accuracy 1.000" in page and "no &lt;b&gt;" in page and "<b>" not in page
    assert distilled.report.answer.split(":")[0] in page.replace("&#x27;", "'")
    assert str(tmp_path) not in page
    figure = own_texts_views.figures(distilled, parameters)
    assert len(figure.axes) == 6 and not figure.texts
    model, texts = load(tmp_path / "my model"), ["a good thing", "poor"]
    assert model.predict(texts).tolist() == ["no <b>", "yes"]
    assert f"{distilled.candidate(saved).title}:" in page and (saved is None or distilled.recommended != saved)
    if saved:
        head = onnxruntime.InferenceSession(str(tmp_path / "my model" / "head.onnx"))
        (probabilities,) = head.run(None, {"embedding": model.embed(texts)})
        np.testing.assert_allclose(probabilities, model.predict_proba(texts), atol=1e-5)
        assert "OPENQASM 3" in (tmp_path / "my model" / "circuit.qasm").read_text(encoding="utf-8")


def test_of_probabilities_there_is_no_teacher_to_save(tmp_path, refused):
    rows = [(f"{word} thing {n}", label, *chances) for n in range(20) for word, label, chances in (
        ("good", "no", (0.9, 0.1)), ("poor", "yes", (0.2, 0.8)))]  # fmt: skip
    pd.DataFrame(rows, columns=["text", "label", "p_no", "p_yes"]).to_csv(tmp_path / "mine.csv", index=False)
    given = namespace(csv=str(tmp_path / "mine.csv"), teacher=None, save=str(tmp_path / "m"), saved="teacher")
    parameters = own_texts.settings(given)
    with refused("saved is 'teacher'", "columns p_<class>"):
        own_texts.train(own_texts.read(parameters), parameters)


def test_without_a_file_the_example_is_stamped():
    parameters = own_texts.settings(namespace())
    own = own_texts.read(parameters)
    assert "generated demo texts" in own_texts.data_check(own, parameters)
    assert "demo scale: not a result" in own_texts.data_check(own, parameters)


def test_texts_that_the_token_limit_makes_equal_are_left_out_and_it_is_said(tmp_path):
    head = "word " * 80
    rows = [(f"{word} thing {n}", label) for n in range(20) for word, label in (("good", "no"), ("poor", "yes"))]
    rows += [(f"{head}{n}", "no") for n in range(3)] + [("🙂", "no"), ("🙁", "yes")]  # one unknown token each, not cut
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "mine.csv", index=False)
    parameters = own_texts.settings(namespace(csv=str(tmp_path / "mine.csv")))
    own = own_texts.read(parameters)
    assert len(own.texts) == 43 and own.texts[40:] == (f"{head}0", "🙂", "🙁")
    page = own_texts.data_check(own, parameters)
    assert "2 texts equal to another one for the embedder were left out" in page
