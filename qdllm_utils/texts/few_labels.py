"""A teacher that knows the classes of a few texts: a logistic regression on a frozen reader's states.

`probe-mpnet-8-3` reads with mpnet, was fitted to 8 texts of each class, and they are draw 3 of the training texts. It
is not fine-tuned: with so few labels there is next to nothing to tune hundreds of modules on.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.texts.teacher_specs import FEW_LABELS
from qdllm_utils.texts.teachers import TeacherOutput


@dataclass(frozen=True)
class FewLabels:
    """What the name of such a teacher says. reader: of the texts; labelled: texts a class; draw: which ones.

    pooling: of the reader, the mean over a text's tokens at half depth.
    """

    pooling: ClassVar[str] = "middle"
    reader: str
    labelled: int
    draw: int

    @classmethod
    def of(cls, name: str) -> "FewLabels | None":
        """From a teacher's name; None for any other teacher."""
        found = FEW_LABELS.fullmatch(name)
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    @property
    def name(self) -> str:
        """The teacher's name."""
        return f"probe-{self.reader}-{self.labelled}-{self.draw}"

    def rows(self, labels: np.ndarray, train: np.ndarray) -> np.ndarray:
        """The numbers of the labelled texts, sorted. labels: (N,); train: numbers of the training texts.

        Raises InputError where a class has fewer training texts. A larger number of the same draw holds a smaller one.
        """
        generator = np.random.default_rng(self.draw)
        chosen = []
        for one in np.unique(labels):
            own = generator.permutation(train[labels[train] == one])
            if len(own) < self.labelled:
                raise InputError(f"A class has {len(own)} training texts: ask for at most so many labelled ones.")
            chosen.append(own[: self.labelled])
        return np.sort(np.concatenate(chosen))

    def teach(self, states: np.ndarray, labels: np.ndarray, train: np.ndarray) -> TeacherOutput:
        """Log-probabilities (N, C) of all texts, from the labelled ones' states (N, d) alone.

        scikit-learn's logistic regression at its default C of 1, on states standardised on the training texts, which
        takes no label.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        known = self.rows(labels, train)
        seen = StandardScaler().fit(states[train]).transform(states)
        model = LogisticRegression(max_iter=1000).fit(seen[known], labels[known])
        chances = model.predict_proba(seen)
        # a text far from the labelled ones may have a class of probability 0, whose logarithm is not finite
        logits = np.log(np.maximum(chances, np.finfo(chances.dtype).tiny)).astype(np.float32)
        return TeacherOutput(logits, model.coef_.size + len(model.intercept_), 0, {})

    def seen(
        self, labels: np.ndarray, parts: dict[str, np.ndarray], logits: np.ndarray, alone: bool
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(labels (N,), parts) as a student meets them; test texts keep their own labels, which only score it.

        Where the true class is not known, the teacher's stands in its place: of the validation texts, which choose the
        epoch, and, for a student that is taught, of the training texts too. Alone, it trains on the labelled texts.
        """
        known = self.rows(labels, parts["train"])
        given = labels.copy()
        told = np.concatenate([np.setdiff1d(parts["train"], known), parts["validation"]])
        given[told] = logits[told].argmax(axis=1)
        return given, parts | {"train": known} if alone else parts
