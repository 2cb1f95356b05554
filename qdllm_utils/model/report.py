"""What a distillation found, as data: a row for each candidate, and the answer in one paragraph."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from qdllm_utils.learning.metrics import classification
from qdllm_utils.model.choice import paired, texts_needed
from qdllm_utils.model.distillation import Distilled, data_hash, tested


def size(number: float) -> str:
    """Bytes in words: '13 bytes', '4.6 kB', '15.1 MB'."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} bytes"


@dataclass(frozen=True)
class Report:
    """The figures of a distillation."""

    distilled: Distilled

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row a candidate, smallest first: accuracies with intervals, F1, ECE, bytes, texts a second, difference.

        Accuracies, intervals and ECE between 0 and 1; `difference`, `low_difference`, `high_difference` on validation,
        from the reference of the choice.
        """
        d = self.distilled
        held = d.data.labels[d.data.rows["validation"]]
        reference = d.candidates[d.choice.reference].validation.argmax(axis=1) == held
        lines = []
        for candidate in d.candidates.values():
            right, (low, high), calibration = tested(candidate, d.data)
            on_validation = candidate.validation.argmax(axis=1) == held
            difference = paired(on_validation, reference)
            metrics = classification(d.data.labels[d.data.rows["test"]], candidate.test.argmax(axis=1))
            lines.append(
                {
                    "name": candidate.name,
                    "title": candidate.title,
                    "validation": float(on_validation.mean()),
                    "accuracy": float(right.mean()),
                    "low": low,
                    "high": high,
                    "f1": metrics["f1"],
                    "ece": calibration.ece,
                    "temperature": candidate.temperature,
                    "bytes": candidate.stored_bytes if candidate.model is not None else np.nan,
                    "head_bytes": candidate.head_bytes if candidate.model is not None else np.nan,
                    "texts_per_second": candidate.rate,
                    "seconds": candidate.seconds,
                    "difference": difference.mean,
                    "low_difference": difference.low,
                    "high_difference": difference.high,
                    "level": difference.level,
                    "recommended": candidate.name == d.recommended,
                }
            )
        return pd.DataFrame(lines).sort_values(["bytes", "head_bytes"], ignore_index=True)

    @property
    def test_texts(self) -> int:
        """How many there are."""
        return len(self.distilled.data.rows["test"])

    @property
    def majority_accuracy(self) -> float:
        """Of always answering the largest class, on the test texts."""
        data = self.distilled.data
        return float((data.labels[data.rows["test"]] == data.majority).mean())

    @cached_property
    def answer(self) -> str:
        """Which model to use, and how sure that is, in plain sentences."""
        d = self.distilled
        row = self.frame.set_index("name").loc[d.recommended]
        facts = (
            f"{size(row.bytes)}, accuracy {row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}] on {self.test_texts} test "
            f"texts, {self.standing}, {row.texts_per_second:,.0f} texts a second"
        )
        cost = d.candidate().settings.get("int8_cost")
        if cost:
            facts += f" (int8 to float32 under the same head, on the test texts: {cost})"
        held = len(d.data.rows["validation"])
        if not d.choice.told_from_majority:
            largest = d.data.classes[d.data.majority]
            return (
                f"Nothing can be recommended yet: on {held} validation texts no model that could be chosen is "
                "told from "
                f"always answering {largest!r} (right on {self.majority_accuracy:.3f} of the test texts). The "
                "best so far "
                f"is {row.title}: {facts}. {self.more}"
            )
        if not d.choice.level:
            return (
                f"Use {row.title} for now: {facts}. It is the best on the {held} validation texts, and these "
                "are too few, or "
                f"the models too far apart, for a smaller one to be shown level. {self.more}"
            )
        return f"Use {row.title}: {facts}."

    @property
    def standing(self) -> str:
        """'level with the teacher', or how far below or above, on validation."""
        d = self.distilled
        chosen, difference = d.choice, d.choice.difference
        if chosen.name == chosen.reference:
            sizes = {name: c.stored_bytes for name, c in d.candidates.items() if c.model is not None}
            if sizes[chosen.name] == min(sizes.values()):
                return "the best on validation and the smallest of all"
            return "itself the best on validation, with no smaller model level with it"
        other = "the teacher" if chosen.reference == "teacher" else d.candidates[chosen.reference].title
        if difference.level:
            return f"level with {other} ({difference} on validation)"
        below = f"{abs(100 * difference.mean):.1f} points {'below' if difference.mean < 0 else 'above'} {other}"
        return f"{below} on validation (interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f})"

    @property
    def more(self) -> str:
        """How many labelled texts would tell models five points apart."""
        d = self.distilled
        held = d.data.labels[d.data.rows["validation"]]
        one = d.candidates[d.choice.name].validation.argmax(axis=1) == held
        others = [c for name, c in d.candidates.items() if name != d.choice.name]
        rates = [float(((c.validation.argmax(axis=1) == held) != one).mean()) for c in others]
        number = texts_needed(float(np.median(rates)) if rates else 0.1)
        if number <= len(d.data.texts):
            return "More labelled texts narrow the intervals."
        have = f"{len(d.data.texts):,}"
        return f"About {number:,} labelled texts would narrow the intervals to five points; there are {have}."

    def labels_and_predictions(self, name: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Class numbers of the test texts, and those predicted by a candidate (default: the recommended)."""
        data = self.distilled.data
        return data.labels[data.rows["test"]], self.distilled.candidate(name).test.argmax(axis=1)

    def per_class(self, name: str | None = None) -> pd.DataFrame:
        """precision, recall, F1, test texts and how often predicted, of each class."""
        from sklearn.metrics import precision_recall_fscore_support

        labels, predicted = self.labels_and_predictions(name)
        numbers = np.arange(len(self.distilled.data.classes))
        p, r, f1, support = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
        return pd.DataFrame(
            {
                "class": self.distilled.data.classes,
                "texts": support,
                "predicted": np.bincount(predicted, minlength=len(numbers)),
                "precision": p,
                "recall": r,
                "f1": f1,
            }
        )

    def never_predicted(self, name: str | None = None) -> list[Any]:
        """The classes that a candidate gives to no test text."""
        table = self.per_class(name)
        return table.loc[table["predicted"] == 0, "class"].tolist()

    def confusion(self, name: str | None = None) -> np.ndarray:
        """(C, C): texts of the class of a row that are predicted as the class of a column."""
        from sklearn.metrics import confusion_matrix

        labels, predicted = self.labels_and_predictions(name)
        return confusion_matrix(labels, predicted, labels=np.arange(len(self.distilled.data.classes)))

    @property
    def data_hash(self) -> str:
        """See `distillation.data_hash`."""
        return data_hash(self.distilled.data)
