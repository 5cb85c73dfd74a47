"""A neighbour graph, and the points that it is made of: equal ones once."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Graph:
    """The k nearest others of each of n points, nearest first; ties go to the smaller index.

    indices: (n, k) integers, -1 where there are no more
    distances: (n, k) float32, infinite where there are no more
    """

    indices: np.ndarray
    distances: np.ndarray

    @classmethod
    def joined(cls, parts: list["Graph"]) -> "Graph":
        """Return the graph whose rows are those of the parts, one part after the other."""
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("indices", "distances"))
        )

    def first(self, k: int) -> "Graph":
        """Return the graph of the k nearest, or of all where there are fewer."""
        return Graph(self.indices[:, :k], self.distances[:, :k])


@dataclass(frozen=True)
class Distinct:
    """Which of n points are equal, so that neighbours are searched for among the m different ones.

    first: (m,) the smallest index of each group of equal points, ascending
    group: (n,) each point's group, an index into `first`

    A thousand copies of one image then cost one search, and none crowds another out of an approximate one.
    """

    first: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, parts: Iterable[np.ndarray], digests: np.ndarray) -> "Distinct":
        """Group points by value; copies of one file are equal by definition.

        parts: (n, D) float32 points, some rows at a time
        digests: (n,) SHA-256 of the points' files

        A network's values for two copies may differ by rounding, as they went through it in other batches.
        """
        _, original, file = np.unique(digests, return_index=True, return_inverse=True)
        values = np.array([_digest(row) for part in parts for row in part], "V16")
        _, value = np.unique(values[original], return_inverse=True)
        _, first, group = np.unique(value[file], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(first), np.int64)
        rank[order] = np.arange(len(first))
        return cls(first[order], rank[group])

    def spread(self, graph: Graph, own: np.ndarray, labels: np.ndarray, k: int) -> Graph:
        """Return the k nearest others of every point, from that of the different ones; k is cut to n - 1.

        graph: of the m different points, with their k nearest, or all where there are fewer
        own: (m,) float32, the distance between two points of a group (1 of zero vectors by cosine, else 0 or
        what rounding leaves of it)
        labels: (n,) what a point must not share with its neighbours, such as its file's digest

        Points of one label are of one group, and so have the same neighbours.
        """
        number = len(self.group)
        k = min(k, number - 1)
        indices = np.full((number, k), -1, np.int64)
        distances = np.full((number, k), np.inf, np.float32)
        alone = self._lone(graph)
        rows = np.flatnonzero(alone[self.group])
        width = min(k, graph.indices.shape[1])
        near = graph.indices[self.group[rows], :width]
        indices[rows, :width] = np.where(near >= 0, self.first[near], -1)
        distances[rows, :width] = graph.distances[self.group[rows], :width]
        for same in _classes(labels, np.flatnonzero(~alone[self.group])):
            found, at = self._nearest_of(same, graph, own, k)
            indices[same, : len(found)], distances[same, : len(found)] = found, at
        return Graph(indices, distances)

    def _lone(self, graph: Graph) -> np.ndarray:
        """(m,) bool: groups of one point whose neighbours are all in groups of one point."""
        single = np.bincount(self.group, minlength=len(self.first)) == 1
        return single & np.where(graph.indices >= 0, single[graph.indices], True).all(1)

    def _nearest_of(
        self, same: np.ndarray, graph: Graph, own: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Indices and distances, at most k, of the points that are nearest to those of one label."""
        group = self.group[same[0]]
        others = np.setdiff1d(self._members(group)[: k + len(same)], same, assume_unique=True)[:k]
        near = [(others, own[group])]
        for other, distance in zip(graph.indices[group], graph.distances[group], strict=True):
            if other >= 0:
                near.append((self._members(other)[:k], distance))
        points = np.concatenate([members for members, _ in near])
        at = np.concatenate([np.full(len(members), distance, np.float32) for members, distance in near])
        order = np.lexsort((points, at))[:k]
        return points[order], at[order]

    @cached_property
    def _by_group(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the points sorted by group, then index, and (m + 1,) where each group begins."""
        return np.argsort(self.group, kind="stable"), np.searchsorted(
            np.sort(self.group), np.arange(len(self.first) + 1)
        )

    def _members(self, group: int) -> np.ndarray:
        points, starts = self._by_group
        return points[starts[group] : starts[group + 1]]


def _digest(row: np.ndarray) -> bytes:
    """16 bytes that tell a row's values; 0 and -0 are one value."""
    return hashlib.blake2b((row + np.float32(0)).tobytes(), digest_size=16).digest()


def _classes(labels: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The given rows, those of each label together, ascending."""
    if len(rows):
        order = rows[np.argsort(labels[rows], kind="stable")]
        yield from np.split(order, np.flatnonzero(labels[order][1:] != labels[order][:-1]) + 1)
