"""Exact nearest neighbours by blocks, on the device that the network runs on.

A matrix product in float32 scores a block of queries against all points. What could be among the k nearest,
given that product's rounding error, is measured again in float64 and rounded to float32, so that the graph is
the same from every device and by every block size, up to ties within that rounding.
"""

import numpy as np
import torch

from compute.analysis.search import METRICS
from compute.neighbors.graph import Graph

MOST_QUERIES = 512
"""Of a block: more gain nothing."""
SCORE_BYTES = {"cpu": 1 << 29, "cuda": 1 << 32}
"""Of a block's scores; elsewhere as on a CPU."""
PAIR_BYTES = 1 << 21
"""Of the pairs that are measured in float64 at once."""
GROUP = 64
"""Points of which only the best is looked at first."""


class BlockSearch:
    """Search for the nearest neighbours of points among all of them.

    points: (n, D) float32, all finite; on a CPU no copy is made, so it may be a mapped file
    metric: cosine   1 - p.q / (|p| |q|), in 0..2; a zero vector is at distance 1 from everything
            euclidean  |p - q|
    """

    def __init__(self, points: np.ndarray, metric: str, device: torch.device | None = None):
        if metric not in METRICS:
            raise ValueError(f"unknown metric {metric!r}; metrics are {', '.join(METRICS)}")
        if points.ndim != 2 or points.dtype != np.float32:
            raise ValueError(f"points must be (n, D) float32, not {points.shape} {points.dtype}")
        self.metric, self.device = metric, device or torch.device("cpu")
        self.points = torch.from_numpy(points).to(self.device)
        self._norms = torch.cat([part.double().norm(dim=1) for part in self.points.split(_rows(points))])

    def nearest(self, rows: np.ndarray, k: int) -> Graph:
        """Return the k nearest others of the points at `rows` (q,); k is cut to n - 1."""
        k = max(0, min(k, len(self.points) - 1))
        if not k or not len(rows):
            return Graph(np.zeros((len(rows), k), np.int64), np.zeros((len(rows), k), np.float32))
        blocks = torch.from_numpy(rows).to(self.device).split(self._queries())
        return Graph.joined([self._nearest(block, k) for block in blocks])

    def _queries(self) -> int:
        """How many queries a block has."""
        scores = SCORE_BYTES.get(self.device.type, SCORE_BYTES["cpu"]) // 4
        return max(1, min(MOST_QUERIES, scores // len(self.points)))

    def _nearest(self, block: torch.Tensor, k: int) -> Graph:
        query, point = self._candidates(block, k)
        distance = self.distances(block[query], point)
        return nearest_pairs(len(block), k, *(each.cpu().numpy() for each in (query, point, distance)))

    def distances(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Distances (p,) float32 between the points at `first` (p,) and at `second` (p,), in float64."""
        size = max(1, PAIR_BYTES // (8 * self.points.shape[1]))
        pairs = zip(first.split(size), second.split(size), strict=True)
        found = [self._measured(a, b) for a, b in pairs]
        return torch.cat(found).float() if found else self._norms.new_zeros(0, dtype=torch.float32)

    def _measured(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        left, right = self.points[first].double(), self.points[second].double()
        if self.metric == "euclidean":
            return left.sub_(right).square_().sum(1).sqrt()
        scale = self._norms[first] * self._norms[second]
        similarity = left.mul_(right).sum(1) / torch.where(scale > 0, scale, 1)
        return (1 - similarity).clamp_(min=0)

    def _candidates(self, block: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which query of the block, and which point: every pair that could be among the query's k nearest."""
        scores, error = self._scores(block)
        scores[torch.arange(len(block), device=self.device), block] = -torch.inf
        size = max(1, min(GROUP, scores.shape[1] // (4 * k)))
        count = scores.shape[1] // size
        best = torch.cat(
            [scores[:, : size * count].unflatten(1, (size, count)).amax(1), scores[:, size * count :]], 1
        )
        bound = best.topk(k).values[:, -1] - 2 * error
        query, place = (best >= bound[:, None]).nonzero(as_tuple=True)
        grouped = place < count
        inside, outside = query[grouped], query[~grouped]
        point = place[grouped][:, None] + count * torch.arange(size, device=self.device)
        pair, which = (scores[inside[:, None], point] >= bound[inside][:, None]).nonzero(as_tuple=True)
        beyond = place[~grouped] + (size - 1) * count
        return torch.cat([inside[pair], outside]), torch.cat([point[pair, which], beyond])

    def _scores(self, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(q, n), the greater the nearer, and (q,) bounds of their rounding error.

        cosine: q.x / |x|; euclidean: q.x - |x|^2 / 2. A sum of D products is off by at most D u |q| |x|, in
        whatever order it is taken, with u = 2^-24 (Higham, "Accuracy and Stability of Numerical Algorithms",
        2nd edition, section 3.1).
        """
        queries, norms = self.points[block], self._norms.float()
        length, greatest = norms[block], norms.max()
        rounding = (queries.shape[1] + 8) * torch.finfo(torch.float32).eps / 2
        if self.metric == "euclidean":
            scores = torch.addmm(norms.square() / -2, queries, self.points.T)
            return scores, rounding * (length + greatest) * greatest
        scores = (queries @ self.points.T).div_(torch.where(norms > 0, norms, 1))
        return scores, rounding * torch.where(length > 0, length, 1)


def nearest_pairs(number: int, k: int, query: np.ndarray, point: np.ndarray, distance: np.ndarray) -> Graph:
    """Return the k nearest points of each of `number` queries, of those that it is in a pair with."""
    order = np.lexsort((point, distance, query))
    bounds = np.searchsorted(query[order], np.arange(number + 1))
    place = bounds[:-1, None] + np.arange(k)
    there = place < bounds[1:, None]
    chosen = order[np.where(there, place, 0)] if len(order) else np.zeros_like(place)
    graph = Graph(np.full(place.shape, -1, np.int64), np.full(place.shape, np.inf, np.float32))
    graph.indices[there], graph.distances[there] = point[chosen[there]], distance[chosen[there]]
    return graph


def _rows(points: np.ndarray) -> int:
    """How many rows are turned into float64 at once."""
    return max(1, PAIR_BYTES // (8 * points.shape[1]))
