"""What a browser gets of a map's thumbnails: which levels there are, and one sheet a tile.

At level z a map has 2^z x 2^z tiles, x from the left and y from below (see `compute.analysis.thinning`).
"""

import numpy as np
from PIL import Image

from compute.analysis.thinning import ACROSS, Thinned
from compute.images.encoding import encoded
from compute.reports.maps.thumbnails import shown_whole, squares, stored
from dashboard.server.routes.answering import Payload, as_json
from featurestore.reader import Run

SIDE = 64
"""Pixels of a thumbnail on a sheet: enough for screens of two pixels a CSS pixel."""

SHEET = "application/vnd.featurescope.thumbnails"


def levels(thinned: Thinned) -> Payload:
    """Answer with the `deepest` level, pictures `across` a tile, and pixels of a `side` of one on a sheet."""
    return as_json({"deepest": thinned.deepest, "across": ACROSS, "side": SIDE})


def sheet(run: Run, thinned: Thinned, image_ids: np.ndarray, z: int, x: int, y: int) -> Payload:
    """Answer with the thumbnails of a tile, little-endian.

    Their number uint32, image_ids (n,) uint32, the level from which each is shown (n,) uint8, and a WebP
    picture with SIDE x SIDE pixels each, in rows of as many as make it about square; none where n is 0.
    """
    indices = thinned.tile(z, x, y)
    ids = image_ids[indices]
    head = (
        np.array([len(ids)], "<u4").tobytes() + ids.astype("<u4").tobytes() + thinned.level[indices].tobytes()
    )
    return Payload(head + (_picture(run, ids) if len(ids) else b""), SHEET)


def _picture(run: Run, image_ids: np.ndarray) -> bytes:
    across = int(np.ceil(np.sqrt(len(image_ids))))
    down = -(-len(image_ids) // across)
    cells = np.zeros((down * across, SIDE, SIDE, 3), np.uint8)
    cells[: len(image_ids)] = squares(stored(run, image_ids), SIDE, shown_whole(run))
    rows = cells.reshape(down, across, SIDE, SIDE, 3).swapaxes(1, 2)
    pixels = rows.reshape(down * SIDE, across * SIDE, 3)
    return encoded(Image.fromarray(pixels), "WEBP", quality=85, method=1)
