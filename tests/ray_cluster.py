"""Makes a store on a Ray cluster of two nodes on this host, one of which is killed in mid-job.

python -m tests.ray_cluster FOLDER STORE, in a network namespace of its own, since Ray listens on all interfaces:
unshare -rn sh -c "ip link set lo up && exec python -m tests.ray_cluster FOLDER STORE"
"""

import sys
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from tests.sharded_job import make_store, shards


def main(folder: Path, store: Path) -> int:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)

    def kill() -> None:
        while not shards(store, "images"):
            time.sleep(0.005)
        cluster.remove_node(second, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        return make_store(folder, store, "--engine", "ray", "--address", cluster.address)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
