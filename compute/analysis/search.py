"""Exact nearest neighbours of query vectors in a matrix.

A matrix product in float32 finds candidates; those that could be among the k nearest, given its rounding
error, are measured again in float64, one by one, and rounded to float32. So equal vectors are at exactly
equal distances wherever they lie in the matrix, and ties go to the smaller id, always.
"""

from collections.abc import Collection, Sequence

import numpy as np

METRICS = ("cosine", "euclidean")

SPACES = {"feature": "cosine", "pixel": "euclidean"}
"""Where neighbours are looked for, and the metric of each: among features and among pixels."""

BLOCK_BYTES = 1 << 26
"""Memory of one block of approximate distances."""


class ExactSearch:
    """Search in `vectors` (N, D) float32, of which no copy is made.

    cosine     1 - q.x / (|q| |x|), in 0..2; a zero vector is at distance 1 from everything
    euclidean  |q - x|
    Rows with a NaN (images that could not be read) are never found.
    """

    def __init__(self, vectors: np.ndarray, metric: str = "cosine"):
        if metric not in METRICS:
            raise ValueError(f"unknown metric {metric!r}; metrics are {', '.join(METRICS)}")
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise ValueError(f"vectors must be (N, D) float32, not {vectors.shape} {vectors.dtype}")
        self.vectors, self.metric = vectors, metric
        self._norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        self._scales = np.where(self._norms == 0, 1, self._norms)

    def search(
        self, queries: np.ndarray, k: int, exclude: Sequence[Collection[int]] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(Q, D) queries -> ids (Q, k) int64 and distances (Q, k) float32, nearest first.

        exclude: for each query the ids it must not find, such as itself and its exact copies. Where fewer
        than k rows are left, the rest is id -1 at distance infinity.
        """
        queries = np.atleast_2d(np.asarray(queries, np.float32))
        exclude = [()] * len(queries) if exclude is None else exclude
        self._check(queries, k, exclude)
        ids = np.full((len(queries), k), -1, np.int64)
        distances = np.full((len(queries), k), np.inf, np.float32)
        block = max(1, BLOCK_BYTES // (4 * max(1, len(self.vectors))))
        for start in range(0, len(queries), block):
            approximate, error = self._approximate(queries[start : start + block])
            for i, (row, bound) in enumerate(zip(approximate, error, strict=True), start):
                row[list(exclude[i])] = np.inf
                found, exact = self._nearest(queries[i], row, bound, k)
                ids[i, : len(found)], distances[i, : len(found)] = found, exact
        return ids, distances

    def _approximate(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(q, N) distances (squared, if Euclidean) and (q,) bounds of their rounding error."""
        norms = np.linalg.norm(queries, axis=1)
        products = queries @ self.vectors.T
        rounding = 4 * (self.vectors.shape[1] + 8) * np.finfo(np.float32).eps
        if self.metric == "cosine":
            products /= -np.where(norms == 0, 1, norms)[:, None]
            products /= self._scales
            error = np.full(len(queries), rounding)
        else:
            products *= -2
            products += self._norms**2
            products += norms[:, None] ** 2
            error = rounding * (norms + np.nanmax(self._norms, initial=0)) ** 2
        products[np.isnan(products)] = np.inf
        return products, error

    def _nearest(
        self, query: np.ndarray, approximate: np.ndarray, error: float, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        k = min(k, int(np.isfinite(approximate).sum()))
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        bound = np.partition(approximate, k - 1)[k - 1] + 2 * error
        candidates = np.flatnonzero(approximate <= bound)
        rows = self.vectors[candidates].astype(np.float64)
        exact = self._distances(query.astype(np.float64), rows).astype(np.float32)
        order = np.argsort(exact, kind="stable")[:k]
        return candidates[order], exact[order]

    def _distances(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.metric == "euclidean":
            return np.sqrt(((rows - query) ** 2).sum(axis=1))
        scale = np.sqrt((rows**2).sum(axis=1)) * np.sqrt((query**2).sum())
        similarity = np.divide((rows * query).sum(axis=1), scale, out=np.zeros(len(rows)), where=scale > 0)
        return np.maximum(1 - similarity, 0)

    def _check(self, queries: np.ndarray, k: int, exclude: Sequence[Collection[int]]) -> None:
        if queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(f"queries have {queries.shape[1]} values, vectors {self.vectors.shape[1]}")
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k!r}")
        if len(exclude) != len(queries):
            raise ValueError(f"{len(exclude)} exclusion sets for {len(queries)} queries")
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite")
