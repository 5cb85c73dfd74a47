"""Tables `neighbors`, the nearest images by features (cosine) and by pixels (Euclidean), and `graphs`."""

import numpy as np
import pyarrow as pa

from compute.neighbors.graph import Graph
from compute.neighbors.recall import AT, SAMPLE

NEIGHBORS = 20


def neighbors_table(space: str, image_ids: np.ndarray, graph: Graph) -> pa.Table:
    """Table `neighbors` of one space; image_ids (n,) of the points."""
    rows, rank = np.nonzero(graph.indices >= 0)
    return pa.table(
        {
            "space": pa.array([space] * len(rows), pa.string()),
            "image_id": image_ids[rows],
            "rank": rank.astype(np.int32),
            "neighbor_id": image_ids[graph.indices[rows, rank]],
            "distance": graph.distances[rows, rank],
        }
    )


def graphs_table(space: str, recall: float | None, number: int) -> pa.Table:
    """Table `graphs`: one row.

    recall: of an approximate graph, None of an exact one
    number: of different points, among which the sample was drawn
    """
    exact = recall is None
    return pa.table(
        {
            "space": [space],
            "method": ["exact" if exact else "approximate"],
            "recall": pa.array([recall], pa.float32()),
            "sample": pa.array([None if exact else min(SAMPLE, number)], pa.int32()),
            "at": pa.array([None if exact else min(AT, number - 1)], pa.int32()),
        }
    )
