"""Point buffers of a map: positions by method. Pure functions of a run."""

import numpy as np

from featurestore.reader import Run


def positions(run: Run, method: str) -> bytes:
    """The map of ``method``, little-endian: x (n,) float32, y (n,) float32, image_id (n,) uint32."""
    table = run.embedding(method)
    x, y, image_id = (table[name].to_numpy() for name in ("x", "y", "image_id"))
    placed = np.isfinite(x) & np.isfinite(y)
    columns = (x.astype("<f4"), y.astype("<f4"), image_id.astype("<u4"))
    return b"".join(column[placed].tobytes() for column in columns)
