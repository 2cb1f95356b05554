"""The classifier in scikit-learn's hands: Pipeline, cross_val_score, GridSearchCV, clone; and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks

from qdllm_utils.model import DistilledClassifier, load, training


def squeezed(texts):
    return [" ".join(text.split()) for text in texts]


def test_a_loaded_model_in_a_pipeline_scores_as_reported(distilled, tmp_path):
    model = load(distilled.save(tmp_path / "model", "tfidf"))
    pipeline = Pipeline([("squeeze", FunctionTransformer(squeezed)), ("model", model)])
    data = distilled.data
    names = [data.classes[label] for label in data.labels[data.rows["test"]]]
    row = distilled.report.frame.set_index("name").loc["tfidf"]
    assert pipeline.score(data.part("test"), names) == pytest.approx(row.accuracy)
    assert accuracy_score(names, pipeline.predict(pd.Series(data.part("test")))) == pytest.approx(row.accuracy)
    assert list(pipeline.classes_) == data.classes


def test_cross_validation_and_grid_search(labelled):
    texts, names, _ = labelled
    scores = cross_val_score(DistilledClassifier(kind="tfidf"), texts, names, cv=3)
    assert scores.mean() > 0.5
    search = GridSearchCV(DistilledClassifier(kind="tfidf"), {"seed": [0, 1]}, cv=2, refit=True).fit(texts, names)
    assert set(search.predict(texts)) <= set(names) and search.best_params_["seed"] in (0, 1)


def test_fit_with_an_embedding(labelled, monkeypatch):
    texts, names, _ = labelled
    monkeypatch.setattr(training, "STEPS", 50)
    model = DistilledClassifier(kind="linear", embedder="static").fit(texts, names)
    assert model.score(texts, names) > 0.6
    assert np.allclose(model.predict_proba(texts[:5]).sum(axis=1), 1)


def test_clone_has_the_parameters_and_no_model(distilled):
    model = distilled.classifier("tfidf")
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(["a"])


@pytest.mark.parametrize(
    "check",
    [
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
    ],
)
def test_scikit_learns_checks_that_apply_to_texts(check):
    check("DistilledClassifier", DistilledClassifier())


def test_classes_keep_their_type_and_their_place_whatever_the_order(labelled):
    texts, names, _ = labelled
    numbers = [10 * sorted(set(names)).index(name) + 5 for name in names]
    model = DistilledClassifier(kind="tfidf").fit(texts, numbers)
    assert model.classes_.tolist() == [5, 15, 25, 35] and model.classes_.dtype.kind == "i"
    order = np.random.default_rng(0).permutation(len(texts))
    again = DistilledClassifier(kind="tfidf").fit([texts[i] for i in order], [numbers[i] for i in order])
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.score(texts, numbers) > 0.7


@pytest.mark.parametrize(
    ("texts", "mention"),
    [
        ("one text", "list of strings"),
        ([["a"], ["b"]], "Text number 0"),
        (["a", None], "Text number 1"),
        (np.zeros((3, 2)), "shape"),
        ([1.0], "float"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(distilled, texts, mention, refused):
    with refused(mention):
        distilled.classifier("tfidf").predict(texts)


def test_no_texts_give_no_predictions(distilled):
    assert distilled.classifier("tfidf").predict([]).shape == (0,)


def test_only_a_head_has_an_embedding(distilled, refused):
    with refused("reads no embedding"):
        distilled.classifier("tfidf").embed(["a text"])
    with refused("reads no embedding"):
        DistilledClassifier().embed(["a text"])
    with refused("not one str"):
        distilled.classifier("linear").embed("a text")
