"""What the ledger needs of a service, and what all services share."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from qdcircuits.cloud.quafu_http import Answer, Http, NotTaken, Unknown
from qdcircuits.errors import InputError, choose

SAYS = ("error", "detail", "message", "msg")  # under which names an object says what is wrong


@dataclass(frozen=True)
class Order:
    """One task as it is sent.

    name: under which the ledger and the service's site know it; n_qubits: of the register in `qasm`; compiles: the
    service compiles the circuit; target_qubits: the chip's number of each qubit, where the circuit's own numbers are
    not the chip's; reference: the same for every try of this task, another for another task.
    """

    name: str
    qasm: str
    n_qubits: int
    shots: int
    chip: str
    compiles: bool = True
    target_qubits: tuple[int, ...] = ()
    reference: str = ""


@dataclass(frozen=True)
class Outcome:
    """What an answer says about a task: waiting, done, failed or malformed.

    counts: as they came, not yet held against the order; message: why it failed or what is wrong with the answer.
    """

    state: str
    counts: Any = None
    message: str = ""


class Service(Protocol):
    """One interface of one provider.

    shots: least, most and step; usual_shots: the default. numbering: whether a circuit that is not compiled there
    uses the chip's own numbers ('physical') or its own with target_qubits beside them ('logical'). limits: what the
    provider's public sources say of limits and cost; source: where the interface is described.
    """

    name: ClassVar[str]
    bit_order: ClassVar[str]
    shots: ClassVar[tuple[int, int, int]]
    usual_shots: ClassVar[int]
    numbering: ClassVar[str]
    limits: ClassVar[str]
    source: ClassVar[str]
    tokens: ClassVar[tuple[str, ...]]
    http: Http

    def __init__(self, token: str, url: str | None = None, **options: Any) -> None:
        """url: another address than the service's; options: of Http."""

    def check(self, chip: str) -> int | None:
        """The token is good and the chip takes jobs, or an InputError; how many tasks wait there, None: not known."""

    def prepare(self, order: Order) -> None:
        """Raise InputError where a task cannot be sent as it is; nothing is sent here."""

    def submit(self, order: Order) -> str:
        """Send a task; its id. Raises NotTaken or Unknown."""

    def find(self, order: Order) -> list[str]:
        """The ids of tasks of this name at the service; empty where it cannot list them or does not."""

    def fetch(self, task: str) -> Any:
        """The answer about a task, as it came. Raises InputError, Unreadable."""

    def judge(self, answer: Any, task: str) -> Outcome:
        """What an answer about a task says."""


def says(answer: Any) -> str:
    """What an answer says is wrong, '' where it says nothing."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Mapping):
        return next((str(answer[name]) for name in SAYS if answer.get(name)), "")
    return ""


def check_chip(chip: str, queues: Mapping[str, Any]) -> int | None:
    """The queue of a chip: a whole number. Any other word there means that it takes no jobs."""
    choose(chip, sorted(queues), "chip")
    depth = queues[chip]
    if not is_queue(depth):
        others = ", ".join(sorted(name for name, found in queues.items() if is_queue(found))) or "none"
        raise InputError(f"The chip {chip} is {str(depth).lower()[:40]} and takes no jobs; open now: {others}.")
    return int(depth)


def is_queue(depth: Any) -> bool:
    """A whole number that is not negative."""
    return isinstance(depth, int | float) and not isinstance(depth, bool) and depth >= 0 and float(depth).is_integer()


def unclear(http: Http, answer: Answer) -> Unknown:
    """For an answer to a task that is neither its number nor a documented refusal."""
    what = http.clean(answer.text) or "nothing"
    return Unknown(f"{http.host} answered {answer.status} {what}, which is neither a task's number nor a refusal")


def refused(http: Http, answer: Answer, token_refused: Callable[[], str]) -> NotTaken | None:
    """A refusal of the token, believed only where the service's own check of the token refuses it too."""
    might = answer.status in (401, 403) or (answer.status == 200 and isinstance(answer.body, dict))
    if might and not any(isinstance(value, int) for value in flat(answer.body)):
        why = token_refused()
        if why:
            return NotTaken(why)
    return None


def flat(value: Any) -> list[Any]:
    """All values in JSON."""
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in flat(part)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [leaf for part in value for leaf in flat(part)]
    return [value]


def named_tasks(value: Any, name: str) -> list[str]:
    """The numbers of the rows, wherever they stand in JSON, that have this task's name."""
    found: list[str] = []
    if isinstance(value, Mapping):
        lowered = {str(key).lower().replace("_", ""): part for key, part in value.items()}
        if name in (lowered.get("taskname"), lowered.get("name")):
            number = next((lowered[key] for key in ("taskid", "tid", "id") if key in lowered), None)
            if re.fullmatch(r"[\w-]{1,100}", str(number or ""), re.ASCII):
                found.append(str(number))
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            found += named_tasks(part, name)
    return list(dict.fromkeys(found))
