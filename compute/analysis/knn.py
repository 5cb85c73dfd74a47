"""The exact k nearest neighbours of every point among all others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compute.analysis.search import ExactSearch

QUERIES = 512
"""Points whose neighbours are searched for at once, between two calls of `advance`."""


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n points, nearest first; ties go to the smaller index.

    indices: (n, k) int64, -1 where there are no more
    distances: (n, k) float32
    """

    indices: np.ndarray
    distances: np.ndarray


def nearest(
    points: np.ndarray, k: int, metric: str, advance: Callable[[int], None] = lambda number: None
) -> Graph:
    """Return the k nearest others of each point; k is cut to n - 1.

    points: (n, D) float32
    metric: "cosine" or "euclidean"
    advance: called with the number of points just done
    """
    number = len(points)
    k = max(0, min(k, number - 1))
    graph = Graph(np.zeros((number, k), np.int64), np.zeros((number, k), np.float32))
    search = ExactSearch(points, metric)
    for start in range(0, number, QUERIES):
        rows = range(start, min(start + QUERIES, number))
        if k:
            found = search.search(points[rows.start : rows.stop], k, [[row] for row in rows])
            graph.indices[rows.start : rows.stop], graph.distances[rows.start : rows.stop] = found
        advance(len(rows))
    return graph


def without_copies(graph: Graph, points: np.ndarray, digests: np.ndarray, metric: str, k: int) -> Graph:
    """Return the k nearest others of each point that are no copies of it.

    graph: of the points, with at least k neighbours each
    points: (n, D) float32
    digests: (n,) SHA-256 of the points' files: copies have the same
    """
    k = max(0, min(k, len(points) - 1))
    indices, distances = graph.indices[:, :k].copy(), graph.distances[:, :k].copy()
    _, file, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(sizes[file] > 1)
    if k and len(rows):
        copies = [np.flatnonzero(file == file[row]) for row in rows]
        indices[rows], distances[rows] = ExactSearch(points, metric).search(points[rows], k, copies)
    return Graph(indices, distances)
