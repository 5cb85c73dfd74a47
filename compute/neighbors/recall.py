"""How many of the true nearest neighbours an approximate graph has, measured on a sample."""

from dataclasses import dataclass

import numpy as np

from compute.neighbors.blocks import BlockSearch
from compute.neighbors.graph import Graph

SAMPLE = 1000
AT = 20


@dataclass(frozen=True)
class Sample:
    """Random points and how far their true nearest neighbours are.

    rows: (s,) indices of the points, ascending
    limit: (s,) float32, distance of the last of the `at` nearest
    """

    rows: np.ndarray
    limit: np.ndarray
    at: int

    @classmethod
    def of(cls, search: BlockSearch, seed: int, size: int = SAMPLE, at: int = AT) -> "Sample":
        """Draw points and search for their neighbours among all."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(search.points))[:size])
        exact = search.nearest(rows, at)
        return cls(rows, exact.distances[:, -1], exact.distances.shape[1])

    def recall(self, graph: Graph) -> float:
        """Return the share of the true nearest that the graph has, in 0..1.

        A neighbour that is as near as the last true one counts as one of them.
        """
        return float((graph.distances[self.rows, : self.at] <= self.limit[:, None]).mean())
