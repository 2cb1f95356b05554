"""What this process may use of the machine: cores and memory, by the limits of a container and not by the hardware."""

import os
import sys
from pathlib import Path

import joblib
import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
# (folder below CGROUPS, limit, use): version 2 of control groups, then version 1
MEMORY_FILES = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))


def cores() -> int:
    """How many cores this process may use: the smallest of hardware, affinity and CPU quota (v1 and v2); at least 1.

    joblib reads the quota of a container; those of the groups between it and this process (Slurm, systemd) are read
    here.
    """
    quotas = [number for group in own_groups() if (number := quota(group))]
    return max(1, min([int(joblib.cpu_count()), *quotas]))


def threads(workers: int) -> int:
    """How many threads each of so many processes gets: its part of the cores, or fewer where OMP_NUM_THREADS says so.

    More threads than cores wait for each other in a loop, which takes many times the work itself.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    share = max(1, cores() // workers)
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share


def quota(group: str) -> int | None:
    """The cores that a control group grants, rounded up; None where it sets no limit."""
    try:
        limit, period = (CGROUPS / group / "cpu.max").read_text().split()
    except (OSError, ValueError):
        folder = CGROUPS / "cpu" / group
        limit, period = (str(number_in(folder / name)) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    if not (limit.isdigit() and period.isdigit() and int(period)):
        return None  # 'max' and -1 mean no limit
    return -(-int(limit) // int(period))


def own_groups() -> list[str]:
    """The control groups of this process and all above them, as paths below the mount; [''] outside of any."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:
        lines = []
    found = [""]
    for line in lines:
        parts = Path(line.split(":", 2)[-1].lstrip("/")).parts
        found += ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    return list(dict.fromkeys(found))


def number_in(path: Path) -> int | None:
    """The whole number that a file holds; None for 'max', and where there is no such file."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def available_memory() -> int:
    """Bytes that can still be taken: what the machine has free, or less where a control group (v1, v2) limits it."""
    free = [int(psutil.virtual_memory().available)]
    for folder, limit_name, use_name in MEMORY_FILES:
        for group in own_groups():
            place = CGROUPS / folder / group
            limit = number_in(place / limit_name)
            if limit is not None:
                free.append(max(0, limit - working_set(place, number_in(place / use_name) or 0)))
    return min(free)


def working_set(place: Path, use: int) -> int:
    """Bytes of a control group's use that cannot be given back: without the file cache that nobody reads."""
    try:
        lines = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return use
    return max(0, use - int(lines.get("total_inactive_file", lines.get("inactive_file", 0))))


def peak_memory() -> int:
    """The greatest memory of this process so far, in bytes (the system counts in KiB on Linux, in bytes on macOS)."""
    unit = 1 if sys.platform == "darwin" else 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
