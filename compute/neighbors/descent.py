"""Approximate nearest neighbours by descent: neighbours of neighbours are likely neighbours.

NN-descent (Dong, Moses & Li, "Efficient k-nearest neighbor graph construction for generic similarity
measures", WWW 2011), started from random projection trees, as pynndescent has it. It runs in rounds, each of
which begins with what the one before found, so that an interrupted search goes on from its last round.

What it finds is measured again in float64 among the points themselves, so that distances are the exact ones.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from compute.neighbors.blocks import BlockSearch, nearest_pairs
from compute.neighbors.graph import Graph

WIDTH = 256
"""Values of a point that the descent compares: principal components, where points have more."""
FITTED = 20_000
"""Points that the principal components are taken from."""
SPARE = 10
FEWEST = 60
"""Neighbours that the descent keeps: so many more than are wanted, and at least so many."""
ITERATIONS = 4
"""Of a round."""
REMEASURED = 4096
"""Points at once."""


@dataclass(frozen=True)
class Descent:
    """A descent among points, prepared.

    points: (m, D) float32, all different
    metric: "cosine" or "euclidean"
    data: (m, d) float32, d at most 256: what is compared, by Euclidean distance
    k: neighbours wanted
    """

    points: np.ndarray
    metric: str
    data: np.ndarray
    k: int
    seed: int
    threads: int

    @classmethod
    def among(cls, points: np.ndarray, metric: str, k: int, seed: int, threads: int) -> "Descent":
        """Prepare a descent among points (m, D), by cosine of length 1 or 0: the nearest are the same by both
        metrics."""
        return cls(points, metric, reduced(points, WIDTH, seed), min(k, len(points) - 1), seed, threads)

    def round(self, number: int, before: Graph | None) -> Graph:
        """Return what a round finds, by distance in `data`, each point itself among its neighbours.

        before: what the round before it found; None for the first, which is number 0
        """
        from pynndescent import NNDescent

        start = {} if before is None else {"init_graph": before.indices, "init_dist": before.distances}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to correctly find", UserWarning)  # recall is measured
            found = NNDescent(
                self.data,
                metric="sqeuclidean",
                n_neighbors=min(max(self.k + SPARE, FEWEST), len(self.data)),
                n_iters=ITERATIONS,
                random_state=(self.seed + number) % 2**32,
                n_jobs=self.threads,
                **start,
            )
        return Graph(*found.neighbor_graph)

    def measured(self, found: Graph, search: BlockSearch) -> Graph:
        """Return the k nearest of what was found, by their exact distances."""
        parts = []
        for rows in np.split(
            np.arange(len(found.indices)), range(REMEASURED, len(found.indices), REMEASURED)
        ):
            near = found.indices[rows]
            query, place = ((near >= 0) & (near != rows[:, None])).nonzero()
            point = near[query, place].astype(np.int64)
            pair = [torch.from_numpy(each).to(search.device) for each in (rows[query], point)]
            distance = search.distances(*pair).cpu().numpy()
            parts.append(nearest_pairs(len(rows), self.k, query, point, distance))
        return Graph.joined(parts)


def reduced(data: np.ndarray, width: int, seed: int) -> np.ndarray:
    """Return (m, at most `width`) float32: the principal components of the greatest variance.

    data: (m, D) float32. Distances along them are at most the points' own, and nearly those where the other
    components vary little.
    """
    if data.shape[1] <= width:
        return np.ascontiguousarray(data)
    from sklearn.decomposition import PCA

    sample = data[np.sort(np.random.default_rng(seed).permutation(len(data))[:FITTED])]
    axes = PCA(min(width, len(sample)), svd_solver="covariance_eigh").fit(sample)
    return np.ascontiguousarray(axes.transform(data), np.float32)
