"""How far a map can be trusted: do neighbours on it and neighbours in feature space agree?"""

import numpy as np

from compute.analysis.search import ExactSearch
from compute.neighbors.graph import Graph

QUALITY_NEIGHBORS = 15
QUALITY_POINTS = 2000
"""All points up to this number, above it a seeded sample of them."""

AT_ONCE = 32
"""Points whose distances to all others are taken in one product."""


def quality(
    points: np.ndarray, graph: Graph, coordinates: np.ndarray, seed: int, number: int = QUALITY_POINTS
) -> dict[str, float | int | None]:
    """Measure how well a map keeps neighbours, each measure in [0, 1], where 1 is perfect.

    points: (n, D) float32, compared by cosine
    graph: their nearest neighbours
    coordinates: (n, 2) on the map
    number: at most so many points, a sample drawn by `seed`, are averaged over

    trustworthiness = 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_j max(0, r(i, j) - k), with j the k map neighbours
    of i and r the rank of j among i's neighbours in feature space (Venna & Kaski 2001). kNN preservation is
    the share of the k feature neighbours that are among the k map neighbours. k is 15, or less for fewer than
    31 points; both are None for fewer than 3 points.
    """
    total = len(points)
    k = min(QUALITY_NEIGHBORS, (total - 1) // 2, graph.indices.shape[1])
    if k < 1:
        return {"trustworthiness": None, "knn_preservation": None, "k": 0, "sample": 0}
    chosen = _sample(total, number, seed)
    on_map, _ = ExactSearch(coordinates, "euclidean").search(coordinates[chosen], k, [[i] for i in chosen])
    parts = np.arange(AT_ONCE, len(chosen), AT_ONCE)
    blocks = zip(np.split(chosen, parts), np.split(np.asarray(on_map), parts), strict=True)
    excess = sum(_excess_ranks(points, rows, near, k) for rows, near in blocks)
    worst = len(chosen) * k * (2 * total - 3 * k - 1) / 2
    kept = [
        len(np.intersect1d(near, graph.indices[row, :k])) for row, near in zip(chosen, on_map, strict=True)
    ]
    return {
        "trustworthiness": 1 - excess / worst,
        "knn_preservation": sum(kept) / (len(chosen) * k),
        "k": k,
        "sample": len(chosen),
    }


def kept_by_chance(k: int, total: int) -> float:
    """Return the share of k neighbours that a map keeps on average whose n points are shuffled."""
    return k / (total - 1)


def is_chance(kept: float, k: int, sample: int, total: int) -> bool:
    """Return whether a map keeps no more neighbours than shuffled points would: within two deviations of it.

    kept: share of the k neighbours of `sample` points, of `total` in all. Of shuffled points, the number that
    is kept of one point's k is hypergeometric, k draws among n - 1 of which k count.
    """
    expected = kept_by_chance(k, total)
    spread = expected * (1 - expected) / k * (total - 1 - k) / max(1, total - 2)
    return kept <= expected + 2 * (spread / sample) ** 0.5


def _sample(total: int, number: int, seed: int) -> np.ndarray:
    if total <= number:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, number, replace=False))


def _excess_ranks(points: np.ndarray, rows: np.ndarray, near: np.ndarray, k: int) -> int:
    """Sum over the map neighbours `near` (rows, k) of how far their rank in feature space lies beyond k."""
    similarity = points[rows] @ points.T
    np.put_along_axis(similarity, rows[:, None], np.inf, 1)
    limits = np.take_along_axis(similarity, near, 1)
    rank = np.stack([(similarity > limit[:, None]).sum(1) for limit in limits.T], 1)
    return int(np.maximum(rank - k, 0).sum())
