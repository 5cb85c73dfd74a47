"""What a browser gets of a map, in bytes: its points' positions, and its grid in tiles for a deep zoom.

At level z a cell of the grid is 2^z pixels wide, so a tile of 512 pixels always holds whole cells. Small
cells come from an atlas of all thumbnails at 16x16, made once a grid; larger ones are decoded for the tile.
"""

import numpy as np
from PIL import Image

from compute.images.encoding import encoded
from compute.reports.maps.clusters import named_clusters
from compute.reports.maps.grid import Pyramid, grid, seams
from compute.reports.maps.places import placed
from dashboard.text import one_line
from featurestore.reader import Run

TILE = 512
LAYERS = ("picture", "seams")


def positions(run: Run, method: str) -> bytes:
    """Return the map of `method`, little-endian: x (n,) float32, y (n,) float32, image_id (n,) uint32.

    Images that have no place on the map are left out.
    """
    points, image_ids = placed(run, method)
    return points.T.astype("<f4").tobytes() + image_ids.astype("<u4").tobytes()


def clusters(run: Run, method: str) -> list[dict[str, object]]:
    """Return the clusters of a map for JSON, as the plot has it, from -1 to 1.

    name, share, images: what stands on it; name is None where its images have neither labels nor predictions
    x, y: where
    rings: its outline, [x, y, x, y, …] each
    """
    found = named_clusters(run, method)
    of_plot = [2 * tops - 1 for tops in found.clusters.tops]
    return [
        {
            "name": None if row["name"] is None else one_line(row["name"]),
            "share": row["share"],
            "images": row["images"],
            "x": x,
            "y": y,
            "rings": [(2 * ring - 1).round(5).ravel().tolist() for ring in rings],
        }
        for row, (x, y), rings in zip(
            found.table.to_pylist(), map(np.ndarray.tolist, of_plot), found.clusters.outlines, strict=True
        )
    ]


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
