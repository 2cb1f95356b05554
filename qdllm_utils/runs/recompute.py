"""One published row computed again, from nothing but its identity, and held against what is published."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qdcircuits.errors import InputError
from qdllm_utils.config import SCALES, Knobs, knobs
from qdllm_utils.runs import tuning
from qdllm_utils.runs.experiments import Experiment
from qdllm_utils.runs.identity import data_of, describe
from qdllm_utils.runs.missing import FailedRuns
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.texts.sources import Source

TIMED = ("epoch_seconds",)  # of a result: differs from run to run


@dataclass(frozen=True)
class Again:
    """A row and the same run made again. differing: {field of the result: (published, again)}."""

    key: str
    published: Row
    again: Row
    differing: dict[str, tuple[Any, Any]]

    @property
    def sentence(self) -> str:
        """Whether they are the same, in plain words."""
        before, after = self.published.result["acc"], self.again.result["acc"]
        if not self.differing:
            return f"{self.key}: the same to the last bit (accuracy {after:.6f}), apart from its times."
        names = ", ".join(self.differing)
        return (
            f"{self.key}: not the same. Accuracy {before:.6f} is published, {after:.6f} came out here; {names} differ. "
            "Another processor or another version of torch rounds differently, and training makes a last bit large: "
            f"the row was made with {self.published.provenance['versions']['torch']} on "
            f"{self.published.provenance['machine']['processor']}."
        )


def recompute(key: str, data_dir: str | None = None) -> Again:
    """Compute the row of a key again without looking for it in the store; its teacher and embeddings may be found.

    Raises InputError for an unknown key, for a kind of row that only its page computes, and where the code of today
    makes another row of the same description (its recipe was raised).
    """
    store = Store()
    published = store.find(key)
    if published is None:
        raise InputError(f"There is no row {key!r}: `python -m qdllm_utils rows` lists the keys.")
    identity, labels = published.identity, describe(published.identity)
    if labels["task"] in (None, "other texts") or identity["kind"] not in ("student", "teacher") or "of" in identity:
        raise InputError(
            f"{key} is a row of kind {identity['kind']}, which its page computes: run the page with -p refresh True."
        )
    experiment = experiment_of(identity, labels, store, data_dir)
    if identity["kind"] == "teacher":
        compute = Store(refresh=True, say=store.say)
        now = replace(experiment, store=compute).teacher_identity
        check_same(key, now)
        result, arrays = experiment.compute_teacher()
        again = Row(now, result, {}, arrays)
    elif identity["student"] == "tfidf":
        (again,) = tuning.tfidf_outcome(replace(experiment, store=Unsaved(refresh=True))).rows
        check_same(key, again.identity)
    else:
        check_known(key, identity["student"])
        check_same(key, experiment.student_identity(identity["student"], identity["seed"]))
        again = trained(experiment, identity)
    return Again(key, published, again, differences(published.result, again.result))


class Unsaved(Store):
    """A store that finds nothing and keeps nothing."""

    def save(self, row: Row) -> None:
        """Do not write the row."""


def experiment_of(identity: dict[str, Any], labels: dict[str, Any], store: Store, data_dir: str | None) -> Experiment:
    """The experiment that a row belongs to, from its identity and labels."""
    scale = replace(SCALES["cpu"], embedder=labels["embedder"] or SCALES["cpu"].embedder)
    teacher = (labels["teacher"] or "minilm").removeprefix("twin of ")
    if "knobs" in identity:
        chosen = Knobs(**identity["knobs"])
    else:
        chosen = knobs("paper", epochs=identity["training"][2] if "training" in identity else None)
    rank = identity.get("teacher", identity).get("rank")
    share = identity.get("train_share", 1.0)
    source, split_seed = Source(labels["task"], scale, data_dir), data_of(identity)["split_seed"]
    experiment = Experiment(source, scale, teacher, chosen, store, train_share=share, split_seed=split_seed)
    return experiment if rank in (None, experiment.teacher_spec.rank) else replace(experiment, rank=rank)


def check_known(key: str, student: str) -> None:
    """Raise InputError for a student that the code of today does not have."""
    from qdllm_utils.runs.jobs import BASELINES, ON_EMBEDDINGS, RELATED, WIDE_BASELINES

    if student not in {*ON_EMBEDDINGS, *BASELINES, *RELATED, *WIDE_BASELINES}:
        raise InputError(
            f"{key} was made by an earlier recipe, whose student {student} is gone: check out the commit that the row "
            "names."
        )


def check_same(key: str, identity: dict[str, Any]) -> None:
    """Raise InputError where the code of today gives the run another key."""
    now = key_of(identity)
    if now != key:
        raise InputError(
            f"{key} was made by an earlier recipe; the same run has the key {now} today (recipe "
            f"{identity.get('recipe')}): recompute that one, or check out the commit that the row names."
        )


def trained(experiment: Experiment, identity: dict[str, Any]) -> Row:
    """The student of an identity, trained now."""
    from qdllm_utils.runs.jobs import ON_EMBEDDINGS, Failed, run_jobs

    student, seed = identity["student"], identity["seed"]
    if student in ON_EMBEDDINGS:
        (template,) = experiment.jobs({"quantum": [seed]})
        job = replace(template, student=student, identities=[identity])
    else:
        (job,) = experiment.jobs({student: [seed]})
    (row,) = run_jobs([job])
    if isinstance(row, Failed):
        raise FailedRuns([row])
    return row


def with_weights(experiment: Experiment, row: Row) -> Row:
    """A student's row with its weights: its own, those beside it in the store, or those of the student trained again.

    Published rows of most arms have none. Where the student trained again comes out the same, its row stays; on another
    kind of processor it may not, and then the new row takes its place, and a sentence says so.
    """
    store = experiment.store
    if row.arrays:
        return row
    if loaded := store.load(row.identity, arrays=True):
        return loaded
    store.say(f"{row.key} is published without its weights: training this student again.")
    again = trained(replace(experiment, asked=Knobs(**row.identity["knobs"])), row.identity)
    if differing := differences(row.result, again.result):
        was, now = (100 * each.result["acc"] for each in (row, again))
        store.say(
            f"{row.key} came out otherwise here ({', '.join(differing)}), {now:.2f}% in place of {was:.2f}%: the new "
            "row takes its place."
        )
    else:
        again = replace(row, arrays=again.arrays)
    store.save(again)
    return again


def differences(published: dict[str, Any], again: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields of two results that both have and that are not equal, without the times."""
    names = [name for name in published if name in again and name not in TIMED]
    return {name: (published[name], again[name]) for name in names if not np.array_equal(published[name], again[name])}
