"""Exact nearest neighbours by blocks, on the device that the network runs on.

A matrix product in float32 scores a block of queries against all points. What could be among the k nearest,
given that product's rounding error, is measured again in float64 and rounded to float32, so that the graph is
the same from every device and by every block size, up to ties within that rounding.
"""

from collections.abc import Iterator

import numpy as np
import torch

from compute.analysis.search import METRICS
from compute.neighbors.graph import Graph

MOST_QUERIES = 512
"""Of a block: more gain nothing."""
SCORE_BYTES = {"cpu": 1 << 29, "cuda": 1 << 32}
"""Of a block's scores; elsewhere as on a CPU."""
POINT_BYTES = 1 << 26
"""Of the points that are prepared for a product at once."""
PAIR_BYTES = 1 << 21
"""Of the pairs that are measured in float64 at once."""
MOST_PAIRS = 1 << 23
"""Candidates that are looked at at once, where many points are nearly equal."""
GROUP = 64
"""Points of which only the best is looked at first."""
CROWD, CROWD_SHARE = 1024, 1 / 16
"""Candidates of one query, and the share of all points, beyond which another product, in float64, costs less
than to measure each."""
TIES = 4
"""Times k: so many points that even that product can't tell apart are measured, those of the smallest
index."""
UNIT_ROUNDOFF = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


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
        rows = max(1, POINT_BYTES // (8 * points.shape[1]))
        self._parts = [slice(start, start + rows) for start in range(0, len(points), rows)]
        self._norms = torch.cat([self.points[part].double().norm(dim=1) for part in self._parts])
        sums = torch.stack([self._scaled(part).sum(0, dtype=torch.float64) for part in self._parts])
        self._centre = (sums.sum(0) / len(points)).float()
        self._spread = torch.cat([self._centred(part).double().norm(dim=1) for part in self._parts])

    def nearest(self, rows: np.ndarray, k: int) -> Graph:
        """Return the k nearest others of the points at `rows` (q,); k is cut to n - 1."""
        k = max(0, min(k, len(self.points) - 1))
        if not k or not len(rows):
            return Graph(np.zeros((len(rows), k), np.int64), np.zeros((len(rows), k), np.float32))
        blocks = torch.from_numpy(rows).to(self.device).split(self._queries())
        return Graph.joined([part for block in blocks for part in self._nearest(block, k)])

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

    def _queries(self) -> int:
        """How many queries a block has."""
        scores = SCORE_BYTES.get(self.device.type, SCORE_BYTES["cpu"]) // 4
        return max(1, min(MOST_QUERIES, scores // len(self.points)))

    def _nearest(self, block: torch.Tensor, k: int) -> Iterator[Graph]:
        """The graph of the block's points, some rows at a time."""
        scores, error = self._scores(block)
        scores[torch.arange(len(block), device=self.device), block] = -torch.inf
        size = max(1, min(GROUP, scores.shape[1] // (4 * k)))
        count = scores.shape[1] // size
        grouped = scores[:, : size * count].unflatten(1, (size, count)).amax(1)
        best = torch.cat([grouped, scores[:, size * count :]], 1)
        bound = (best.topk(k).values[:, -1] - 2 * error)[:, None]
        most = max(CROWD, int(CROWD_SHARE * scores.shape[1]), TIES * k)
        dense = ((best >= bound).sum(1) * size > most).nonzero()[:, 0]
        crowds = dense[(scores[dense] >= bound[dense]).sum(1) > most]
        bound[crowds] = torch.inf  # looked at by `_of_crowds`
        for rows in _rows_of_few(
            torch.where(bound[:, 0].isinf(), len(self.points), (best >= bound).sum(1) * size)
        ):
            query, point = _candidates(scores[rows], best[rows], bound[rows], size, count)
            crowded = bound[rows, 0].isinf().nonzero()[:, 0]
            if len(crowded):
                of_crowds = self._of_crowds(block[rows], crowded, k)
                query, point = torch.cat([query, of_crowds[0]]), torch.cat([point, of_crowds[1]])
            distance = self.distances(block[rows][query], point)
            found = (each.cpu().numpy() for each in (query, point, distance))
            yield nearest_pairs(rows.stop - rows.start, k, *found)

    def _of_crowds(
        self, block: torch.Tensor, crowded: torch.Tensor, k: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which query, and which point: those that the crowded queries' float64 scores leave.

        crowded: (c,) places in the block. Among points that are equally near even so, the first count.
        """
        scores, error = self._scores(block[crowded], torch.float64)
        scores[torch.arange(len(crowded), device=self.device), block[crowded]] = -torch.inf
        bound = scores.topk(k).values[:, -1:]
        sure = scores > bound + 2 * error[:, None]
        alike = (scores >= bound - 2 * error[:, None]) & ~sure
        alike &= alike.cumsum(1) <= TIES * k
        query, point = (sure | alike).nonzero(as_tuple=True)
        return crowded[query], point

    def _scores(
        self, block: torch.Tensor, precision: torch.dtype = torch.float32
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(q, n), the greater the nearer, and (q,) bounds of their rounding error.

        With c the mean of all points, |q - x|^2 = |q - c|^2 - 2 ((q - c).(x - c) - |x - c|^2 / 2), and what
        stands in the brackets is the score; by cosine it is that of the vectors of length 1, with a zero
        vector as far off as one at a right angle. A sum of D products is off by at most D u |q - c| |x - c|,
        in whatever order it is taken (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition,
        section 3.1): without c, points that are all alike could not be told apart.
        """
        queries = self._centred(block, precision)
        scores = torch.empty(len(block), len(self.points), device=self.device, dtype=precision)
        for part in self._parts:
            others = self._centred(part, precision)
            square = self._spread[part].square() if precision == torch.float32 else others.square().sum(1)
            if self.metric == "cosine":
                square = square + (self._norms[part] == 0)
            torch.addmm(square.to(precision) / -2, queries, others.T, out=scores[:, part])
        length, spread = self._spread[block], self._spread.max()
        greatest = self._norms.max() if self.metric == "euclidean" else 1
        products = (queries.shape[1] + 8) * length * spread
        rounded = 8 * (length + spread) * (greatest + self._centre.double().norm() + spread)
        return scores, (UNIT_ROUNDOFF[precision] * (products + rounded)).to(precision)

    def _scaled(self, rows: slice | torch.Tensor, precision: torch.dtype = torch.float32) -> torch.Tensor:
        """The points at these rows; by cosine of length 1, or 0."""
        points = self.points[rows].to(precision)
        if self.metric == "euclidean":
            return points
        norms = self._norms[rows].to(precision)
        return points / torch.where(norms > 0, norms, 1)[:, None]

    def _centred(self, rows: slice | torch.Tensor, precision: torch.dtype = torch.float32) -> torch.Tensor:
        return self._scaled(rows, precision) - self._centre.to(precision)


def search_device(device: torch.device, nbytes: int) -> torch.device:
    """Return where to search among points of so many bytes: on a GPU if it has CUDA's float64 and room for
    them, else on the CPU."""
    cpu = torch.device("cpu")
    if device.type != "cuda":
        return cpu
    free, _ = torch.cuda.mem_get_info(device)
    return device if 2 * nbytes + 2 * SCORE_BYTES["cuda"] <= free else cpu


def _candidates(
    scores: torch.Tensor, best: torch.Tensor, bound: torch.Tensor, size: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which query, and which point: every pair whose score reaches the query's bound.

    best: (q, count + rest) the best score of points j, j + count, j + 2 count, ..., `size` of them, and then
    those of the points that are left over
    """
    query, place = (best >= bound).nonzero(as_tuple=True)
    grouped = place < count
    inside, outside = query[grouped], query[~grouped]
    point = place[grouped][:, None] + count * torch.arange(size, device=scores.device)
    pair, which = (scores[inside[:, None], point] >= bound[inside]).nonzero(as_tuple=True)
    beyond = place[~grouped] + (size - 1) * count
    return torch.cat([inside[pair], outside]), torch.cat([point[pair, which], beyond])


def _rows_of_few(counts: torch.Tensor) -> Iterator[slice]:
    """Rows that have at most `MOST_PAIRS` together, or one row that has more."""
    start, total = 0, 0
    for row, number in enumerate(counts.tolist()):
        if row > start and total + number > MOST_PAIRS:
            yield slice(start, row)
            start, total = row, 0
        total += number
    yield slice(start, len(counts))


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
