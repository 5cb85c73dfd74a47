"""The 20 nearest of one query by cosine, exactly: ours against faiss' `IndexFlatIP` over normalised vectors.

    python -m tests.benchmarks.vectors.search

One warm query at a time; both have their vectors in memory, and search them all. Ours also measures what it
found anew in float64, so that equal vectors tie and the smaller id wins. Before time is taken the distances
must agree within float32's rounding.
"""

import statistics
from itertools import cycle

import faiss
import numpy as np
from sklearn.neighbors import NearestNeighbors

from compute.analysis.search import ExactSearch
from compute.neighbors.blocks import BlockSearch
from tests.benchmarks.reporting import report
from tests.benchmarks.vectors.points import WIDTH, drawn

NEAREST, ROUNDS, QUERIES = 20, 15, 8
SIZES = {50_000: 10, 500_000: 80}
"""Vectors, and the target in milliseconds."""

TOLERANCE = 1e-5
GRAPH_SIZE = 5_000


def main() -> None:
    rows = [compared(number, target) for number, target in SIZES.items()]
    columns = ["vectors", "Featurescope, ms", "faiss flat, ms", "faiss / ours", "target, ms"]
    notes = ["Median (least-most) of one query over warm vectors, in memory.", graph_note()]
    print(report.write("vectors/search", "Exact top 20 of one query", columns, rows, notes))


def compared(number: int, target: float) -> list[str | float]:
    vectors, queries = drawn(number), drawn(QUERIES, seed=1)
    ours, peer = ExactSearch(vectors), faiss.IndexFlatIP(WIDTH)
    peer.add(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    _, distances = ours.search(queries, NEAREST)
    similarities, _ = peer.search(unit, NEAREST)
    worst = np.abs(distances - (1 - similarities)).max()
    if worst > TOLERANCE:
        raise ValueError(f"faiss and ours differ by {worst}")
    turn = cycle(range(QUERIES))
    runs = {
        "ours": lambda: ours.search(queries[next(turn)], NEAREST),
        "faiss": lambda: peer.search(unit[next(turn), None], NEAREST),
    }
    taken = report.alternately(runs, ROUNDS)
    mine, theirs = ([1000 * each for each in taken[name]] for name in runs)
    ratio = statistics.median(theirs) / statistics.median(mine)
    return [f"{number:,} x {WIDTH}", report.spread(mine), report.spread(theirs), ratio, f"{target}"]


def graph_note() -> str:
    """What the one graph saves: the neighbours' table, t-SNE and UMAP would each search for themselves."""
    vectors = drawn(GRAPH_SIZE)
    once = report.seconds(lambda: BlockSearch(vectors, "cosine").nearest(np.arange(GRAPH_SIZE), 90))
    thrice = sum(report.seconds(lambda k=k: scikit(vectors, k)) for k in (20, 90, 15))
    return (
        f"One exact graph of 90 neighbours for {GRAPH_SIZE:,} images takes {once:.1f} s and serves the "
        f"table, t-SNE and UMAP; scikit-learn's exact search, once for each (20, 90, 15), {thrice:.1f} s."
    )


def scikit(vectors: np.ndarray, k: int) -> object:
    return NearestNeighbors(n_neighbors=k + 1, metric="cosine", algorithm="brute").fit(vectors).kneighbors()


if __name__ == "__main__":
    main()
