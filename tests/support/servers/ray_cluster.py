"""Makes a store on a Ray cluster of two nodes on this host, one of which is killed while it is at a shard.

python -m tests.support.servers.ray_cluster FOLDER STORE, in a network namespace, since Ray listens on all
interfaces: unshare -rn sh -c "ip link set lo up && exec python -m tests.support.servers.ray_cluster FOLDER
STORE"
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from tests.support.stores.sharded_job import make_store


def main(folder: Path, store: Path) -> int:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    threading.Thread(target=kill, args=(cluster, second), daemon=True).start()
    try:
        return make_store(folder, store, "--engine", "ray", "--address", cluster.address)
    finally:
        cluster.shutdown()


def kill(cluster: Cluster, node) -> None:
    """Kills a node and its worker once both nodes are at a shard."""
    kept, lost = stopped_worker(cluster.head_node), stopped_worker(node)
    cluster.remove_node(node, allow_graceful=False)
    os.kill(lost, signal.SIGKILL)
    os.kill(kept, signal.SIGCONT)


def stopped_worker(node) -> int:
    """Process id of the node's worker, stopped at its first shard."""
    (raylet,) = (each.process.pid for each in node.all_processes["raylet"])
    while True:
        of_threads = [each.read_text() for each in Path(f"/proc/{raylet}/task").glob("*/children")]
        for process in " ".join(of_threads).split():
            if b".compute" in title(process):
                os.kill(int(process), signal.SIGSTOP)
                return int(process)
        time.sleep(0.005)


def title(process: str) -> bytes:
    """A worker's is what it is at, such as ray::_Worker.compute; empty where it has just ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
