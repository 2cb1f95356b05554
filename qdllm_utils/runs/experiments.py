"""From parameters to rows: teacher, embeddings and students, each looked up in the store or computed.

The split and the teacher of a table are fixed (split seed 0); the seeds are the students': initialisation
and batch order. Every student of a table sees the same split and the same teacher outputs.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qdllm_utils.config import CHOICES, CHOSEN, DECODER_POOLINGS, FINE_TUNED_POOLINGS, TASKS, Knobs, Scale
from qdllm_utils.runs import reading
from qdllm_utils.runs.missing import FailedRuns, train_missing
from qdllm_utils.runs.store import Row, Store, key_of
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.sources import Source, share_of, split
from qdllm_utils.texts.teacher_specs import TeacherSpec, embedder_spec, hub_name, teacher_spec, without_model

COMPRESSION = ("tinybert", "minillm", "distilbert", "pkd")
STUDENTS = (*COMPRESSION, "quantum")
WIDE = ("distilbert_768", "pkd_768")
SPLIT_SEED = 0
# Raised when a change of the code changes results that no field of an identity shows.
RECIPE = 1
ON_EMBEDDINGS_RECIPE = 2  # of the students on embeddings; since 2 the bits of a copy do not depend on the others


@dataclass(frozen=True)
class Experiment:
    """One teacher on one corpus, and what its students are trained with.

    asked: the knobs asked for; `knobs` are the same with a pooling `chosen` resolved. rank: of the teacher's LoRA in
    place of its own (the deviations page asks for it). train_share: of the training texts that the students get.
    split_seed: of the split into training, validation and test texts; SPLIT_SEED but on the splits page.
    """

    source: Source
    scale: Scale
    teacher: str
    asked: Knobs
    store: Store
    rank: int | None = None
    train_share: float = 1.0
    split_seed: int = SPLIT_SEED

    @cached_property
    def knobs(self) -> Knobs:
        """The knobs that the students are trained with."""
        if self.asked.pooling != CHOSEN:
            return self.asked
        return replace(self.asked, pooling=self.choice_row().result["chosen"])

    @property
    def data_identity(self) -> dict[str, Any]:
        """What identifies the texts and their split."""
        return {
            "fingerprint": self.source.fingerprint,
            "cleaning": "case and spacing ignored",
            "max_texts": self.scale.max_texts,
            "split": "6:2:2",
            "split_seed": self.split_seed,
        }

    @property
    def teacher_spec(self) -> TeacherSpec:
        """How the teacher is made."""
        spec = teacher_spec(self.teacher, self.scale, TASKS[self.source.task])
        return spec if self.rank is None else replace(spec, rank=self.rank)

    @cached_property
    def teacher_identity(self) -> dict[str, Any]:
        """What identifies the fine-tuned teacher."""
        return {"kind": "teacher", "recipe": RECIPE, "data": self.data_identity, **self.teacher_spec.identity}

    def embedding_identity(self, pooling: str) -> dict[str, Any]:
        """What identifies the embeddings of the texts: a fine-tuned pooling also by what it was tuned on.

        A frozen embedder knows nothing of a split, so its states are those of SPLIT_SEED under every split.
        """
        identity = {
            "kind": "embedding",
            "data": replace(self, split_seed=SPLIT_SEED).data_identity,
            "embedder": pretrained.identity(self.scale.embedder),
        }
        if pooling in FINE_TUNED_POOLINGS:
            identity |= {"fine_tuned": pooling, "teacher": self.teacher_identity}
        if pooling == "distilled":
            identity["training"] = embedder_spec(self.scale, TASKS[self.source.task]).identity
        return identity

    def student_identity(self, student: str, seed: int) -> dict[str, Any]:
        """What identifies one trained student; a related-task baseline has data where the others have a teacher."""
        from qdllm_utils.runs.jobs import BASELINES, ON_EMBEDDINGS, RELATED, WIDE_BASELINES

        identity: dict[str, Any] = {"kind": "student", "recipe": RECIPE, "student": student, "seed": seed}
        if self.train_share < 1:
            identity["train_share"] = self.train_share
        if student in ON_EMBEDDINGS:
            identity["recipe"] = ON_EMBEDDINGS_RECIPE
            identity |= {"embedding": self.embedding_identity(self.knobs.pooling), "knobs": self.knobs.identity}
        else:
            baseline = (BASELINES | WIDE_BASELINES).get(student) or RELATED[student]
            identity |= {
                "size": asdict(baseline.paper if self.scale.paper_sizes else baseline.small),
                "weights": baseline.weights,
                "training": [baseline.learning_rate, baseline.batch_size, self.knobs.epochs, baseline.patience],
            }
        if student not in RELATED:
            return identity | {"teacher": self.teacher_identity}
        if pooling := self.pooling(student):
            identity["embedding"] = self.embedding_identity(pooling)
        return identity | {"data": self.data_identity}

    def test_labels(self) -> np.ndarray:
        """The class of each test text, (N,), from a small row of its own, so that a page needs no texts."""
        from qdllm_utils.learning.metrics import packed, unpacked

        identity, label = {"kind": "labels", "data": self.data_identity}, f"test labels, {self.source.title}"
        row = self.store.get(
            identity, lambda: ({"test": packed(self.source.corpus.labels[self.parts()["test"]])}, {}), label
        )
        return unpacked(row.result["test"])

    def pooling(self, student: str) -> str | None:
        """Which frozen embedding of the texts a student reads; None for one that reads the texts themselves."""
        from qdllm_utils.runs.jobs import ON_EMBEDDINGS, RELATED

        if student in ON_EMBEDDINGS:
            return self.knobs.pooling
        related = RELATED.get(student)
        return getattr(related.paper if self.scale.paper_sizes else related.small, "pooling", None) if related else None

    def teacher_row(self, arrays: bool = False) -> Row:
        """The teacher's row: accuracies, sizes; with arrays its logits (N, C) and an encoder's adapter."""
        return self.store.get(self.teacher_identity, self.compute_teacher, f"teacher {self.teacher}", arrays)

    def compute_teacher(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Fine-tune the teacher and score it; one whose states the student could not read is refused before that."""
        from qdllm_utils.runs import teaching
        from qdllm_utils.texts.fine_tuned import check_encoder

        if self.asked.pooling == "teacher":
            check_encoder(self.teacher_spec)
        folder = self.checkpoints(self.teacher_identity)
        return teaching.taught(self.teacher_spec, self.source.corpus, self.parts(), folder, self.states_of)

    def states_of(self, few: Any) -> np.ndarray:
        """The frozen states (N, d) that a teacher of few labels reads (`texts.few_labels.FewLabels`)."""
        return replace(self, scale=replace(self.scale, embedder=few.reader)).embeddings(few.pooling)

    def embeddings(self, pooling: str) -> np.ndarray:
        """The embeddings of all texts for a pooling, (N, d), each a row of its own; the frozen ones are made together.

        Raises InputError for a pooling that the model does not have.
        """
        row = self.store.load(self.pooled_identity(pooling), arrays=True)
        if row is None:
            reading.check(self.scale.embedder, pooling)
            label = f"embeddings, {pooling}" if pooling in FINE_TUNED_POOLINGS else "frozen embeddings"
            self.store.check_writable()
            key = key_of(self.embedding_identity(pooling))  # of all frozen poolings, which are made together
            with self.store.claim(key).held(f"{label}: another process is computing them: waiting.", self.store.say):
                row = self.store.load(self.pooled_identity(pooling), arrays=True)
                row = row or reading.made(self, pooling, label)[pooling]
        return row.arrays[pooling]

    def pooled_identity(self, pooling: str) -> dict[str, Any]:
        """What identifies the row that holds the embeddings of one pooling."""
        return self.embedding_identity(pooling) | {"pooling": pooling}

    def checkpoints(self, identity: dict[str, Any]) -> Path:
        """Where a long run of an identity keeps what it has, so that a killed one goes on."""
        return self.store.folder / "unfinished" / key_of(identity)

    def choice_row(self) -> Row:
        """The row of the pooling that the preset `tuned` takes: of CHOICES the best on validation.

        Judged by a logistic regression, which is no arm of any comparison: the same pooling then goes to all arms.
        """
        identity = {
            "kind": "pooling",
            "recipe": RECIPE,
            "embedding": self.embedding_identity("mean"),
            "candidates": list(CHOICES),
            "judge": "logistic regression",
        }
        if self.split_seed != SPLIT_SEED:
            identity["split_seed"] = self.split_seed
        return self.store.get(identity, self.compute_choice, f"pooling of {self.scale.embedder}, {self.source.title}")

    def compute_choice(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Validation accuracy of a logistic regression on each pooling that the embedder has."""
        from qdllm_utils.learning.frozen_probe import validation_accuracy

        labels, decoder = self.source.corpus.labels, pretrained.is_decoder(self.scale.embedder)
        names = [name for name in CHOICES if not decoder or name in DECODER_POOLINGS]
        tried = {name: validation_accuracy(self.embeddings(name), labels, self.parts()) for name in names}
        return {"tried": tried, "chosen": max(names, key=lambda name: tried[name])}, {}

    def student_rows(
        self, students: tuple[str, ...], seeds: range, baseline_seeds: range | None = None
    ) -> dict[str, list[Row]]:
        """The rows of every student and seed, in the order of the seeds; missing ones are trained.

        baseline_seeds: of the compression baselines, where they are others than the quantum student's. Raises
        FailedRuns, when all others are stored, for runs that failed.
        """
        rows: dict[tuple[str, int], Row] = {}
        missing: dict[str, list[int]] = {}
        of = {student: baseline_seeds if student in COMPRESSION and baseline_seeds else seeds for student in students}
        for student in students:
            for seed in of[student]:
                if row := self.store.load(self.student_identity(student, seed)):
                    rows[student, seed] = row
                else:
                    missing.setdefault(student, []).append(seed)
        if missing:
            self.check_weights(missing)
            for student, absent in missing.items():
                what = f"{student}, teacher {self.teacher}, seeds {', '.join(map(str, absent))}"
                self.store.say(f"{what}: computing ({self.store.why}).")
            made, failures = train_missing(self.store, self.jobs(missing))
            rows |= {(row.identity["student"], row.identity["seed"]): row for row in made.values()}
            if failures:
                whole = [student for student in students if all((student, seed) in rows for seed in of[student])]
                raise FailedRuns(failures, {student: [rows[student, s] for s in of[student]] for student in whole})
        return {student: [rows[student, seed] for seed in of[student]] for student in students}

    def check_weights(self, students: dict[str, list[int]]) -> None:
        """Fail at once, and not after hours, where pre-trained weights are out of reach."""
        from qdllm_utils.runs.jobs import weights_needed

        teacher = [] if self.teacher_spec.twin or without_model(self.teacher) else [hub_name(self.teacher)]
        for name in dict.fromkeys([self.scale.embedder, *weights_needed(self.scale.paper_sizes, students), *teacher]):
            pretrained.locate(name)

    def parts(self, train_share: float = 1.0) -> dict[str, np.ndarray]:
        """Row numbers of the training, validation and test texts; a smaller share of the first lies within a larger."""
        rows = split(self.source.corpus.labels, self.split_seed)
        return rows | {"train": share_of(rows["train"], train_share, SPLIT_SEED)}

    def seen(self, teacher: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(labels (N,), row numbers of each part) as the students meet them; teacher: the arrays of its row.

        Under a teacher of few labels a student that does not learn from it (alpha = 0) has the labelled texts only.
        """
        from qdllm_utils.texts.few_labels import FewLabels

        labels, parts = self.source.corpus.labels, self.parts(self.train_share)
        few = FewLabels.of(self.teacher)
        return few.seen(labels, parts, teacher["logits"], self.knobs.alpha == 0) if few else (labels, parts)

    def jobs(self, missing: dict[str, list[int]]) -> list[Any]:
        """The training runs that are missing: all seeds of a student on embeddings at once, the others one by one."""
        from qdllm_utils.runs.jobs import ON_EMBEDDINGS, RELATED, Job
        from qdllm_utils.runs.teaching import adapter_for

        distilled = any(student not in RELATED for student in missing)
        teacher = self.teacher_row(arrays=True).arrays if distilled else {}
        corpus = self.source.corpus
        labels, split_rows = self.seen(teacher)
        jobs = []
        for student, seeds in missing.items():
            at_once, related = student in ON_EMBEDDINGS, student in RELATED
            pooling = self.pooling(student)
            features = self.embeddings(pooling) if pooling else None
            jobs += [
                Job(
                    student=student,
                    identities=[self.student_identity(student, seed) for seed in group],
                    seeds=group,
                    knobs=self.knobs,
                    paper_size=self.scale.paper_sizes,
                    classes=len(corpus.classes),
                    labels=labels,
                    split=split_rows,
                    teacher_logits=None if related else teacher["logits"],
                    features=features,
                    texts=() if pooling else corpus.texts,
                    teacher=None if related else self.teacher_spec,
                    adapter={} if at_once or related else adapter_for(self, student, teacher),
                )
                for group in ([seeds] if at_once else [[seed] for seed in seeds])
            ]
        return jobs
