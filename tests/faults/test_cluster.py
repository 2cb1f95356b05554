"""A Dask cluster that is not one, has no fit worker, or dies: a sentence each time, within 15 seconds, and no row."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import distributed
import numpy as np
import psutil
import pytest

from qdllm_utils.runs import cluster
from qdllm_utils.runs.pool import Killed

ROOT = Path(cluster.__file__).parents[2]


@dataclass(frozen=True)
class Small:
    """A job as far as the cluster looks at it."""

    name: str
    features: np.ndarray | None
    labels: object = None
    split: object = None
    teacher_logits: object = None
    texts: object = ()
    adapter: object = None


def total(job):
    """The work: a sum; 'slow' takes long, 'dies' kills its process."""
    if job.name == "slow":
        time.sleep(60)
    if job.name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return job.name, os.getpid(), float(job.features.sum())


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 3.0)


@pytest.fixture
def within():
    """No test of this file may take longer than the 15 seconds that a sentence may."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 15


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def started(*arguments: str, **environment: str) -> subprocess.Popen:
    """A process of dask's command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)} | environment,
        cwd=environment.get("PYTHONPATH", str(ROOT)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def processes(workers: int = 0, **environment: str):
    """A scheduler and workers, each a process of its own; yields (address, scheduler, workers)."""
    address = f"tcp://127.0.0.1:{port()}"
    scheduler = started(
        *("dask_scheduler", "--host", address, "--no-dashboard", "--no-show"),
        DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1",
    )
    hands = [
        started("dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", **environment)
        for _ in range(workers)
    ]
    try:
        yield address, scheduler, hands
    finally:
        for process in (*hands, scheduler):
            process.kill()
            process.wait()


@contextmanager
def local(workers: int):
    """The same within this process."""
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    ) as found:
        yield found


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *given):
        """Say nothing."""


def answering(answer: bytes | None) -> socket.socket:
    """A server that sends this to whoever comes (None: nothing), and listens no more when it is closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        kept = []
        while True:
            try:
                kept.append(server.accept()[0])
            except OSError:
                return
            if answer:
                kept[-1].sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server


def spread(address, jobs=()):
    return list(cluster.spread(jobs, address, total))


# --- no cluster at all ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, b"\x01" * 4096, b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["silent", "noise", "ssh"])
def test_a_foreign_server_is_a_sentence(quick, within, refused, answer):
    server = answering(answer)
    address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with refused("QDLLM_DASK", address, "no Dask scheduler answers"):
        spread(address)
    server.close()


def test_the_port_of_a_dashboard_is_a_sentence(quick, within, refused):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with refused("QDLLM_DASK", "not its dashboard's"):
        spread(f"tcp://127.0.0.1:{server.server_port}")
    server.shutdown()


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:8787", "tls://127.0.0.1:8786", "tcp://127.0.0.1:1"])
def test_an_address_that_is_none_is_a_sentence(quick, within, refused, address):
    with refused("QDLLM_DASK", address, "certificates" if "tls" in address else "unset"):
        spread(address)


def test_the_address_of_a_worker_is_a_sentence(quick, within, refused):
    with local(1) as found, refused("no Dask scheduler answers"):
        spread(found.workers[0].address)


# --- workers that are not fit -----------------------------------------------------------------------------


def test_a_scheduler_without_a_worker_is_a_sentence(quick, within, refused, monkeypatch):
    with local(0) as found:
        with refused("has no worker after 3 seconds", "--nthreads 1", "QDLLM_DASK_WAIT"):
            spread(found.scheduler_address)
        monkeypatch.setenv("QDLLM_DASK_WAIT", "soon")
        with refused("QDLLM_DASK_WAIT", "'soon'"):
            spread(found.scheduler_address)


def test_a_worker_of_other_code_is_refused(quick, within, refused, monkeypatch):
    with local(1) as found:
        ours = cluster.own_code()
        monkeypatch.setattr(cluster, "own_code", iter([ours, ours | {"code": "altered"}]).__next__)
        with refused(found.workers[0].address, "another version", "code", "altered", "same commit"):
            spread(found.scheduler_address)


@pytest.mark.parametrize("name", ["code", "torch", "numpy", "python"])
def test_every_version_that_decides_a_number_counts(refused, name):
    ours = cluster.own_code()
    cluster.refuse_other(ours, ours, "tcp://w")
    with refused("tcp://w", f"{name} 0, here"):
        cluster.refuse_other(ours | {name: "0"}, ours, "tcp://w")


def test_a_changed_line_of_the_package_changes_the_code(monkeypatch, tmp_path):
    for package in ("qdcircuits", "qdllm_utils/runs"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(cluster, "__file__", str(tmp_path / "qdllm_utils" / "runs" / "cluster.py"))
    before = cluster.own_code.__wrapped__()["code"]
    (tmp_path / "qdcircuits" / "a.py").write_text("x = 2\n")
    assert cluster.own_code.__wrapped__()["code"] != before


def test_a_worker_that_comes_late_with_other_code_does_no_job(quick, monkeypatch):
    monkeypatch.setattr(distributed, "get_worker", lambda: type("W", (), {"address": "tcp://late"}))
    from qdcircuits.errors import InputError

    with pytest.raises(InputError, match="tcp://late has another version"):
        cluster.on_worker(Small("a", None), {}, cluster.own_code() | {"code": "x"}, total)


def test_a_worker_without_the_package_is_a_sentence(within, refused, tmp_path):
    """A process of its own that cannot find the package (a broken one stands before it on its path)."""
    (tmp_path / "qdllm_utils").mkdir()
    (tmp_path / "qdllm_utils" / "__init__.py").write_text("raise ModuleNotFoundError('No module named qdllm_utils')\n")
    with processes(1, PYTHONPATH=str(tmp_path)) as (address, _, _):
        wait_for(address)
        with refused("cannot use this package", "ModuleNotFoundError", "install it there"):
            spread(address)


def test_a_worker_that_is_busy_with_another_notebook_is_fit_and_a_frozen_one_is_not(quick, within, refused):
    with (
        processes(1) as (address, _, workers),
        distributed.Client(address, timeout=30, set_as_default=False) as other,
    ):
        other.wait_for_workers(1, timeout=30)
        busy = other.submit(time.sleep, 60)
        while not any(other.processing().values()):
            time.sleep(0.1)
        with cluster.connected(address):
            assert not busy.done()
        workers[0].send_signal(signal.SIGSTOP)
        with refused("does not answer"), cluster.connected(address):
            pass


# --- what happens on the way ------------------------------------------------------------------------------


def wait_for(address: str) -> None:
    """Until a scheduler in a process of its own has a worker."""
    with distributed.Client(address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=30)


def test_a_scheduler_that_dies_is_a_sentence(refused):
    with processes(1) as (address, scheduler, _):
        wait_for(address)
        results = cluster.spread([Small("a", np.ones(3)), Small("slow", np.ones(3))], address, total)
        assert next(results)[1][2] == 3.0
        scheduler.kill()
        start = time.monotonic()
        with refused("is gone", "stored"):
            next(results)
        assert time.monotonic() - start < 15


def test_the_last_worker_that_dies_is_a_sentence(refused, monkeypatch):
    monkeypatch.setattr(cluster, "LOST", 3.0)
    with processes(1) as (address, _, workers):
        wait_for(address)
        results = cluster.spread([Small("a", np.ones(3)), Small("slow", np.ones(3))], address, total)
        next(results)
        workers[0].kill()
        start = time.monotonic()
        with refused("lost its last worker", "stored"):
            next(results)
        assert time.monotonic() - start < 15


def test_features_are_sent_once_and_not_in_each_job(quick):
    """12 MB and 20 jobs: sent in each job they would be 240 MB."""
    features = np.random.default_rng(0).normal(size=(1500, 1000))
    with processes(1) as (address, _, _):
        wait_for(address)
        before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
        found = spread(address, [Small(str(number), features) for number in range(20)])
        sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
    assert [result[2] for _, result in found] == pytest.approx([float(features.sum())] * 20, rel=1e-12)
    assert all(job.features is features for job, _ in found)
    assert 1.2e7 < sent < 6e7


def test_a_job_that_kills_its_workers_is_named_and_the_others_end():
    with processes() as (address, _, _):
        worker = started("dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "30")
        try:
            wait_for(address)
            jobs = [Small("a", np.ones(3)), Small("dies", np.ones(3)), Small("b", np.ones(3))]
            found = {job.name: result for job, result in spread(address, jobs)}
        finally:
            worker.terminate()
            worker.wait()
    assert isinstance(found["dies"], Killed) and "memory" in str(found["dies"])
    assert found["a"][2] == found["b"][2] == 3.0
