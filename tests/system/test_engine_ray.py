"""The Ray engine on two nodes of one host, one of them killed in mid-job: the job ends, with the same bytes.

Ray listens on all interfaces, so it runs only in a network namespace, where loopback is the only one."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stores import sharded_job
from tests.support.stores.sharded_job import make_store, shards

ISOLATED = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
SECONDS = 240
"""Of which some twenty are needed on an idle machine."""


def why_not() -> str | None:
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed (requirements-ray.txt)"
    if shutil.which("unshare") is None or subprocess.run([*ISOLATED, "true"], capture_output=True).returncode:
        return "no network namespace can be made here (unshare --net), and Ray is not started outside of one"
    return None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


def isolated(module: str, *arguments: object) -> subprocess.CompletedProcess:
    path = os.pathsep.join(filter(None, [str(sharded_job.ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
    command = [*ISOLATED, sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    sharded_job.make_job(folder)
    return folder


def test_a_node_is_killed_in_mid_job_and_the_bytes_are_the_same(folder, tmp_path):
    done = isolated("tests.support.servers.ray_cluster", folder, tmp_path / "ray")
    assert done.returncode == 0, done.stderr[-4000:]
    said = r"worker \d died, with its process or its node; its shard of (activations|occlusion): \d"
    assert re.search(said, done.stderr)
    assert make_store(folder, tmp_path / "local") == 0
    assert shards(tmp_path / "ray") == shards(tmp_path / "local")
    assert (tmp_path / "ray" / "CURRENT").read_bytes() == (tmp_path / "local" / "CURRENT").read_bytes()
    assert not list((tmp_path / "ray").glob("runs/*/partials"))


def test_no_cluster_is_one_line(folder, tmp_path):
    options = sharded_job.arguments(folder, tmp_path / "ray", "--engine", "ray", "--address", "127.0.0.1:1")
    done = isolated("compute", *options)
    assert done.returncode == 2, done.stderr[-4000:]
    assert "error: no Ray cluster answers at '127.0.0.1:1'" in done.stderr
