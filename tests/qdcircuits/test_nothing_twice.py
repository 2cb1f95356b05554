"""Whatever a service answers to a task: it is taken once at most, and the ledger has an entry for it."""

import contextlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from qdcircuits.chip.calibration import read_calibration
from qdcircuits.chip.compilation import compile_for
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.quafu import SERVICES, QuafuSQC
from qdcircuits.cloud.quafu_http import NotTaken, Unknown
from qdcircuits.cloud.service import Order
from qdcircuits.cloud.submission import run
from qdcircuits.errors import InputError
from tests.qdcircuits.stand_in import TOKEN, Fault, StandIn, serving
from tests.qdcircuits.test_quafu import CHIPS, CIRCUIT, WEIGHTS, Client, assert_whole, jobs

CASES = Path(os.environ.get("QDLLM_CASES") or Path(__file__).parents[3] / "shared" / "cases")
BODIES = [
    b"",
    b"not JSON",
    b'"2511220000000"',
    b"[]",
    b"null",
    b"true",
    b"{}",
    b"-1",
    b"0",
    b"2511220000000.5",
    b"1e400",
    b"NaN",
    b"[" * 100_000,
    b'{"message": "accepted", "tid": 2511220000000}',
    b'{"error": "token expired"}',
    b'{"detail": "not now"}',
    b'{"status": 5003, "message": "server error"}',
    b'{"status": 200, "message": "ok"}',
    b"\xff\xfe",
]


@contextlib.contextmanager
def served(name: str):
    stand_in = StandIn(waiting=0)
    with serving(stand_in) as url:
        service = SERVICES[name](TOKEN, url, timeout=2, pause=0.01, sleep=lambda _: None)
        with contextlib.suppress(InputError):
            service.check(CHIPS[name])
        yield stand_in, service


def outcome_of(stand_in: StandIn, service, fault: Fault) -> str:
    """'number', 'unknown' or 'not taken' for one task; the service takes it once where the fault says so."""
    stand_in.faults, before = {"submit": [fault]}, len(stand_in.accepted)
    job = jobs()[before % 3]
    order = Order(job.name, job.qasm, 4, 1024, CHIPS[service.name], reference=f"reference-{before}")
    try:
        number = service.submit(order)
    except Unknown:
        found = "unknown"
    except NotTaken:
        found = "not taken"
    else:
        found = "number"
        assert str(list(stand_in.accepted)[-1]) in number
    assert len(stand_in.accepted) == before + fault.takes, fault
    return found


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_task_that_was_taken_is_never_called_refused_whatever_the_status(name):
    with served(name) as (stand_in, service):
        for status in range(200, 600):
            body = BODIES[status % len(BODIES)]
            assert outcome_of(stand_in, service, Fault(True, status, body)) == "unknown", (status, body)
        for status in (200, 302, 401, 403, 408, 409, 425, 429, 503):
            for body in BODIES:
                assert outcome_of(stand_in, service, Fault(True, status, body)) == "unknown", (status, body)
            usual = outcome_of(stand_in, service, Fault(True, status))
            assert usual == ("number" if status == 200 else "unknown")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_connection_cut_at_any_byte_leaves_the_task_undecided(name):
    with served(name) as (stand_in, service):
        cuts = [outcome_of(stand_in, service, Fault(True, cut=cut)) for cut in range(130)]
    first = cuts.index("number") if "number" in cuts else len(cuts)
    assert first > 50 and set(cuts[:first]) == {"unknown"} and set(cuts[first:]) <= {"number"}


def test_documented_refusals_are_refusals():
    with served("quafu") as (stand_in, service):
        for status in (201, 205, 400, 5001, 5004):
            body = json.dumps({"status": status, "message": "no"}).encode()
            assert outcome_of(stand_in, service, Fault(False, 200, body)) == "not taken"
    with served("quafu-v1") as (stand_in, service):
        body = json.dumps({"error": "too many shots", "code": "precheck.shotsOutOfRange"}).encode()
        assert outcome_of(stand_in, service, Fault(False, 422, body)) == "not taken"
        assert outcome_of(stand_in, service, Fault(False, 429, body)) == "unknown"


def test_a_number_that_may_be_cut_off_is_not_believed():
    with served("quafu-sqc") as (stand_in, service):
        assert outcome_of(stand_in, service, Fault(True, body=b"25112", sized=False)) == "unknown"


def test_a_number_that_another_task_has_is_not_believed(tmp_path):
    stand_in = StandIn(waiting=0)
    with serving(stand_in) as url:
        client = Client("quafu-sqc", url, tmp_path)
        stand_in.faults = {"submit": [None, Fault(True, 200, b"2511220000000")]}
        with pytest.raises(InputError, match="which another task of the ledger has"):
            client.run()


FAULTS = st.one_of(
    st.none(),
    st.sampled_from(["drop", "refuse", "half"]),
    st.builds(
        Fault,
        takes=st.booleans(),
        status=st.integers(200, 599),
        body=st.one_of(st.none(), st.sampled_from(BODIES)),
        cut=st.one_of(st.none(), st.integers(0, 150)),
    ),
)


@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failure is shown at once: making it smaller takes minutes
)
@given(
    name=st.sampled_from(sorted(SERVICES)),
    submit=st.lists(FAULTS, max_size=4),
    result=st.lists(FAULTS, max_size=4),
    other=st.lists(FAULTS, max_size=2),
)
def test_any_sequence_of_faults_takes_each_task_once_and_ends_whole(name, submit, result, other):
    stand_in = StandIn(waiting=0)
    stand_in.faults = {"submit": list(submit), "result": list(result), "other": list(other)}
    with serving(stand_in) as url, tempfile.TemporaryDirectory() as folder:
        client = Client(name, url, Path(folder))
        client.service.http.timeout = client.service.http.total = 2
        for turn in range(60):
            names = [task["name"] for task in stand_in.accepted.values()]
            assert len(names) == len(set(names)), "a task was sent twice"
            try:
                ledger = client.run(say=lambda _: None)
                break
            except InputError:
                ledger = Ledger.open(client.path)
            maybe = {job for job, entry in ledger.entries.items() if entry.state != "notaken"}
            assert {task["name"] for task in stand_in.accepted.values()} <= maybe
            if turn % 2 == 0:  # the same command again, with nothing settled, must send nothing that may be there
                continue
            for job in [job for job, entry in ledger.entries.items() if entry.state == "unknown"]:
                numbers = [str(k) for k, task in stand_in.accepted.items() if task["name"] == job]
                numbers = [
                    n for n, ref in ((r, n) for n, r in stand_in.references.items()) if n[-13:] in numbers
                ] or numbers
                ledger.settle(job, numbers[0] if numbers else None)
        else:
            pytest.fail("the run does not end")
        assert_whole(stand_in, ledger)
        assert len(stand_in.accepted) == len(ledger.entries)


@pytest.fixture
def second():
    """The second stand-in, written apart from the client, with a service that speaks to it."""
    path = CASES / "hardware" / "stand_in.py"
    if not path.is_file():
        pytest.skip(f"the second stand-in is not in {CASES}")
    spec = importlib.util.spec_from_file_location("second_stand_in", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state = module.S()
    server, url = module.serve(state)
    yield state, url, module.TOKEN
    server.shutdown()
    server.server_close()


def submitted(url: str, token: str, folder: Path, work: list[Job], name: str = "quafu-sqc", **options) -> Ledger:
    service = SERVICES[name](token, url, timeout=2, pause=0.01, sleep=lambda _: None)
    given_ = {"source": "stand-in", "service": name, "chip": "Baihua", "shots": 1024, "bit_order": "right"}
    ledger = Ledger.open(folder / "ledger.jsonl", given_)
    run(ledger, service, work, interval=1, patience=3, sleep=lambda _: None, say=lambda _: None, **options)
    return ledger


@pytest.mark.parametrize("name", ["quafu-sqc", "quafu-sqc-options"])
def test_the_second_stand_in_is_passed(second, tmp_path, name):
    state, url, token = second
    ledger = submitted(url, token, tmp_path, jobs(), name)
    assert {entry.state for entry in ledger.entries.values()} == {"done"} and len(state.tasks) == 4
    assert ("compile" in state.tasks[min(state.tasks)]["body"]) == (name == "quafu-sqc")


def test_the_second_stand_ins_words_and_refusals(second, tmp_path, refused):
    state, url, token = second
    with refused("refused the token (token expired)"):
        submitted(url, "another-token", tmp_path, jobs())
    state.chips["Baihua"] = "Calibrating"
    with refused("Baihua is calibrating and takes no jobs"):
        submitted(url, token, tmp_path, jobs())
    assert not state.tasks


def test_the_check_runs_on_the_tables_qubits_with_the_circuits_flags(second, tmp_path):
    state, url, token = second
    chip = read_calibration()
    made = compile_for(CIRCUIT, WEIGHTS, chip)
    job = Job({"text": 0}, made.openqasm2(np.ones(4)), max(made.line) + 1, 4, {}, chip.digest, made.line)
    submitted(url, token, tmp_path, [job], server_compiles=False)
    check = state.tasks[min(state.tasks)]
    assert f"x q[{made.line[made.bits[0]]}];" in check["qasm"] and check["body"]["compile"] is False
    measures = [line for line in job.qasm.splitlines() if line.startswith("measure")]
    assert [line for line in check["qasm"].splitlines() if line.startswith("measure")] == measures


def test_a_reversed_second_stand_in_is_caught(second, tmp_path, refused):
    state, url, token = second
    state.bit = "left"
    with refused("at the other end", "set bit_order to 'left'"):
        submitted(url, token, tmp_path, jobs())
    assert len(state.tasks) == 1


def test_every_status_of_the_second_stand_in(second):
    state, url, token = second
    service = QuafuSQC(token, url, timeout=2, pause=0.01, sleep=lambda _: None)

    def hook(handler, path, query, body):
        if path != "task/run":
            return None
        number = state.n = state.n + 1
        state.tasks[number] = {"name": query["name"][0]}
        handler.out(hook.status, hook.answer(number))
        return "handled"

    state.hook = hook
    answers = [lambda n: {"error": "busy"}, str, lambda n: {"message": "ok", "tid": n}, lambda n: {}]
    for status in range(200, 600):
        hook.status, hook.answer, before = status, answers[status % 4], len(state.tasks)
        with pytest.raises(Unknown):
            service.submit(Order(f"t{status}", "", 4, 1024, "Baihua"))
        assert len(state.tasks) == before + 1
