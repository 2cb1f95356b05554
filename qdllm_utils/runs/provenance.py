"""Who, where, when and how long: what is written beside a row and never changes its key."""

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from qdllm_utils.machine import peak_memory

PACKAGES = ("torch", "transformers", "peft", "pennylane", "numpy", "scikit-learn")


@cache
def commit() -> str:
    """The commit of the checkout, with '+' where tracked files differ from it; 'unknown' outside one."""
    root = Path(__file__).parents[2]
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=10", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(
            ["git", "diff", "--quiet", "HEAD", "--", "qdllm_utils", "qdcircuits"], cwd=root, check=False
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.returncode else "")


@cache
def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return name


def machine() -> str:
    """The processor and its cores, in words."""
    return f"{processor()}, {os.cpu_count()} cores"


def today() -> str:
    """The date, in UTC, as 2026-01-31."""
    return datetime.now(UTC).date().isoformat()


def versions() -> dict[str, str]:
    """The versions of the packages that decide a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@contextlib.contextmanager
def recorded() -> Iterator[dict[str, Any]]:
    """Collect the provenance of what runs inside: fills the dictionary it yields when it ends.

    seconds: wall time; cpu_seconds: of this process; peak_memory_mb: the largest resident size that this
    process has had so far.
    """
    import torch

    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    record: dict[str, Any] = {}
    start, cpu = time.perf_counter(), time.process_time()
    yield record
    record.update(
        source="measured",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        seconds=round(time.perf_counter() - start, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
        peak_memory_mb=round(peak_memory() / 2**20),
        machine={
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if gpu else None,
            "gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20) if gpu else None,
            "system": platform.system(),
        },
        versions=versions(),
    )
