"""Notebook parameters: read from the notebook's own namespace, checked by name, type and range.

papermill lets an unknown name pass with exit status 0 and hands 'false' over as a string; here both are
caught before anything heavy is imported.
"""

import types
from dataclasses import dataclass, replace
from typing import Any

from qdcircuits.errors import InputError, choose
from qdllm_utils.config import SCALES, TASKS, Knobs, Scale, knobs
from qdllm_utils.texts.pretrained import EMBEDDERS
from qdllm_utils.texts.teacher_specs import NAMED, PAPER_TEACHERS

IPYTHON_NAMES = {"In", "Out", "exit", "quit", "open", "get_ipython", "read_parameters"}


@dataclass(frozen=True)
class Parameters:
    """A notebook's checked parameters, with the names that the notebook declares."""

    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """parameters.teacher, parameters.seeds ..."""
        if name.startswith("__") or name == "values" or name not in self.values:
            raise AttributeError(name)
        return self.values[name]

    @property
    def size(self) -> Scale:
        """The scale chosen, with the embedders asked for in place of its own."""
        asked = [for_tasks(name)[0] for name in commas(self.values.get("embedder") or self.values.get("embedders"))]
        scale = SCALES[self.values["scale"]]
        return replace(scale, embedder=asked[0], also_reads=tuple(asked[1:])) if asked else scale

    @property
    def teacher(self) -> str:
        """The one teacher of a page that takes one. Raises InputError for several, and for one on a single task."""
        if len(self.teachers) > 1 or self.teachers != commas(self.values["teacher"]):
            raise InputError(f"This page takes one teacher, and teacher is {self.values['teacher']!r}: name one.")
        return self.teachers[0]

    @property
    def demo(self) -> bool:
        """Whether the scale is the demo one, whose numbers are no results."""
        return bool(self.values["scale"] == "demo")

    @property
    def teachers(self) -> tuple[str, ...]:
        """The teachers asked for on any task; `all` stands for the paper's five."""
        return tuple(dict.fromkeys(teacher for task in TASKS for teacher in self.of_task("teacher", task)))

    def of_task(self, name: str, task: str) -> tuple[str, ...]:
        """The models that a parameter names for a task, in order: `minilm, qwen@hiding` is two on hiding, else one."""
        asked = map(for_tasks, commas(self.values.get(name)))
        groups = [PAPER_TEACHERS if model == "all" else (model,) for model, only in asked if only in (None, task)]
        return tuple(dict.fromkeys(model for group in groups for model in group))

    def teachers_of(self, task: str) -> tuple[str, ...]:
        """The teachers asked for on a task. Raises InputError where there is none."""
        found = self.of_task("teacher", task)
        if not found:
            raise InputError(
                f"teacher is {self.values['teacher']!r}, which names none for {task}: name one, or leave the task out."
            )
        return found

    def readers_of(self, task: str) -> tuple[str, ...]:
        """The embedders asked for on a task; by default the demo's one, else MiniLM and MPNet. InputError for none."""
        asked = self.values["embedders"]
        if not asked:
            return ("minilm",) if self.demo else ("minilm", "mpnet")
        found = self.of_task("embedders", task)
        if not found:
            raise InputError(f"embedders is {asked!r}, which names none for {task}: name one, or leave the task out.")
        return found

    @property
    def task_list(self) -> list[str]:
        """The tasks asked for in `tasks`, in the paper's order; all where it is None."""
        asked = commas(self.values.get("tasks")) or ("all",)
        return [task for task in TASKS if task in asked or "all" in asked]

    @property
    def seed_list(self) -> range:
        """The student seeds, 0, 1, ... ; as many as asked for, or the scale's number."""
        return range(self.values["seeds"] or self.size.seeds)

    def baseline_seed_list(self, task: str) -> range:
        """Seeds of the compression baselines on a task: as many as asked for, else of `seeds` what the scale allows."""
        asked = self.values.get("baseline_seeds")
        return range(asked) if asked else self.seed_list[: self.size.baseline_seeds.get(task)]

    def number(self, name: str, default: int) -> int:
        """How many splits or draws were asked for, else `default`; fewer than two have no spread."""
        asked = self.values[name]
        if asked is not None and not 2 <= asked <= 1000:
            raise InputError(f"{name} is {asked}: it must be a whole number from 2 to 1000.")
        return default if asked is None else int(asked)

    @property
    def knobs(self) -> Knobs:
        """The preset with the notebook's own knobs on top."""
        names = [name for name in Knobs.__dataclass_fields__ if name in self.values]
        return knobs(self.values["preset"], **{name: self.values[name] for name in names})


def read_parameters(namespace: dict[str, Any]) -> Parameters:
    """Check the parameters of a notebook; `namespace` is its globals().

    The parameters cell annotates each one (`seeds: int = 5`): the annotations say which names and types
    there are. Raises InputError for an unknown name, a wrong type, or a value out of range.
    """
    declared: dict[str, Any] = namespace.get("__annotations__", {})
    for name, value in namespace.items():
        private = name.startswith("_") or name in IPYTHON_NAMES or isinstance(value, types.ModuleType)
        if not private and name not in declared:
            raise InputError(f"Unknown parameter {name!r}: this notebook takes {', '.join(declared)}.")
    values = {name: convert(name, namespace[name], kind) for name, kind in declared.items()}
    if "scale" in values:
        choose(values["scale"], SCALES, "scale")
    for task in (values.get("tasks") or "all").split(","):
        choose(task.strip(), [*TASKS, "all"], "task")
    # a page without a scale is a user's own (own_texts): it knows more teachers and embedders, and checks them itself
    if "teacher" in values and "scale" in values:
        for teacher in commas(values["teacher"]) or (None,):
            check_teacher(teacher and for_tasks(teacher)[0])
        for teacher in commas(values.get("teachers")):
            check_teacher(for_tasks(teacher)[0])
    if "scale" in values:
        if values.get("embedder") is not None:
            check_embedder(values["embedder"])
        by_task = "tasks" in values and "splits" not in values  # over the splits all tasks have the same readers
        for embedder in commas(values.get("embedders")):
            check_embedder(for_tasks(embedder)[0] if by_task else embedder)
    for name in ("seeds", "baseline_seeds"):
        if values.get(name) is not None and not 1 <= values[name] <= 1000:
            raise InputError(f"{name} is {values[name]}: it must be a whole number from 1 to 1000.")
    parameters = Parameters(values)
    if values.get("preset") is not None and parameters.knobs.pooling == "teacher":
        check_states(parameters.teachers)
    return parameters


def commas(text: str | None) -> tuple[str, ...]:
    """The names in 'minilm, qwen', in order; none for None or an empty text."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def for_tasks(name: str) -> tuple[str, str | None]:
    """('qwen', 'hiding') of 'qwen@hiding', a model for one task only; (name, None) of any other name."""
    model, _, task = name.rpartition("@")
    return (model, task) if model and task in TASKS else (name, None)


def check_teacher(teacher: str | None) -> None:
    """A known name, `all`, a local folder or a hub id (with a slash); anything else is an InputError."""
    if teacher is None or ("/" not in teacher and teacher not in (*NAMED, "all")):
        raise InputError(
            f"Unknown teacher {teacher!r}: choose one of {', '.join(NAMED)}, all, "
            "a hub id (owner/name) or the path of a local folder (./name)."
        )


def check_embedder(embedder: str) -> None:
    """A known name, a local folder or a hub id (with a slash); anything else is an InputError."""
    if "/" not in embedder and embedder not in EMBEDDERS:
        raise InputError(
            f"Unknown embedder {embedder!r}: choose one of {', '.join(EMBEDDERS)}, a hub id (owner/name) or the path "
            "of a local folder (./name)."
        )


def check_states(teachers: tuple[str, ...]) -> None:
    """The pooling `teacher` needs a teacher whose states are kept, which the five LLMs' are not."""
    for teacher in teachers:
        if teacher in PAPER_TEACHERS:
            raise InputError(
                f"pooling is teacher, and the states of {teacher} are not kept: choose another pooling, or the teacher "
                "minilm, mpnet or another encoder."
            )


def convert(name: str, value: Any, kind: type) -> Any:
    """`value` as the annotated type; None and the strings 'none', 'true', 'false' and digits are understood.

    None stands for the default. (papermill does not read annotations with a bar, so `seeds: int = None`.)
    """
    if kind is not bool and (value is None or (isinstance(value, str) and value.lower() in ("none", ""))):
        return None
    if kind is bool and str(value).lower() in ("true", "false", "1", "0"):
        return str(value).lower() in ("true", "1")
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if kind is float and number == number:
            return number
        if kind is int and number == number and number.is_integer():
            return int(number)
    raise InputError(f"{name} is {value!r}: it must be of type {kind.__name__}.")
