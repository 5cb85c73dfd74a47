"""Exact nearest neighbours by blocks on the device: the CPU's, up to ties within rounding; and how fast."""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from compute.analysis.search import METRICS
from compute.neighbors.blocks import BlockSearch
from compute.neighbors.graph import Graph
from tests.benchmarks.reporting import report
from tests.benchmarks.vectors.points import WIDTH, drawn
from tests.gpu_check.check import Check
from tests.gpu_check.size import Size

NEAREST = 90
COPIES, ZEROS = 40, 3
ROUNDED = 2.0**-23
"""Of a distance, of 1 where it is less: two float32 that float64 sums of two orders round to."""
COLUMNS = (
    "metric",
    "points",
    "device s",
    "CPU s, scaled up",
    "CPU / device",
    "TFLOP/s of products",
    "images/s",
)


def found(device: torch.device, size: Size, folder: Path, name: str) -> Iterator[Check | report.Report]:
    """The graph of the first points by either metric, and the time for all of them."""
    points, rows = with_copies(drawn(size.points)), []
    everything, queries = np.arange(len(points)), np.arange(size.queries)
    for metric in METRICS:
        search, reference = BlockSearch(points, metric, device), BlockSearch(points, metric)
        yield from checks(metric, search.nearest(queries, NEAREST), reference.nearest(queries, NEAREST))
        there, here = (
            partial(search.nearest, everything, NEAREST),
            partial(reference.nearest, queries, NEAREST),
        )
        taken = report.alternately({"device": there}, size.rounds, report.waiting_for(device))["device"]
        seconds, whole = statistics.median(taken), report.seconds(here) * len(points) / len(queries)
        rate = 2 * len(points) ** 2 * WIDTH / seconds / 1e12
        of = f"{len(points):,} x {WIDTH}"
        rows.append([metric, of, seconds, whole, whole / seconds, rate, len(points) / seconds])
    note = f"{NEAREST} neighbours of every point, exactly, selection and float64 check included."
    yield report.made("Nearest neighbours by blocks", COLUMNS, rows, [note], device=name)


def with_copies(points: np.ndarray) -> np.ndarray:
    """The points with some that are equal, and some that are zero: ties that the smaller index wins."""
    points[1 : COPIES + 1] = points[0]
    points[COPIES + 1 : COPIES + 1 + ZEROS] = 0
    return points


def checks(metric: str, there: Graph, here: Graph) -> Iterator[Check]:
    """Distances are equal but for rounding, and other neighbours are as near."""
    off = np.abs(there.distances.astype(np.float64) - here.distances) / np.maximum(1, here.distances)
    yield Check(f"{metric} neighbours: distances", float(off.max()), ROUNDED, "of the distance")
    others = there.indices != here.indices
    wrong = others & ~tied(here)
    said = f"{int(others.sum()):,} of {others.size:,} are others, ties included"
    yield Check(f"{metric} neighbours: others that are no ties", int(wrong.sum()), 0, "neighbours", said)


def tied(graph: Graph) -> np.ndarray:
    """Which neighbours, (n, k), are as near as the one before or behind them but for rounding. The last one
    may be as near as one that is not there any more."""
    distances = graph.distances.astype(np.float64)
    near = np.diff(distances, axis=1) <= 2 * ROUNDED * np.maximum(1, distances[:, 1:])
    edge, last = np.zeros((len(distances), 1), bool), np.ones((len(distances), 1), bool)
    return np.concatenate([edge, near], 1) | np.concatenate([near, last], 1)
