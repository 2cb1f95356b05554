"""Both services against the loopback stand-in, with faults: nothing sent twice, nothing lost, no token anywhere."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from qdcircuits.ansatz import qdllm_circuit
from qdcircuits.chip.counts import expectations
from qdcircuits.cloud.ledger import Job, Ledger
from qdcircuits.cloud.quafu import SERVICES, QuafuCloud, QuafuSQC
from qdcircuits.cloud.quafu_http import Http, read_token
from qdcircuits.cloud.service import Order
from qdcircuits.cloud.submission import cost, run
from qdcircuits.errors import InputError
from qdcircuits.export.openqasm import openqasm2
from qdcircuits.simulation import simulator
from tests.qdcircuits.stand_in import TOKEN, Fault, StandIn, serving

ROOT = Path(__file__).parents[2]
SHOTS = 2048
CHIPS = {"quafu-sqc": "Baihua", "quafu-sqc-options": "Baihua", "quafu-v1": "Baihua", "quafu": "ScQ-P136"}
CIRCUIT = qdllm_circuit(4, 1)
WEIGHTS = np.random.default_rng(0).normal(size=CIRCUIT.n_weights)
INPUTS = np.random.default_rng(1).uniform(0, 3, (3, 4))


def jobs() -> list[Job]:
    return [
        Job({"text": number}, openqasm2(CIRCUIT, WEIGHTS, z), 4, 4, {"inputs": z.tolist()})
        for number, z in enumerate(INPUTS)
    ]


@pytest.fixture(params=sorted(SERVICES))
def service_name(request):
    return request.param


class Client:
    """A service against a stand-in and a ledger; `run` goes on where an earlier one stopped."""

    def __init__(self, name: str, url: str, path: Path, token: str = TOKEN, **settings) -> None:
        self.naps: list[float] = []
        self.service = SERVICES[name](token, url, timeout=5, pause=0.5, sleep=self.naps.append)
        usual = {"service": name, "chip": CHIPS[name], "shots": SHOTS, "bit_order": self.service.bit_order}
        self.settings = {"source": self.service.http.source, **usual, **settings}
        self.path = path / "ledger.jsonl"

    def run(self, **options) -> Ledger:
        ledger = Ledger.open(self.path, self.settings)
        run(ledger, self.service, jobs(), interval=1, patience=10, sleep=self.naps.append, **options)
        return ledger


@pytest.fixture
def world(service_name, tmp_path):
    stand_in = StandIn()
    with serving(stand_in) as url:
        yield stand_in, Client(service_name, url, tmp_path)


def names_taken(stand_in: StandIn) -> list[str]:
    return [task["name"] for task in stand_in.accepted.values()]


def assert_whole(stand_in: StandIn, ledger: Ledger) -> None:
    """Each job taken once by the service, and the <Z> of its counts those of the simulator."""
    assert len(names_taken(stand_in)) == len(set(names_taken(stand_in))) == 4  # three texts and the check
    exact = simulator(CIRCUIT, "torch")(torch.tensor(INPUTS), torch.tensor(WEIGHTS)).numpy()
    for job, z in zip(jobs(), exact, strict=True):
        measured = expectations(ledger.frequencies(job.name), [(k,) for k in range(4)])
        assert np.abs(measured - z).max() < 5 / np.sqrt(SHOTS)
    assert TOKEN not in ledger.path.read_text()


def test_counts_come_back_in_the_right_order_after_the_check(world):
    stand_in, client = world
    ledger = client.run()
    assert_whole(stand_in, ledger)
    assert "x q[0];" in next(iter(stand_in.accepted.values()))["qasm"]
    assert ledger.settings["source"] == "stand-in"


def test_a_second_run_sends_nothing(world):
    stand_in, client = world
    client.run()
    before = len(stand_in.requests)
    assert_whole(stand_in, client.run())
    assert len(stand_in.requests) - before <= 2  # the check of token and chip only


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_read_again_after_growing_pauses(world, status):
    stand_in, client = world
    stand_in.faults = {"result": [status, 500]}
    assert_whole(stand_in, client.run())
    assert client.naps.count(0.5) == 1 and client.naps.count(1.0) >= 1


def test_a_pause_that_the_service_asks_for_is_kept(world, refused):
    stand_in, client = world
    stand_in.faults = {"result": [Fault(False, 429, b"{}", headers={"Retry-After": "77"})]}
    assert_whole(stand_in, client.run())
    assert 77 in client.naps
    stand_in.faults = {"other": [Fault(False, 503, b"{}", headers={"Retry-After": "86400"})]}
    with refused("asks to wait 86,400 seconds", "nothing that was sent is lost"):
        client.run()


@pytest.mark.parametrize("service_name", ["quafu", "quafu-sqc", "quafu-sqc-options"], indirect=True)
@pytest.mark.parametrize(("fault", "taken"), [("drop", True), (500, False), (429, False), (503, False), ("half", True)])
def test_a_lost_answer_to_a_task_is_never_sent_again_by_itself(world, refused, fault, taken):
    stand_in, client = world
    stand_in.faults = {"submit": [None, fault]}
    unknown = jobs()[0].name
    with refused("not known whether", unknown, "nothing is sent twice"):
        client.run()
    assert names_taken(stand_in).count(unknown) == taken
    with refused("not known whether", unknown):
        client.run()  # the other jobs are sent and their counts kept
    assert names_taken(stand_in).count(unknown) == taken and len(stand_in.accepted) == 3 + taken
    ledger = Ledger.open(client.path)
    number = next((str(k) for k, task in stand_in.accepted.items() if task["name"] == unknown), None)
    ledger.settle(unknown, number)
    assert_whole(stand_in, client.run())


@pytest.mark.parametrize("service_name", ["quafu-v1"], indirect=True)
@pytest.mark.parametrize("fault", ["drop", "half", 503])
def test_a_lost_answer_is_looked_up_by_the_clients_reference(world, fault):
    stand_in, client = world
    stand_in.faults = {"submit": [None, fault]}
    assert_whole(stand_in, client.run())


@pytest.mark.parametrize("service_name", ["quafu-sqc"], indirect=True)
def test_a_lost_answer_is_looked_up_by_the_tasks_name_where_the_service_lists_it(world):
    stand_in, client = world
    stand_in.lists, stand_in.faults = True, {"submit": [None, "drop"]}
    assert_whole(stand_in, client.run())


def test_a_dead_connection_or_half_a_json_while_reading_is_tried_again(world):
    stand_in, client = world
    stand_in.faults = {"result": ["drop", "half", "refuse"]}
    assert_whole(stand_in, client.run())


def test_malformed_json_for_ever_ends_in_a_sentence_and_loses_nothing(world, refused):
    stand_in, client = world
    stand_in.faults = {"result": ["half"] * 5}
    with refused("1 of 1 tasks have answers that are not what was ordered", "is not JSON", "asked for again"):
        client.run()
    assert '"text": "{' in client.path.read_text()  # what came is kept
    assert_whole(stand_in, client.run())


@pytest.mark.parametrize("ends", ["failed", "canceled"])
def test_a_failed_task_is_named_and_sent_again_only_when_asked(world, refused, ends):
    stand_in, client = world
    stand_in.ends = ends
    for _ in range(2):
        with refused("3 of 3 tasks ended without counts", ends[:6]):
            client.run()
    assert len(stand_in.accepted) == 4
    stand_in.ends = "done"
    ledger = client.run(retry_failed=True)
    assert len(stand_in.accepted) == 7 and all(ledger.frequencies(job.name) is not None for job in jobs())


def test_wrong_bit_order_is_found_before_any_text_is_sent(world, refused):
    stand_in, client = world
    stand_in.bits_at = {"left": "right", "right": "left"}[client.service.bit_order]
    with refused("at the other end", f"set bit_order to '{stand_in.bits_at}'"):
        client.run()
    assert len(stand_in.accepted) == 1
    client.path = client.path.with_name("new.jsonl")
    client.settings["bit_order"] = stand_in.bits_at
    ledger = client.run()
    stand_in.accepted.pop(next(iter(stand_in.accepted)))
    assert_whole(stand_in, ledger)


def test_a_chip_that_reads_noise_gives_no_bit_order(world, refused):
    stand_in, client = world
    stand_in.flip = 0.55
    with refused("bit order is not clear"):
        client.run()
    assert len(stand_in.accepted) == 1


def test_an_expired_token_ends_in_a_sentence_without_it(service_name, tmp_path, refused):
    stand_in = StandIn()
    with serving(stand_in) as url:
        client = Client(service_name, url, tmp_path, token="an-expired-token-0815")
        with pytest.raises(InputError) as caught:
            client.run()
        assert "token" in str(caught.value) and "0815" not in str(caught.value)
        assert not stand_in.accepted and "0815" not in client.path.read_text()


def test_a_token_that_expires_between_two_tasks_loses_nothing(world):
    stand_in, client = world
    usual = stand_in.accept

    def expiring(*task):
        stand_in.token = "a-newer-token" if len(stand_in.accepted) == 1 else TOKEN
        return usual(*task)

    stand_in.accept = expiring
    with pytest.raises(InputError, match=r"refused the token|has expired|key is not valid"):
        client.run()
    stand_in.token, stand_in.accept = TOKEN, usual
    assert_whole(stand_in, client.run())


@pytest.mark.parametrize("service_name", ["quafu-sqc"], indirect=True)
def test_a_401_to_a_task_is_no_refusal_while_the_token_is_good(world, refused):
    stand_in, client = world
    stand_in.faults = {"submit": [None, Fault(True, 401, b'{"detail": "no"}')]}
    with refused("not known whether"):
        client.run()
    assert len(stand_in.accepted) == 2


def test_an_offline_or_unknown_chip_is_named(service_name, tmp_path, refused):
    stand_in = StandIn()
    stand_in.online = False
    with serving(stand_in) as url:
        with refused(f"{CHIPS[service_name]} is {'calibrating' if service_name == 'quafu-v1' else 'offline'}"):
            Client(service_name, url, tmp_path).run()
        with refused("Unknown chip 'Nowhere'", CHIPS[service_name]):
            Client(service_name, url, tmp_path / "other", chip="Nowhere").run()
    assert not stand_in.accepted


def test_patience_ends_and_a_later_run_goes_on(world, refused):
    stand_in, client = world
    client.run_patience = None
    stand_in.waiting = 0
    ledger = Ledger.open(client.path, client.settings)
    stand_in.ends = "waiting"
    with refused("3 of 3 tasks are still waiting"):
        run(ledger, client.service, jobs(), interval=1, patience=3, sleep=client.naps.append)
    stand_in.ends = "done"
    assert_whole(stand_in, client.run())


KILLED = """
    import sys
    from tests.qdcircuits.test_quafu import Client, Path
    client = Client(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    client.naps = None
    import time
    client.service.http.sleep = time.sleep
    from qdcircuits.cloud.ledger import Ledger
    from qdcircuits.cloud.submission import run
    from tests.qdcircuits.test_quafu import jobs
    run(Ledger.open(client.path, client.settings), client.service, jobs(), interval=0.2, patience=60)
"""


def test_killed_in_the_middle_a_run_goes_on_without_sending_twice(service_name, tmp_path):
    stand_in = StandIn(waiting=10**6)
    with serving(stand_in) as url:
        stand_in.state = lambda number: "done" if len(stand_in.accepted) == 1 else "waiting"
        command = [sys.executable, "-c", textwrap.dedent(KILLED), service_name, url, str(tmp_path)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
        )
        try:
            deadline = time.monotonic() + 60
            while len(stand_in.accepted) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            errors = process.communicate()[1]
        assert len(stand_in.accepted) >= 3, errors.decode()[-1000:]
        del stand_in.state
        stand_in.waiting = 0
        client = Client(service_name, url, tmp_path)
        try:
            ledger = client.run()
        except InputError:  # killed between sending and the answer: the job is undecided, and not sent again
            ledger = Ledger.open(client.path)
            (unknown,) = [name for name, entry in ledger.entries.items() if entry.state == "unknown"]
            numbers = [str(k) for k, task in stand_in.accepted.items() if task["name"] == unknown]
            ledger.settle(unknown, numbers[0] if numbers else None)
            ledger = client.run()
        assert_whole(stand_in, ledger)


def test_a_line_that_a_crash_cut_off_counts_as_not_written(world):
    stand_in, client = world
    ledger = client.run()
    raw = client.path.read_bytes()
    client.path.write_bytes(raw[:-40])
    assert [entry.state for entry in Ledger.open(client.path).entries.values()].count("sent") == 1
    assert_whole(stand_in, client.run())
    assert Ledger.open(client.path).entries == ledger.entries


def test_two_runs_at_once_are_refused(world, refused):
    _, client = world
    ledger = Ledger.open(client.path, client.settings)
    with ledger.locked(), refused("Another run is using the ledger"):
        client.run()


def test_a_ledger_is_not_mixed_with_another_chip(world, refused):
    _, client = world
    client.run()
    client.settings["shots"] = 1024
    with refused("was begun with shots 2048"):
        client.run()


def test_a_ledger_is_replayed_without_token_or_network(world, monkeypatch):
    _, client = world
    before = client.run()
    monkeypatch.setattr("requests.request", None)
    again = Ledger.open(client.path)
    assert [again.frequencies(job.name).tolist() for job in jobs()] == [
        before.frequencies(job.name).tolist() for job in jobs()
    ]


def test_shots_come_in_the_services_multiples(refused, tmp_path):
    with refused("shots is 1000", "multiple of 1,024"):
        Client("quafu-sqc", "http://127.0.0.1:9", tmp_path, shots=1000).run()


def test_cost_is_said_and_shrinks_with_what_is_done(world):
    _, client = world
    chip = client.settings["chip"]
    first = cost(jobs(), None, type(client.service), SHOTS, chip)
    assert "to send: 4 tasks, 8,192 shots" in first and ("(8 x 1,024)" in first) == (client.service.name != "quafu")
    ledger = client.run()
    assert "to send: 0 tasks" in cost(jobs(), ledger, type(client.service), SHOTS, chip)


def test_token_is_read_from_environment_or_a_private_file(monkeypatch, tmp_path, refused):
    for name in ("QDLLM_QUAFU_TOKEN", "QPU_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with refused("No token: set QDLLM_QUAFU_TOKEN"):
        read_token()
    file = tmp_path / "token"
    file.write_text("abc\n")
    file.chmod(0o644)
    with refused("can be read by others", "chmod 600"):
        read_token(str(file))
    file.chmod(0o600)
    assert read_token(str(file)) == "abc"
    monkeypatch.setenv("QPU_API_TOKEN", "from-qpu")
    assert read_token(str(file)) == "from-qpu"
    monkeypatch.setenv("QDLLM_QUAFU_TOKEN", "from-qdllm")
    assert read_token() == "from-qdllm"


def test_the_token_goes_to_no_unencrypted_address_and_no_other_host(refused):
    with refused("must begin with https://"):
        Http("http://quafu-sqc.baqis.ac.cn", "token", TOKEN)
    for service in (QuafuSQC, QuafuCloud):
        assert service(TOKEN).http.url.startswith("https://quafu") and TOKEN not in repr(service(TOKEN))
    other, first = StandIn(), StandIn()
    with serving(other) as target, serving(first) as url:
        first.answer = lambda *_: (307, {})  # type: ignore[method-assign]
        http = Http(url, "token", TOKEN, retries=0)
        with refused("could not be read", "307"):
            http.read("get", f"task/verify?next={target}")
    assert not other.requests


def test_a_message_that_quotes_the_token_is_cleaned():
    http = Http("https://example.org", "token", TOKEN)
    assert http.clean(json.dumps({"error": f"bad {TOKEN}\nhere."})) == '{"error": "bad <token>\\nhere."}'


def test_an_unreachable_service_has_taken_nothing(tmp_path):
    client = Client("quafu-sqc", "http://127.0.0.1:9", tmp_path)
    with pytest.raises(InputError, match="the connection failed"):
        client.run()
    with pytest.raises(InputError, match="cannot be reached"):
        client.service.submit(Order("a", "b", 4, 1024, "Baihua"))


@pytest.mark.parametrize(
    "line", ['{"event": "counts", "name": "x"}', '{"event": "nonsense", "name": "x"}', "[]", "not json"]
)
def test_a_damaged_ledger_names_its_line(line, tmp_path, refused):
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"event": "ledger", "shots": 1}\n' + line + "\n")
    with refused("Line 2 of ledger.jsonl", "is damaged", "pay twice", "Ledger.repair"):
        Ledger.open(path)
