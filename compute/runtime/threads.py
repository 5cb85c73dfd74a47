"""How many threads may compute, and how they wait for each other: told to the numerical libraries before any
of them is loaded, since they read it once."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

SPINS = "1000"
"""Turns that a thread of GNU's OpenMP waits in a loop before it sleeps: some microseconds. Its own choice is
some milliseconds, a turn of the scheduler: beside other busy processes most of the time is then spent on
waiting for threads that are not running (tests/benchmarks/contention.py)."""


def share_the_machine() -> None:
    """Let threads sleep while they wait, and have no more of them than there are cores for this process.

    It sets GOMP_SPINCOUNT, and OMP_NUM_THREADS where control groups allow fewer cores than there are. What
    the environment says already stays as it is. Without effect on libraries that are loaded already.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if (cores := available_cores()) < _cores_to_run_on():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def available_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process can keep busy: of those it may run on, what control groups allow.

    root: under which `proc` and `sys` lie
    A limit of one and a half cores counts as two.
    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cpu.cfs_*)
    """
    return min([_cores_to_run_on(), *(max(1, math.ceil(each)) for each in _limits(root))])


def _cores_to_run_on() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _limits(root: Path) -> Iterator[float]:
    """In cores, of each control group that this process is in and of those around it."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # no Linux
    mounted = root / "sys/fs/cgroup"
    for line in groups:
        _, controllers, path = line.split(":", 2)
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            if not controllers:
                yield from _limit(mounted / group / "cpu.max")
            elif "cpu" in controllers.split(","):
                folder = mounted / controllers / group
                yield from _limit(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _limit(*files: Path) -> Iterator[float]:
    """Yield microseconds of work a period over the period's own; nothing where there is no limit."""
    try:
        quota, period = " ".join(file.read_text() for file in files).split()
    except (OSError, ValueError):
        return  # not mounted here, as in containers, or no such controller
    if quota != "max" and int(quota) > 0:
        yield int(quota) / int(period)
