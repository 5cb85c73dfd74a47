"""Threads leave the processors to others while they wait, and are no more than control groups allow."""

import os
import subprocess
import sys

import pytest

from compute.runtime.threads import SPINS, available_cores

HERE = len(os.sched_getaffinity(0))


def machine(folder, groups, **files):
    """A `proc` and a `sys` that say so. files: below sys/fs/cgroup, "/" written as "__"."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = folder / (name if name.startswith("proc") else f"sys/fs/cgroup/{name.replace('__', '/')}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/team/job", {"team__job__cpu.max": "100000 100000"}, 1),
        ("0::/team/job", {"team__cpu.max": "50000 100000", "team__job__cpu.max": "max 100000"}, 1),
        ("0::/docker/1f", {"cpu.max": "20000 100000"}, 1),  # a container sees its own group as the root
        ("0::/", {"cpu.max": "max 100000"}, HERE),
        ("0::/", {}, HERE),
        ("4:cpu,cpuacct:/a", {"cpu,cpuacct__a__cpu.cfs_quota_us": "100000",
                              "cpu,cpuacct__a__cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu:/a", {"cpu__cpu.cfs_quota_us": "-1", "cpu__cpu.cfs_period_us": "100000"}, HERE),
        ("4:memory:/a", {"memory__a__cpu.cfs_quota_us": "1", "memory__a__cpu.cfs_period_us": "1"}, HERE),
    ],
)  # fmt: skip
def test_control_groups_limit_the_cores(tmp_path, groups, files, cores):
    assert available_cores(machine(tmp_path, groups, **files)) == cores


def test_parts_of_a_core_count_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert available_cores(machine(tmp_path, "0::/", **{"cpu.max": "350000 100000"})) == 4


def test_without_control_groups_the_cores_are_those_to_run_on(tmp_path):
    assert available_cores(tmp_path) == HERE


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "active"}, "30000000000")],
)
def test_the_library_that_computes_was_told(said, spins):
    """By its own word, and what the environment says already stands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    ran = subprocess.run(
        [sys.executable, "-c", "import compute.runtime.threads, torch; torch.ones(2).sum()"],
        env={**kept, **said, "OMP_DISPLAY_ENV": "verbose"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"GOMP_SPINCOUNT = '{spins}'" in ran.stderr
