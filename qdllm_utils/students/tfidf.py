"""Control (h): TF-IDF of words and characters, then logistic regression: no embedder, no teacher, no seed.

scikit-learn's; word unigrams and bigrams beside character 3- to 5-grams within words, sublinear counts,
terms of one training text alone left out. Its C is chosen on the validation rows from as many values as the
other arms have learning rates.
"""

from dataclasses import dataclass

import numpy as np

C_GRID = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class TfidfOutput:
    """logits: (N, C) of every text. parameters: trained; stored_bytes: float32 weights, idf and the terms themselves.

    validation: accuracy of the chosen `c`; tried: {C: validation accuracy}.
    """

    logits: np.ndarray
    parameters: int
    stored_bytes: int
    validation: float
    c: float
    tried: dict[str, float]


def train(texts: list[str], labels: np.ndarray, rows: dict[str, np.ndarray]) -> TfidfOutput:
    """Fit on rows["train"], choose C on rows["validation"] (the smallest of equals), score every text."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union

    vectoriser = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True, dtype=np.float32),
    )
    vectoriser.fit([texts[row] for row in rows["train"]])
    features = vectoriser.transform(texts)
    models = {
        c: LogisticRegression(C=c, max_iter=1000).fit(features[rows["train"]], labels[rows["train"]]) for c in C_GRID
    }
    tried = {
        c: float(model.score(features[rows["validation"]], labels[rows["validation"]])) for c, model in models.items()
    }
    chosen = max(tried, key=lambda c: (tried[c], -c))
    model = models[chosen]
    scores = model.decision_function(features)
    if scores.ndim == 1:
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    vocabulary = [term for part in vectoriser.transformer_list for term in part[1].vocabulary_]
    weights = model.coef_.size + model.intercept_.size
    stored = 4 * (weights + len(vocabulary)) + sum(len(term.encode()) + 1 for term in vocabulary)
    return TfidfOutput(
        scores.astype(np.float32),
        weights,
        stored,
        tried[chosen],
        chosen,
        {str(c): accuracy for c, accuracy in tried.items()},
    )
