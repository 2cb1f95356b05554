"""Results held against the order, damaged ledgers, what settles a job, and connections that misbehave."""

import json
import ssl
import time

import pytest
import requests

from qdcircuits.cloud.connection import never_arrived, retry_after, said, untrusted
from qdcircuits.cloud.ledger import Ledger
from qdcircuits.cloud.quafu import QuafuSQC, QuafuTaskApi
from qdcircuits.cloud.quafu_http import Http, strict_json
from qdcircuits.cloud.results import check_sum, read_counts, whole
from qdcircuits.cloud.token import check_token, read_token
from tests.qdcircuits.stand_in import TOKEN, Fault, StandIn, serving
from tests.qdcircuits.test_quafu import SHOTS, Client, assert_whole, jobs


@pytest.fixture
def world(tmp_path):
    stand_in = StandIn(waiting=0)
    with serving(stand_in) as url:
        yield stand_in, Client("quafu-sqc", url, tmp_path)


@pytest.mark.parametrize(("number", "found"), [(3, 3), (3.0, 3), ("3", 3), ("3.0", 3), (3e3, 3000), (0, 0)])
def test_a_whole_number_is_one_in_any_json_form(number, found):
    assert whole(json.loads(json.dumps(number))) == found


@pytest.mark.parametrize("number", [True, -1, 1.5, "x", "", "-1", "1e3", None, [], float("inf"), float("nan"), "٣"])
def test_anything_else_is_none(number):
    assert whole(number) is None


@pytest.mark.parametrize(
    "found",
    [None, {}, [], 3, "x", "[]", {"01": 1}, {"012": 1}, {"0 0": 1}, {"000": 1.5}, {"000": None}, "{'000': 'x'}"],
)
def test_counts_that_are_none_are_refused(found, refused):
    with refused("The counts"):
        read_counts(found, 3)


def test_counts_must_add_up_to_the_shots(refused):
    assert read_counts("{'000': 3, '111': 4.0}", 3) == {"000": 3, "111": 4}
    check_sum({"000": 3, "111": 4}, 7)
    with refused("of 7 shots and 8 were ordered"):
        check_sum({"000": 3, "111": 4}, 8)


MALFORMED = [
    ({"0000": SHOTS - 1}, "of 2,047 shots and 2,048 were ordered"),
    ({"00000": SHOTS}, "'00000': '2048'"),
    ({"000x": SHOTS}, "'000x'"),
    ({"0000": -SHOTS}, "'-2048'"),
    ([SHOTS], "no object"),
    ("nonsense", "a text that is no object"),
]


@pytest.mark.parametrize(("counts", "why"), MALFORMED)
def test_one_malformed_result_is_kept_named_and_stops_no_other(world, refused, counts, why):
    stand_in, client = world
    usual = stand_in.sqc_result
    stand_in.sqc_result = lambda n: usual(n) | ({"count": counts} if n % 10 == 2 else {})
    with refused("1 of 3 tasks have answers that are not what was ordered (task 2511220000002", why):
        client.run()
    ledger = Ledger.open(client.path)
    states = [ledger.entries[job.name].state for job in jobs()]
    assert states == ["done", "malformed", "done"]
    lines = [json.loads(line) for line in client.path.read_text().splitlines()]
    mine = [line["event"] for line in lines if line.get("name") == jobs()[1].name]
    assert (
        mine == ["sending", "sent", "answer", "malformed"] and ledger.entries[jobs()[1].name].answer["count"] == counts
    )
    stand_in.sqc_result = usual
    assert_whole(stand_in, client.run())  # asked for again, not sent again


@pytest.mark.parametrize(
    "answer",
    [
        [1],
        "text",
        3,
        {"tid": 7, "status": "Finished", "count": {"0000": SHOTS}},
        {"error": "token expired"},
        {"status": ""},
    ],
)
def test_an_answer_that_is_none_names_its_task(world, refused, answer):
    stand_in, client = world
    usual = stand_in.sqc_result
    stand_in.sqc_result = lambda n: answer if n % 10 == 3 else usual(n)
    with refused("1 of 3 tasks have answers", "task 2511220000003"):
        client.run()
    stand_in.sqc_result = usual
    assert_whole(stand_in, client.run())


def test_a_result_that_the_service_cannot_give_stops_no_other(world, refused):
    stand_in, client = world
    answer = stand_in.answer

    def failing(method, url, headers, body):
        return (500, {"detail": "lost"}) if url.endswith("/2511220000002") else answer(method, url, headers, body)

    stand_in.answer = failing
    with refused("1 of 3 tasks have answers", "it answered 500"):
        client.run()
    stand_in.answer = answer
    assert_whole(stand_in, client.run())


def test_counts_in_other_json_forms_are_read(world):
    stand_in, client = world
    usual = stand_in.counts
    stand_in.counts = lambda *a: {bits: str(n) if n % 2 else float(n) for bits, n in usual(*a).items()}
    assert_whole(stand_in, client.run())


def test_names_that_stand_twice_and_nan_are_no_json():
    for text in ('{"00": 1, "00": 2}', "NaN", '{"a": Infinity}', "[" * 100_000, "9" * 5000):
        with pytest.raises(ValueError):
            strict_json(text)


def test_settling_understands_an_empty_answer_and_a_number_twice(world, refused):
    stand_in, client = world
    stand_in.faults = {"submit": [None, "drop"]}
    with refused("not known whether"):
        client.run()
    unknown, ledger = jobs()[0].name, Ledger.open(client.path)
    for empty in ("", "  ", "\n", True, "two words"):
        with refused("is no task's number, so nothing is settled"):
            ledger.settle(unknown, empty)
    with refused("2511220000000 is the number of", "two jobs cannot share it"):
        ledger.settle(unknown, 2511220000000)
    with refused("Unknown undecided job 'x'"):
        ledger.settle("x", None)
    ledger.settle(unknown, 2511220000001)
    assert_whole(stand_in, client.run())


def damaged(client: Client, number: int, text: bytes) -> None:
    lines = client.path.read_bytes().split(b"\n")
    lines[number - 1] = text
    client.path.write_bytes(b"\n".join(lines))


def test_a_damaged_ledger_is_repaired_and_nothing_is_sent_twice(world, refused):
    stand_in, client = world
    client.run()
    count = len(client.path.read_bytes().splitlines())
    whole_file = client.path.read_bytes()
    for number in range(2, count + 1):
        for cut in (40, 0):
            client.path.write_bytes(whole_file)
            line = whole_file.splitlines()[number - 1]
            damaged(client, number, b"\xff{" + line[:cut] if cut == 0 else line[:-cut])
            with refused(f"Line {number} of ledger.jsonl cannot be read"):
                client.run()
            ledger = Ledger.repair(client.path)
            assert Ledger.open(client.path).entries.keys() == ledger.entries.keys()
            for name, entry in list(ledger.entries.items()):
                if entry.state == "unknown":
                    numbers = [str(k) for k, task in stand_in.accepted.items() if task["name"] == name]
                    taken = [other for other in ledger.entries.values() if other.task in numbers]
                    ledger.settle(name, numbers[0] if numbers and not taken else None)
            try:
                client.run()
            except ValueError as error:
                assert "damaged and may have been a task" in str(error) or "was damaged" in str(error)
            assert len(stand_in.accepted) == 4, (number, cut)
    kept = [path for path in client.path.parent.iterdir() if ".damaged-" in path.name]
    assert len(kept) == 2 * (count - 1)


def test_a_lost_line_without_a_name_stops_new_tasks_until_it_is_settled(world, refused):
    stand_in, client = world
    stand_in.faults = {"submit": [None, None, "drop"]}
    with refused("not known whether"):
        client.run()
    lines = client.path.read_bytes().splitlines()
    damaged(client, len(lines), b"???")  # what came instead of the number of the second text
    damaged(client, len(lines) - 1, b"???")  # that it was sent
    ledger = Ledger.repair(client.path)
    lost = [name for name in ledger.entries if name.startswith("line-")]
    assert len(lost) == 2
    with refused("was damaged and may have been a task", "settle("):
        client.run()
    assert len(stand_in.accepted) == 3


def test_a_ledger_keeps_calibration_route_and_flags_and_refuses_others(world, refused):
    _, client = world
    ledger = client.run()
    how = ledger.entries[jobs()[0].name].how
    flags = {"compile": True, "numbering": "physical", "service": "quafu-sqc"}
    assert how == {"calibration": None, "route": [], "flags": flags}
    with refused("was begun with the flags"):
        client.run(server_compiles=False)


def test_a_ledger_with_another_circuit_for_a_text_is_refused(world, refused, monkeypatch):
    _, client = world
    client.run()
    import tests.qdcircuits.test_quafu as module

    monkeypatch.setattr(module, "WEIGHTS", module.WEIGHTS + 0.1)
    with refused("has another circuit for"):
        client.run()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(True, drip=0.2), "no whole answer in time"),
        (Fault(True, body=b" " * 17_000_000), "more than 16,000,000 bytes"),
    ],
)
def test_a_slow_drip_and_a_huge_answer_end_in_a_sentence(world, refused, fault, sentence):
    stand_in, client = world
    client.service.http.total, client.service.http.retries = 1.0, 0
    stand_in.faults = {"other": [fault]}
    start = time.monotonic()
    with refused(sentence):
        client.run()
    assert time.monotonic() - start < 4
    client.service.http.total = 1.0
    stand_in.faults = {"submit": [fault]}
    with refused("not known whether", sentence):
        client.run()
    assert len(stand_in.accepted) == 1


def test_a_certificate_that_is_not_valid_is_said_and_nothing_was_sent():
    http = Http("https://example.org", "token", TOKEN)
    cause = ssl.SSLCertVerificationError("self-signed certificate")
    error = requests.exceptions.SSLError(cause)
    assert untrusted(error) and not never_arrived(error)
    assert "the certificate of example.org is not valid" in said(error, http.host)
    assert not untrusted(requests.exceptions.SSLError("UNEXPECTED_EOF"))  # after bytes have left: not known


def test_a_real_certificate_error_is_understood(tmp_path, refused):
    """A TLS server on this machine with a certificate of its own making, if openssl is there to make one."""
    import shutil
    import socket
    import subprocess
    import threading

    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, "-days", "1", "-subj", "/CN=localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    service = QuafuSQC(TOKEN, f"https://localhost:{listener.getsockname()[1]}", timeout=5, sleep=lambda _: None)
    with refused("the certificate of localhost is not valid"):
        service.check("Baihua")
    with refused("The task was not sent", "certificate"):
        service.http.send("task/run/")
    listener.close()


@pytest.mark.parametrize(
    "url", ["", "quafu.baqis.ac.cn", "ftp://127.0.0.1", "http://host", "https://", "https://u:p@host", "https://h/?a=b",
            "https://host:port", "https://[::1", "http://127.0.0.1.example.org", "https://h h"]
)  # fmt: skip
def test_addresses_that_are_none_are_refused(url, refused):
    with refused("The service's address"):
        Http(url, "token", TOKEN)


@pytest.mark.parametrize("token", ["", "a\nb", "a b", "tökén", "a\r\nX: y", "\x00"])
def test_tokens_that_no_header_can_carry_are_refused_and_not_quoted(token, refused, tmp_path, monkeypatch):
    with refused("The token is empty or has a blank"):
        check_token(token)
    with refused("The token"):
        QuafuSQC(token)
    monkeypatch.delenv("QPU_API_TOKEN", raising=False)
    if token.strip() and "\x00" not in token:
        monkeypatch.setenv("QDLLM_QUAFU_TOKEN", token)
        with refused("The token"):
            read_token()


def test_a_token_file_that_is_no_text_is_refused(tmp_path, refused, monkeypatch):
    for name in ("QDLLM_QUAFU_TOKEN", "QPU_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfea\x00")
    file.chmod(0o600)
    with refused("cannot be read (UnicodeDecodeError)"):
        read_token(str(file))


def test_a_bearer_key_is_taken_out_of_messages_and_of_nobodys_netrc(world, tmp_path, monkeypatch):
    stand_in, _ = world
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(stand_in) as url:
        service = QuafuTaskApi(TOKEN, url)
        assert service.check("Baihua") == 3
    assert service.http.clean(f"bad Bearer {TOKEN}") == "bad Bearer <token>"


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("7") == 7 and retry_after(None) == retry_after("soon") == retry_after("-1") == 0
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    assert 95 < retry_after(date) <= 100 and retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
