"""The graph of 90 neighbours of every point by cosine: exact, by our descent, and by other libraries.

    python -m tests.benchmarks.vectors.graphs FEATURES.npy [--counts 50000 200000] [--ways exact ours …]
    [--threads N] [--write]

FEATURES.npy holds (N, D) float32, of which the first are taken. Each way runs in its own process. "exact"
searches for 4,096 of the points and is scaled up to all. Recall is the share of the true 20 nearest found of
1,000 random points, a neighbour as near as the last of them counting as one. Memory is what the process held
at most beyond the points themselves, as a multiple of them. faiss, hnswlib and usearch take part where they
are installed; their settings are those that reached a recall of 0.99 on 50,000 points, if any did.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from compute.neighbors.blocks import BlockSearch
from compute.neighbors.descent import Descent
from compute.neighbors.graph import Graph
from compute.neighbors.recall import Sample
from compute.pipeline.neighbor_graphs import GOOD_RECALL, ROUNDS
from compute.pipeline.stages.embeddings import GRAPH_NEIGHBORS, normalised
from tests.benchmarks.reporting import report

COUNTS = (50_000, 200_000)
SEARCHED = 4096
SEED = 1
COLUMNS = ("points", "way", "wall s", "CPU s", "recall at 20", "memory / points", "rounds")


def exact(points: np.ndarray, threads: int) -> tuple[Graph | None, int]:
    """Search for some of the points; None, and the factor by which the whole takes longer."""
    BlockSearch(points, "cosine").nearest(np.arange(SEARCHED), GRAPH_NEIGHBORS)
    return None, len(points) // SEARCHED


def ours(points: np.ndarray, threads: int) -> tuple[Graph, int]:
    """Descend as a store's stage does, its sample and its second measurement included."""
    search = BlockSearch(points, "cosine")
    descent = Descent.among(points, "cosine", GRAPH_NEIGHBORS, SEED, threads)
    sample, found = Sample.of(search, SEED), None
    for number in range(ROUNDS):
        found = descent.round(number, found)
        graph = descent.measured(found, search)
        if sample.recall(graph) >= GOOD_RECALL:
            break
    return graph, number + 1


def faiss_ivf(points: np.ndarray, threads: int) -> tuple[Graph, int]:
    """Search an inverted file of 4 sqrt(n) lists, an eighth of which are looked at."""
    import faiss

    faiss.omp_set_num_threads(threads)
    lists = int(4 * np.sqrt(len(points)))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(points.shape[1]), points.shape[1], lists, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = SEED, 10, 64
    index.train(points)
    index.add(points)
    index.nprobe = lists // 8
    similarity, indices = index.search(points, GRAPH_NEIGHBORS + 1)
    return Graph(indices, 1 - similarity), 1


def hnswlib_graph(points: np.ndarray, threads: int) -> tuple[Graph, int]:
    """Search a hierarchical graph of degree 16; with several threads its bytes differ from run to run."""
    import hnswlib

    index = hnswlib.Index("cosine", points.shape[1])
    index.init_index(len(points), M=16, ef_construction=200, random_seed=SEED)
    index.add_items(points, num_threads=threads)
    index.set_ef(200)
    return Graph(*index.knn_query(points, GRAPH_NEIGHBORS + 1, num_threads=threads)), 1


def usearch_graph(points: np.ndarray, threads: int) -> tuple[Graph, int]:
    """Search usearch's hierarchical graph of degree 16."""
    from usearch.index import Index

    index = Index(
        ndim=points.shape[1], metric="cos", connectivity=16, expansion_add=200, expansion_search=200
    )
    index.add(np.arange(len(points)), points, threads=threads)
    found = index.search(points, GRAPH_NEIGHBORS + 1, threads=threads)
    return Graph(found.keys.astype(np.int64), found.distances), 1


WAYS: dict[str, Callable[[np.ndarray, int], tuple[Graph | None, int]]] = {
    "exact": exact,
    "ours": ours,
    "faiss IVF": faiss_ivf,
    "hnswlib": hnswlib_graph,
    "usearch": usearch_graph,
}


def one(path: str, count: int, way: str, threads: int) -> dict[str, float | None]:
    """In this process: what a way takes, and what it finds."""
    torch.set_num_threads(threads)
    points = unit_points(path, count)
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    graph, times = WAYS[way](points, threads)
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    memory = (peak() - before) / points.nbytes
    if graph is None:
        return {name: seconds * times for name, seconds in taken.items()} | {"recall": 1, "memory": memory}
    return taken | {"recall": recall(points, graph), "memory": memory, "rounds": times}


def apart(module: str, count: int, what: str) -> dict[str, float] | None:
    """What `one` of a benchmark finds in a process of its own; None, with the reason said, where it fails."""
    command = [sys.executable, "-m", module, *sys.argv[1:], "--one", str(count), what]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        print(f"{what} of {count:,}: {made.stderr.splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(made.stdout.splitlines()[-1])


def unit_points(path: str | Path, count: int) -> np.ndarray:
    """The first features at length 1."""
    return normalised(np.load(path, mmap_mode="r")[:count])


def recall(points: np.ndarray, graph: Graph) -> float:
    """Of another library's graph too, which has the point itself and distances of its own rounding."""
    search = BlockSearch(points, "cosine")
    sample = Sample.of(search, 0)
    found = np.full((len(points), sample.at), np.inf, np.float32)
    for row in sample.rows:
        others = graph.indices[row][graph.indices[row] != row][: sample.at]
        pairs = (torch.full((len(others),), row), torch.from_numpy(others.astype(np.int64)))
        found[row, : len(others)] = search.distances(*pairs).numpy()
    return sample.recall(Graph(graph.indices, found))


def peak() -> int:
    """Bytes that this process held at most so far (Linux gives KiB)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--write", action="store_true", help="keep the result in results/graphs.json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.features, int(chosen.one[0]), chosen.one[1], chosen.threads)))
        return
    rows = []
    for count in chosen.counts:
        for way in chosen.ways:
            found = apart("tests.benchmarks.vectors.graphs", count, way)
            if found is None:
                continue
            taken = (found["wall"], found["cpu"], f"{found['recall']:.4f}", found["memory"])
            rows.append([f"{count:,}", way, *taken, found.get("rounds", "–")])
            print(rows[-1], flush=True)
    width = np.load(chosen.features, mmap_mode="r").shape[1]
    notes = [
        f"{width} values a point, {GRAPH_NEIGHBORS} neighbours, {chosen.threads} threads; exact is scaled up."
    ]
    if chosen.write:
        print(report.write("vectors/graphs", "A graph of all points' neighbours", COLUMNS, rows, notes))


if __name__ == "__main__":
    main()
