"""The maps of a store by number of images: time, memory and how far they can be trusted.

    python -m tests.benchmarks.vectors.maps FEATURES.npy [--counts 50000 200000] [--methods pca tsne umap]
    [--threads N] [--write]

FEATURES.npy holds (N, D) float32, of which the first are taken. Each map is made in a process of its own, of
the one graph of 90 neighbours, which is made before as a stage of a store is, and kept beside the features.
Memory is what the process held at most, with the features and the graph in it.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

from compute.neighbors.graph import Graph
from compute.neighbors.map_quality import quality
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.stages.embeddings import METHODS, Points, embed, principal_components
from tests.benchmarks.reporting import report
from tests.benchmarks.vectors.graphs import apart, ours, unit_points

SEED = 0
COLUMNS = ("images", "map", "wall s", "CPU s", "GB at most", "trustworthiness", "measured in s")


def graph_of(path: Path, count: int, threads: int) -> Graph:
    """The graph of the first `count`, made where it isn't there."""
    kept = path.with_name(f"{path.stem}-graph-{count}.npz")
    if not kept.exists():
        graph, _ = ours(unit_points(path, count), threads)
        np.savez(kept, indices=graph.indices.astype(np.int32), distances=graph.distances)
    with np.load(kept) as arrays:
        return Graph(arrays["indices"], arrays["distances"])


def one(path: Path, count: int, method: str, threads: int) -> dict[str, float]:
    """In this process: what a map takes, its principal components included."""
    with fixed_threads(threads):
        unit = unit_points(path, count)
        graph = graph_of(path, count, threads)
        wall, cpu = time.perf_counter(), time.process_time()
        points = Points(unit, graph, principal_components(unit, SEED), SEED, threads)
        made = embed(method, points)
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        started = time.perf_counter()
        found = quality(unit, graph, made.coordinates, SEED)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
    return taken | {"gb": peak, "trust": found["trustworthiness"], "measured": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=(50_000, 200_000))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--write", action="store_true", help="keep the result in results/maps.json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.features, int(chosen.one[0]), chosen.one[1], chosen.threads)))
        return
    rows = []
    for count in chosen.counts:
        graph_of(chosen.features, count, chosen.threads)
        for method in chosen.methods:
            found = apart("tests.benchmarks.vectors.maps", count, method)
            if found is None:
                continue
            values = (found[name] for name in ("wall", "cpu", "gb", "trust", "measured"))
            rows.append([f"{count:,}", method, *values])
            print(rows[-1], flush=True)
    width = np.load(chosen.features, mmap_mode="r").shape[1]
    note = (
        f"{width} values an image, {chosen.threads} threads (UMAP has one, so that its bytes follow from the "
        "seed); trustworthiness on a sample of 2,000 images."
    )
    if chosen.write:
        print(report.write("vectors/maps", "Maps by number of images", COLUMNS, rows, [note]))


if __name__ == "__main__":
    main()
