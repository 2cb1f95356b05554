"""Tables 4 to 6: the compression students and the quantum one, for each teacher asked for."""

from dataclasses import dataclass, field, replace

from qdcircuits.errors import InputError
from qdllm_utils.config import Task
from qdllm_utils.parameters import Parameters
from qdllm_utils.runs.experiments import STUDENTS, WIDE, Experiment
from qdllm_utils.runs.missing import FailedRuns
from qdllm_utils.runs.store import Row, Store
from qdllm_utils.texts import pretrained
from qdllm_utils.texts.sources import Source


@dataclass(frozen=True)
class TeacherRun:
    """A teacher and the rows of its students: {student: [row of each seed]}.

    others: the quantum student's rows where it reads the texts with another embedder, {embedder: [row of each seed]}.
    failed: {student: why}, of those with a run that made no row; they are not among `students`. wide: rows of the
    compression students of 4 x 768, {student: [row of seed 0]}, of the teachers that `wide` names.
    """

    name: str
    teacher: Row
    students: dict[str, list[Row]]
    failed: dict[str, str] = field(default_factory=dict)
    others: dict[str, list[Row]] = field(default_factory=dict)
    wide: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def lines(self) -> list[list[Row]]:
        """The rows of each student, whatever it reads and however wide it is."""
        return [rows for part in (self.students, self.others, self.wide) for rows in part.values()]


@dataclass(frozen=True)
class Comparison:
    """What a table shows: teachers x students x seeds on one corpus, and how they were got.

    absent: {teacher: why}, of those that could not be made, where another could.
    """

    title: str
    source_kind: str
    task: str | None
    parameters: Parameters
    runs: list[TeacherRun]
    store: Store
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """Every row: students, students of the other embedders and of 4 x 768, teachers."""
        return [row for run in self.runs for rows in run.lines for row in rows] + [run.teacher for run in self.runs]

    @property
    def failures(self) -> list[str]:
        """What failed, a sentence a teacher or a student."""
        students = [
            f"{student}, teacher {pretrained.shown_name(run.name)}: {why}"
            for run in self.runs
            for student, why in run.failed.items()
        ]
        return students + [f"teacher {pretrained.shown_name(teacher)}: {why}" for teacher, why in self.absent.items()]


def compare(parameters: Parameters, task: Task, path: str | None = None) -> Comparison:
    """The compression students and the quantum one for each teacher asked for (the paper's Tables 4 to 6).

    path: a CSV file to use in place of the task's texts. A run that fails leaves the others standing; it is named in
    the comparison's `failures`.
    """
    scale = parameters.size
    source = Source(task.name, scale, parameters.values.get("data_dir"), path)
    if path:
        _ = source.corpus
    store = Store(refresh=parameters.refresh)
    runs: list[TeacherRun] = []
    errors: dict[str, InputError] = {}
    wide = parameters.of_task("wide", task.name)
    if unknown := [name for name in wide if name not in parameters.teachers_of(task.name)]:
        raise InputError(f"wide names {', '.join(unknown)}, which is no teacher of this run: add it to teacher.")
    for teacher in parameters.teachers_of(task.name):
        try:
            if pretrained.looks_like_path(teacher):
                pretrained.locate(teacher)
            experiment = Experiment(source, scale, teacher, parameters.knobs, store)
            baseline_seeds = parameters.baseline_seed_list(task.name)
            runs.append(run_of(experiment, parameters.seed_list, baseline_seeds, teacher in wide))
        except InputError as error:
            store.say(f"Teacher {teacher}: {error}")
            errors[teacher] = error
    if errors and not runs:
        raise next(iter(errors.values()))
    absent = {teacher: str(error) for teacher, error in errors.items()}
    return Comparison(source.title, source.kind, None if path else task.name, parameters, runs, store, absent)


def run_of(experiment: Experiment, seeds: range, baseline_seeds: range, with_wide: bool = False) -> TeacherRun:
    """A teacher with its students; those with a run that failed are named, and said, and left out.

    seeds: of the quantum student; baseline_seeds: of the four others; with_wide: also those of 4 x 768, one seed.
    """
    failed: dict[str, str] = {}
    try:
        students = experiment.student_rows(STUDENTS, seeds, baseline_seeds)
    except FailedRuns as error:
        experiment.store.say(str(error))
        students, failed = error.whole, error.reasons
    others = {}
    for embedder in experiment.scale.also_reads:
        reading = replace(experiment, scale=replace(experiment.scale, embedder=embedder))
        try:
            others[embedder] = reading.student_rows(("quantum",), seeds)["quantum"]
        except FailedRuns as error:
            experiment.store.say(str(error))
            failed[f"quantum reading with {embedder}"] = next(iter(error.reasons.values()))
    wide = {}
    if with_wide:
        try:
            wide = experiment.student_rows(WIDE, range(1))
        except FailedRuns as error:
            experiment.store.say(str(error))
            wide, failed = error.whole, failed | error.reasons
    return TeacherRun(experiment.teacher, experiment.teacher_row(), students, failed, others, wide)
