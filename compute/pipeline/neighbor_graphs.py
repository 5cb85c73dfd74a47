"""The neighbour graphs of a run, one a space: what they are made of, their shards, and the whole."""

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np
import torch

from compute.analysis.search import SPACES
from compute.neighbors.blocks import BlockSearch, search_device
from compute.neighbors.descent import FEWEST, Descent
from compute.neighbors.graph import Distinct, Graph
from compute.neighbors.recall import Sample
from compute.pipeline.stages.embeddings import GRAPH_NEIGHBORS, normalised
from compute.pipeline.stages.neighbors import NEIGHBORS
from featurestore.files.arrays import matrix

if TYPE_CHECKING:
    from compute.pipeline.open_run import OpenRun

WIDTHS = {"feature": GRAPH_NEIGHBORS, "pixel": NEIGHBORS}
"""Neighbours of each point: the maps want more than the table."""

ROUNDS = 4
"""Of a descent, at most."""
GOOD_RECALL, LEAST_RECALL = 0.99, 0.95
"""A descent ends once it has so much on a sample; with less than the latter it is not worth having."""


class NeighborGraphs:
    """The graphs of a run whose activations are there.

    recalls: of the spaces whose graph is approximate
    """

    def __init__(self, run: "OpenRun"):
        self.run = run
        self.recalls: dict[str, float] = {}
        self._search: dict[str, BlockSearch] = {}

    def distinct(self, space: str) -> Distinct:
        """Return which of the readable images are equal in a space."""
        name = f"distinct-{space}"
        if not self.run.partials.has(name):
            made = Distinct.of(self._vectors(space), self.run.digests)
            self.run.partials.write(name, {"first": made.first, "group": made.group})
        with self.run.partials.read(name) as arrays:
            return Distinct(arrays["first"], arrays["group"])

    def points(self, space: str) -> np.ndarray:
        """Return the different vectors (m, D) float32 of the readable images, features of length 1."""
        return self.run.partials.mapped(f"vectors-{space}", lambda file: self._write_points(space, file))

    def search(self, space: str) -> BlockSearch:
        """Return the search among `points`, on a CUDA device or the CPU; one space's at a time."""
        if space not in self._search:
            self._search = {}  # the other space's memory goes first
            points = self.points(space)
            place = search_device(self.run.job.model.device, points.nbytes)
            self._search = {space: BlockSearch(points, SPACES[space], place)}
        return self._search[space]

    def is_needed(self, space: str) -> bool:
        """Return whether a table that is made of the graph is missing."""
        run, stages = self.run, self.run.job.parameters.stages
        table = "neighbors" in stages and not run.has("neighbors", "graphs", shard=list(SPACES).index(space))
        return table or (space == "feature" and "embeddings" in stages and bool(run.maps_missing))

    def shards_of(self, space: str) -> range:
        """Return the numbers of a space's shards of exact search: one for each shard of images."""
        count = len(self.run.shards)
        return range(list(SPACES).index(space) * count, (list(SPACES).index(space) + 1) * count)

    def has_shard(self, number: int) -> bool:
        """Return whether a shard of exact search need not be made any more."""
        space, shard = self._place(number)
        return not self.is_needed(space) or self.run.partials.has(_exact(space, shard))

    def write_shard(self, number: int) -> None:
        """Search exactly for the neighbours of a shard's images."""
        space, shard = self._place(number)
        ids, own = self.run.shards[shard], self.run.readable[self.distinct(space).first]
        rows = np.arange(*np.searchsorted(own, [ids.start, ids.stop]))
        self._write(_exact(space, shard), self.search(space).nearest(rows, WIDTHS[space]))

    def are_few(self, space: str) -> bool:
        """Return whether there are so few different points that a descent has nothing to skip."""
        return len(self.points(space)) <= FEWEST

    def descend(self, space: str, note: Callable[[str], None]) -> float:
        """Make an approximate graph and return its recall, on a sample of its own.

        note: called with what a round found
        """
        search, parameters = self.search(space), self.run.job.parameters
        name = _approximate(space)
        if not self.run.partials.has(name):
            descent = Descent.among(
                self.points(space), SPACES[space], WIDTHS[space], parameters.seed, parameters.threads
            )
            sample = Sample.of(search, parameters.seed + 1)
            self._write(name, self._last_round(space, descent, search, sample, note))
        return Sample.of(search, parameters.seed).recall(self._read(name))

    def _last_round(
        self, space: str, descent: Descent, search: BlockSearch, sample: Sample, note: Callable[[str], None]
    ) -> Graph:
        found = None
        for number in range(ROUNDS):
            name = f"descent-{space}-{number}"
            if not self.run.partials.has(name):
                of = f"round {number + 1} of at most {ROUNDS}"
                note(f"{space} neighbours of {len(search.points)} images, {of}")
                self._write(name, descent.round(number, found))
            found = self._read(name)
            graph = descent.measured(found, search)
            recall = sample.recall(graph)
            note(f"{space} neighbours, round {number + 1}: {recall:.4f} of the nearest {sample.at} found")
            if recall >= GOOD_RECALL:
                break
        return graph

    def graph(self, space: str, labels: np.ndarray, k: int) -> Graph:
        """Return the graph of all readable images, made of parts that are there; see `Distinct.spread`."""
        search = self.search(space)
        same = torch.arange(len(search.points), device=search.device)
        own = search.distances(same, same).cpu().numpy()
        return self.distinct(space).spread(self._whole(space).first(k), own, labels, k)

    def _place(self, number: int) -> tuple[str, int]:
        """The space and the shard of images of a shard of exact search."""
        space, shard = divmod(number, len(self.run.shards))
        return tuple(SPACES)[space], shard

    def _whole(self, space: str) -> Graph:
        """The graph of the different points."""
        if space in self.recalls:
            return self._read(_approximate(space))
        return Graph.joined([self._read(_exact(space, shard)) for shard in range(len(self.run.shards))])

    def _vectors(self, space: str) -> Iterator[np.ndarray]:
        """(n, D) float32 of the readable images, a shard at a time."""
        for shard, ids in enumerate(self.run.shards):
            if space == "pixel":
                yield self.run.partial(shard, "pixels")
            else:
                own = self.run.readable[slice(*np.searchsorted(self.run.readable, [ids.start, ids.stop]))]
                features = matrix(self.run.read("features", ["feature"], shard)["feature"])
                yield normalised(features[own - ids.start])

    def _write_points(self, space: str, file: IO[bytes]) -> None:
        first, start = self.distinct(space).first, 0
        for part in self._vectors(space):
            own = first[slice(*np.searchsorted(first, [start, start + len(part)]))] - start
            start += len(part)
            if file.tell() == 0:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(first), part.shape[1])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(part[own].astype("<f4").tobytes())

    def _write(self, name: str, graph: Graph) -> None:
        indices = graph.indices.astype(np.int32)
        self.run.partials.write(name, {"indices": indices, "distances": graph.distances})

    def _read(self, name: str) -> Graph:
        with self.run.partials.read(name) as arrays:
            return Graph(arrays["indices"], arrays["distances"])


def _exact(space: str, shard: int) -> str:
    return f"neighbors-{space}-{shard:05d}"


def _approximate(space: str) -> str:
    return f"neighbors-{space}-approximate"
