"""What the machine grants: without the calls that macOS lacks, under limits of control groups, in one unit."""

import os
import resource
import sys
from types import SimpleNamespace

import psutil
import pytest

from qdllm_utils import machine

HARDWARE = 16


@pytest.fixture
def container(monkeypatch, tmp_path):
    """A machine of 16 cores and 64 GB, in which control groups are files below tmp_path; this process is in a/b."""
    (tmp_path / "own").write_text("3:memory,cpu:/a/b\n0::/a/b\n")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(machine.joblib, "cpu_count", lambda: HARDWARE)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * 10**9))

    def write(name: str, text: str) -> None:
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)

    return write


def test_cores_are_counted_where_there_is_no_affinity(monkeypatch):
    """macOS has no os.sched_getaffinity."""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert 1 <= machine.cores() <= os.cpu_count()


def test_affinity_is_honoured():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_without_limits_the_hardware_counts(container):
    assert machine.cores() == HARDWARE and machine.available_memory() == 64 * 10**9


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"a/b/cpu.max": "150000 100000\n"}, 2),
        ({"a/cpu.max": "max 100000\n"}, HARDWARE),
        ({"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n"}, 4),
        ({"a/b/cpu.max": "1000 100000\n"}, 1),
        ({"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, HARDWARE),
        ({"c/cpu.max": "100000 100000\n"}, HARDWARE),  # another group's
    ],
)
def test_a_cpu_quota_is_honoured(container, files, cores):
    for name, text in files.items():
        container(name, text)
    assert machine.cores() == cores


LIMIT, USE = "memory/a/b/memory.limit_in_bytes", "memory/a/b/memory.usage_in_bytes"  # version 1


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "8000", "memory.current": "3000"}, 5000),
        ({"a/memory.max": "8000", "a/memory.current": "7000", "a/memory.stat": "inactive_file 6000\n"}, 7000),
        ({"a/b/memory.max": "max\n", "a/b/memory.current": "3000"}, 64 * 10**9),
        ({LIMIT: "2000\n", USE: "500\n"}, 1500),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 * 10**9),  # version 1's 'no limit'
        ({"memory.max": "1000", "memory.current": "2000"}, 0),
    ],
)
def test_a_memory_limit_is_honoured(container, files, free):
    for name, text in files.items():
        container(name, text)
    assert machine.available_memory() == free


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_bytes_on_every_system(monkeypatch, system, unit):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=5000))
    assert machine.peak_memory() == 5000 * unit


def test_peak_memory_is_at_least_what_is_used_now():
    assert machine.peak_memory() >= 0.9 * psutil.Process().memory_info().rss > 10**7


@pytest.mark.parametrize(
    ("asked", "workers", "found"),
    [(None, 1, 8), (None, 3, 2), (None, 20, 1), ("1", 1, 1), ("3", 2, 3), ("9", 2, 4), ("", 2, 4)],
)
def test_threads_are_a_part_of_the_cores_and_no_more_than_asked_for(monkeypatch, asked, workers, found):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert machine.threads(workers) == found
