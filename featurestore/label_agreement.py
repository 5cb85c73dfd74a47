"""How often neighbours have the same label: of one table of labels and one of neighbours, no more than counting."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def agreement(labels: pa.ChunkedArray, neighbors: pa.Table, count: int) -> float | None:
    """Share of the first `count` neighbours of all images that have the image's own label.

    labels: by image_id, null where there is none; such images don't count. None where no image counts.
    """
    codes = _codes(labels)
    first = neighbors.filter(pc.less(neighbors["rank"], count))
    own, other = (codes[first[name].to_numpy()] for name in ("image_id", "neighbor_id"))
    labelled = own >= 0
    return float((own == other)[labelled].mean()) if labelled.any() else None


def _codes(labels: pa.ChunkedArray) -> np.ndarray:
    """A number a label; -1 for none."""
    return pc.index_in(labels, pc.unique(labels.drop_null())).fill_null(-1).to_numpy()
