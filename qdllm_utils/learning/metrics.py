"""The paper's metrics (eqs. 15 to 18), from scikit-learn, macro-averaged over the classes."""

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support


def classification(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy and macro precision, recall and F1 of predicted classes, each between 0 and 1.

    The paper prints positive-class formulas and does not say how four classes are averaged; macro is
    used for every task. A class that is never predicted has precision 0.
    """
    p, r, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    return {"acc": float(accuracy_score(labels, predicted)), "p": float(p), "r": float(r), "f1": float(f1)}


def cost(acc: float, parameters: int, epoch_seconds: float) -> dict[str, float]:
    """The paper's two comprehensive indicators: Acc/Param and Acc/Tkd (seconds of one training epoch)."""
    return {"acc_param": acc / parameters, "acc_tkd": acc / epoch_seconds}
