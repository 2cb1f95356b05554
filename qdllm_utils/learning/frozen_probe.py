"""How well a frozen feature separates the classes, told by scikit-learn's logistic regression."""

import numpy as np

C_GRID = (0.001, 0.01, 0.1, 1.0)


def validation_accuracy(features: np.ndarray, labels: np.ndarray, rows: dict[str, np.ndarray]) -> float:
    """The best validation accuracy over C_GRID of a logistic regression on standardised features (N, d).

    Fitted on rows["train"], scored on rows["validation"]; test rows are not touched.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, validation = rows["train"], rows["validation"]
    scaler = StandardScaler().fit(features[train])
    seen, held_out = scaler.transform(features[train]), scaler.transform(features[validation])
    models = [LogisticRegression(C=c, max_iter=300).fit(seen, labels[train]) for c in C_GRID]
    return max(float(model.score(held_out, labels[validation])) for model in models)
