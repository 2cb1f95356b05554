"""TF-IDF and logistic regression as a model that can be kept: scikit-learn's own, saved without pickle.

The candidate is control (h), `students.tfidf`: the same terms, the same grid of C. What is stored is the vocabulary as
JSON and idf and coefficients as arrays; what is loaded is scikit-learn's own classes with these put in, so that
decisions agree exactly.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0)
PARTS: tuple[dict[str, Any], ...] = (
    {"analyzer": "word", "ngram_range": (1, 2)},
    {"analyzer": "char_wb", "ngram_range": (3, 5)},
)
WORD = r"(?u)\b\w+\b"  # scikit-learn's default leaves words of one character out, which is most of a Chinese text


def vectorisers(vocabularies: list[list[str]] | None = None) -> list[Any]:
    """The two vectorisers, fresh or with a vocabulary (term i has number i)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = []
    for number, part in enumerate(PARTS):
        terms = None if vocabularies is None else {term: i for i, term in enumerate(vocabularies[number])}
        pattern = WORD if part["analyzer"] == "word" else None
        chosen = {"min_df": 2} if terms is None else {"vocabulary": terms}
        found.append(TfidfVectorizer(sublinear_tf=True, token_pattern=pattern, **part, **chosen))
    return found


@dataclass(frozen=True)
class Tfidf:
    """A fitted model. vectorisers: two of scikit-learn's; model: its LogisticRegression; c: chosen on validation."""

    vectorisers: list[Any]
    model: Any
    c: float

    def features(self, texts: list[str]) -> Any:
        """Sparse (N, terms) float64."""
        from scipy.sparse import hstack

        return hstack([vectoriser.transform(texts) for vectoriser in self.vectorisers], format="csr")

    def logits(self, texts: list[str]) -> np.ndarray:
        """(N, C) float64; for two classes (0, decision), whose softmax is the logistic function."""
        scores = self.model.decision_function(self.features(texts))
        return np.stack([np.zeros_like(scores), scores], axis=1) if scores.ndim == 1 else scores

    @property
    def vocabularies(self) -> list[list[str]]:
        """The terms of each vectoriser, in the order of their numbers."""
        return [vectoriser.get_feature_names_out().tolist() for vectoriser in self.vectorisers]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """idf of each part, coefficients (C or 1, terms) and intercepts, float64."""
        idf = {f"idf_{number}": vectoriser.idf_ for number, vectoriser in enumerate(self.vectorisers)}
        return idf | {"coefficients": self.model.coef_, "intercepts": self.model.intercept_}

    @property
    def stored_bytes(self) -> int:
        """Of its arrays, and of the terms with a byte between them."""
        terms = sum(len(term.encode()) + 1 for part in self.vocabularies for term in part)
        return terms + sum(values.nbytes for values in self.arrays.values())


def usable(vectoriser: Any, texts: list[str]) -> bool:
    """Whether any term is left after fitting on these texts."""
    try:
        vectoriser.fit(texts)
    except ValueError:  # scikit-learn's 'empty vocabulary' or 'no terms remain'
        return False
    return True


def fit(
    texts: list[str],
    labels: np.ndarray,
    validation_texts: list[str],
    validation_labels: np.ndarray,
    grid: tuple[float, ...] = C_GRID,
) -> Tfidf | None:
    """Fit on texts with labels (N,), choose C on the validation texts; None where no term occurs in two texts."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    parts = vectorisers()
    if not all(usable(part, texts) for part in parts):
        return None
    empty = Tfidf(parts, None, 0.0)
    train, validation = empty.features(texts), empty.features(validation_texts)
    with threadpool_limits(1, user_api="blas"):  # the products are too small to be shared out
        models = {c: LogisticRegression(C=c, max_iter=1000).fit(train, labels) for c in grid}
    right = {c: float(model.score(validation, validation_labels)) for c, model in models.items()}
    chosen = max(right, key=lambda c: (right[c], -c))
    return Tfidf(parts, models[chosen], chosen)


def restored(vocabularies: list[list[str]], arrays: dict[str, np.ndarray], classes: int, c: float) -> Tfidf:
    """The model from what was saved."""
    from sklearn.linear_model import LogisticRegression

    parts = vectorisers(vocabularies)
    for number, part in enumerate(parts):
        part.idf_ = arrays[f"idf_{number}"]
    model = LogisticRegression(C=c)
    model.classes_ = np.arange(classes)
    model.coef_, model.intercept_ = arrays["coefficients"], arrays["intercepts"]
    model.n_features_in_ = model.coef_.shape[1]
    return Tfidf(parts, model, c)
