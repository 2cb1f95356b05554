"""Waiting for the counts of a ledger's jobs: each last word is kept as it came, then held against the order."""

from collections import Counter
from collections.abc import Callable, Sequence

from qdcircuits.cloud.ledger import Entry, Job, Ledger
from qdcircuits.cloud.quafu_http import Unreadable
from qdcircuits.cloud.results import check_sum, read_counts
from qdcircuits.cloud.service import Service
from qdcircuits.errors import InputError


class Unfinished(InputError):
    """Something was sent and not all of it is there: what is open, done or undecided stands in the ledger."""


def wait(
    ledger: Ledger,
    service: Service,
    jobs: Sequence[Job],
    patience: float,
    interval: float,
    sleep: Callable[[float], None],
) -> None:
    """Ask for the counts of sent jobs until all have ended or patience has; malformed ones are asked for once."""
    waited, askable, lost = 0.0, ["sent", "malformed"], 0
    while True:
        for job in jobs:
            entry = ledger.entries[job.name]
            if entry.state not in askable or not entry.task:
                continue
            try:
                ask(ledger, service, job, entry)
                lost = 0
            except InputError as error:  # one task's trouble must not stop the others, the service's must
                lost += 1
                if lost > 1 or len(jobs) == 1:
                    raise
                ledger.write({"event": "malformed", "name": job.name, "message": str(error).rstrip(".")})
        askable = ["sent"]
        if waited >= patience or all(ledger.entries[job.name].state != "sent" for job in jobs):
            return
        sleep(interval)
        waited += interval


def ask(ledger: Ledger, service: Service, job: Job, entry: Entry) -> None:
    """One question for one job: a last word goes to the ledger as it came, and is judged afterwards."""
    task = str(entry.task)
    try:
        answer = service.fetch(task)
    except Unreadable as error:
        ledger.write({"event": "answer", "name": job.name, "answer": {"text": error.text[:100_000]}})
        ledger.write({"event": "malformed", "name": job.name, "message": str(error).rstrip(".")})
        return
    outcome = service.judge(answer, task)
    if outcome.state == "waiting":
        return
    if answer != entry.answer:
        ledger.write({"event": "answer", "name": job.name, "answer": answer})
    event, message, counts = "counts", outcome.message, None
    if outcome.state == "done":
        try:
            counts = read_counts(outcome.counts, job.n_bits)
            check_sum(counts, ledger.settings["shots"])
        except InputError as error:
            event, message, counts = "malformed", str(error).rstrip("."), None
    else:
        event = outcome.state
    ledger.write({"event": event, "name": job.name, **({"counts": counts} if counts else {"message": message})})


def summary(ledger: Ledger, names: Sequence[str]) -> str:
    """How many tasks are done, open, failed, malformed, undecided, refused or not sent."""
    words = {"done": "done", "sent": "open", "failed": "failed", "malformed": "malformed", "unknown": "undecided"}
    words |= {"notaken": "refused", "": "not sent"}
    states = Counter(ledger.entries[name].state if name in ledger.entries else "" for name in names)
    parts = [f"{states[state]:,} {word}" for state, word in words.items() if states[state]]
    return f"of {len(names):,} tasks {', '.join(parts)}"


def undecided(ledger: Ledger, names: Sequence[str]) -> str:
    """The sentence for jobs of which nobody knows whether they were accepted."""
    message = ledger.entries[names[0]].message
    why = f" ({message[:150]})" if message else ""
    return (
        f"It is not known whether task {names[0]} was accepted{why}: look for this name on the service's site and "
        "settle it in the ledger; nothing is sent twice."
    )


def require_done(ledger: Ledger, names: list[str]) -> None:
    """Raise Unfinished that says what is missing and what to do."""
    by_state = {state: [name for name in names if ledger.entries[name].state == state] for state in ("failed", "sent")}
    by_state |= {state: [n for n in names if ledger.entries[n].state == state] for state in ("malformed", "unknown")}
    for state in ("malformed", "failed"):
        if by_state[state]:
            entry = ledger.entries[by_state[state][0]]
            what = "ended without counts" if state == "failed" else "have answers that are not what was ordered"
            then = (
                "with retry_failed these are sent again" if state == "failed" else "they are asked for again next time"
            )
            raise Unfinished(
                f"{len(by_state[state])} of {len(names)} tasks {what} (task {entry.task}: {entry.message[:150]}): what "
                f"is done is kept; {then}."
            )
    if by_state["unknown"]:
        raise Unfinished(undecided(ledger, by_state["unknown"]))
    if by_state["sent"]:
        raise Unfinished(
            f"{len(by_state['sent'])} of {len(names)} tasks are still waiting at the service: run again later to go on."
        )
