"""What a browser gets of a map, in bytes: its points' positions, and its grid in tiles for a deep zoom.

At level z a cell of the grid is 2^z pixels wide, so a tile of 512 pixels always holds whole cells. Small
cells come from an atlas of all thumbnails at 16x16, made once a grid; larger ones are decoded for the tile.
"""

import numpy as np
from PIL import Image

from compute.images.encoding import encoded
from compute.reports.maps.grid import Pyramid, grid, seams
from compute.reports.maps.thumbnails import placed
from featurestore.reader import Run

TILE = 512
LAYERS = ("picture", "seams")


def positions(run: Run, method: str) -> bytes:
    """Return the map of `method`, little-endian: x (n,) float32, y (n,) float32, image_id (n,) uint32.

    Images that have no place on the map are left out.
    """
    points, image_ids = placed(run, method)
    return points.T.astype("<f4").tobytes() + image_ids.astype("<u4").tobytes()


def tile(run: Run, method: str, kind: str, layer: str, z: int, x: int, y: int) -> bytes:
    """Return the tile `x`, `y` of `layer` at level `z` as WebP. ValueError for one that is not there."""
    made = grid(run, method, kind)
    rows, cols = _block(made.pyramid, z, x, y)
    if layer == "picture":
        return _webp(made.sprites.mosaic(made.image_id[rows, cols], z), quality=90, method=1)
    if layer == "seams":
        return _webp(seams(made, rows, cols, z), lossless=True, quality=0, method=0)
    raise ValueError(f"unknown layer {layer!r}, choose one of {', '.join(LAYERS)}")


def _block(pyramid: Pyramid, z: int, x: int, y: int) -> tuple[slice, slice]:
    """The rows and columns of the grid that a tile shows."""
    if not pyramid.min_level <= z <= pyramid.max_level:
        raise ValueError(f"level {z} is not in {pyramid.min_level}..{pyramid.max_level}")
    cells = TILE >> z
    if not (0 <= y * cells < pyramid.rows and 0 <= x * cells < pyramid.cols):
        raise ValueError(f"no tile {x}, {y} at level {z}")
    return slice(y * cells, (y + 1) * cells), slice(x * cells, (x + 1) * cells)


def _webp(pixels: np.ndarray, **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), "WEBP", **options)
