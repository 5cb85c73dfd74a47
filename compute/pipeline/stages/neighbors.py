"""Table `neighbors`: the nearest images of each, in feature space (cosine) and in pixel space (Euclidean)."""

import numpy as np
import pyarrow as pa

from compute.analysis.knn import Graph

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
