"""The grid of an embedding: which image lies in which cell, its seams, and the whole of it as a picture."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from compute.images.encoding import MAX_THUMBNAIL_PIXELS, opened
from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing.formats import PNG
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import of_run
from compute.reports.maps.image_filter import FILTER, filtered, of_filter
from compute.reports.maps.thumbnails import shown_whole, squares, stored
from compute.runtime.parameters import parameter
from featurestore.reader import Run

EMPTY = -1
"""Stands for the image_id of a cell without an image."""

SMALLEST_PREVIEW = 256
LARGEST_PICTURE = 64_000_000
"""Pixels of the picture to save; larger grids are saved with smaller cells."""

SEAM_COLOR = (220, 38, 38)
SEAM_WIDTH = 0.16
"""Greatest width of a seam, in cells."""

SEAM_OPACITY = 0.9
VEIL = 0.8
"""Opacity of the white over the cells that a filter doesn't find, as on the Map page."""

FIRST_SEAM_LEVEL = 3
"""Below it a cell is too small for lines and is coloured as a whole."""

ATLAS_LEVEL = 4
"""Up to 2^4 pixels a thumbnail comes from the atlas."""

LEVELS = (5, 7)
"""The largest size is the thumbnails' own, rounded up to a power of two between 2^5 and 2^7 pixels."""

_one_at_a_time = Lock()


class Sprites:
    """The thumbnails of some images of a run, as squares of any power-of-two size.

    The square is the middle of the image, as a network with a square input crops it; for a network whose
    input isn't square, it is the whole image, with grey beside it.

    image_ids: (n,) sorted. Their encoded bytes are kept in memory; the atlas adds a kilobyte an image.
    """

    def __init__(self, run: Run, image_ids: np.ndarray) -> None:
        self._ids = image_ids
        self._whole = shown_whole(run)
        self._lock = Lock()
        self._encoded = stored(run, image_ids)

    @cached_property
    def max_level(self) -> int:
        """Return the level that shows the thumbnails at full size: 2^level pixels a side."""
        side = max(
            (min(opened(content, MAX_THUMBNAIL_PIXELS).size) for content in self._encoded[:1]), default=1
        )
        low, high = LEVELS
        return min(max(int(np.ceil(np.log2(side))), low), high)

    def mosaic(self, image_ids: np.ndarray, level: int) -> np.ndarray:
        """Draw images (rows, cols), -1 for none: (rows * 2^level, cols * 2^level, 4) uint8."""
        rows, cols = image_ids.shape
        side = 2**level
        distinct, which = np.unique(image_ids, return_inverse=True)
        drawn = np.zeros((len(distinct), side, side, 4), np.uint8)
        shown = distinct >= 0
        drawn[shown, :, :, :3] = self._squares(np.searchsorted(self._ids, distinct[shown]), level)
        drawn[shown, :, :, 3] = 255
        cells = drawn[which.reshape(rows, cols)]
        return cells.swapaxes(1, 2).reshape(rows * side, cols * side, 4)

    def _squares(self, indices: np.ndarray, level: int) -> np.ndarray:
        if level <= ATLAS_LEVEL:
            with self._lock:
                atlas = self._atlas
            return atlas[level][indices]
        return squares([self._encoded[index] for index in indices], 2**level, self._whole)

    @cached_property
    def _atlas(self) -> list[np.ndarray]:
        """All images at the levels 0 to ``ATLAS_LEVEL``, each made from the one above by averaging."""
        levels = [squares(self._encoded, 2**ATLAS_LEVEL, self._whole)]
        for level in reversed(range(ATLAS_LEVEL)):
            side = 2**level
            blocks = levels[0].reshape(-1, side, 2, side, 2, 3)
            levels.insert(0, blocks.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8))
        return levels


@dataclass(frozen=True)
class Pyramid:
    """Rows and columns of a grid, and the levels its tiles come in: a cell is 2^level pixels."""

    rows: int
    cols: int
    min_level: int
    max_level: int


@dataclass(frozen=True, eq=False)
class Grid:
    """Which image lies in which cell of a grid, and how far apart neighbouring cells are.

    image_id: (rows, cols), EMPTY where a cell has no image.
    right, down: (rows, cols) distance in feature space to the next cell, 0 up to the median, 1 from the 99th
    percentile.
    """

    image_id: np.ndarray
    right: np.ndarray
    down: np.ndarray
    sprites: Sprites

    @property
    def pyramid(self) -> Pyramid:
        """Return the levels that the grid is drawn in."""
        rows, cols = self.image_id.shape
        high = self.sprites.max_level
        low = int(np.ceil(np.log2(SMALLEST_PREVIEW / max(rows, cols))))
        return Pyramid(rows, cols, min(max(low, 0), high), high)


@dataclass(frozen=True)
class GridSpec(ReportSpec):
    """All images of a run in the cells of a grid."""

    name: ClassVar[str] = "grid"
    title: ClassVar[str] = "Grid of all images"
    description: ClassVar[str] = (
        "The grid of one of the store's maps as one sheet of thumbnails. As a table: the image of each "
        "cell and how far its neighbours are in feature space."
    )

    method: str = parameter("tsne", "the map: pca, tsne or umap")
    kind: str = parameter("unique", "unique: each image at most once; nearest: the nearest image a cell")
    seams: bool = parameter(False, "a red line between cells that are far apart in feature space")
    filter: str = parameter("", FILTER)

    def _make(self, inputs: ReportInputs) -> Report:
        return grid_report(inputs.run, self.method, self.kind, self.seams, self.filter)


def grid(run: Run, method: str, kind: str) -> Grid:
    """Return the grid of a map, kept for the few used last; ValueError where it is not computed."""
    # The browser asks for several tiles at once: one request makes the grid, the others wait for it.
    with _one_at_a_time:
        return _make_grid(run, method, kind)


def grid_picture(run: Run, method: str, kind: str, with_seams: bool = False, filter: str = "") -> bytes:
    """Return the whole grid as PNG."""
    return grid_report(run, method, kind, with_seams, filter).file(PNG)


def grid_report(run: Run, method: str, kind: str, with_seams: bool = False, filter: str = "") -> Report:
    """Report on a whole grid: its picture on white, at most LARGEST_PICTURE pixels, and its cells as rows.

    filter: words of a search; the cells of what it finds alone are rows, all others are veiled.
    ValueError for a grid the run lacks, or a malformed filter.
    """
    made, found = grid(run, method, kind), filtered(run, filter)
    rows, cols = made.image_id.shape
    shown = {"method": method, "kind": kind, "seams": with_seams, **of_filter(filter)}
    images = np.unique(made.image_id[made.image_id != EMPTY])
    numbers = {**shown, "rows": rows, "cols": cols, "images": len(images)}
    if found is not None:
        numbers["found"] = int(np.isin(images, found).sum())
    return Report(
        {"exhibit": "grid", **shown, **of_run(run)},
        numbers,
        lambda: _whole(made, with_seams, found),
        lambda: _cells(run, method, kind, found),
    )


def _cells(run: Run, method: str, kind: str, found: np.ndarray | None) -> pa.Table:
    cells = run.grid(method, kind)
    if found is not None:
        cells = cells.filter(pc.is_in(cells["image_id"], pa.array(found)))
    images = run.table("images", ["path", "label", "predicted"])
    for name in images.column_names:
        cells = cells.append_column(name, images[name].take(cells["image_id"]))
    return cells


def _whole(made: Grid, with_seams: bool, found: np.ndarray | None = None) -> np.ndarray:
    """(H, W, 3) uint8."""
    rows, cols = made.image_id.shape
    level = made.pyramid.max_level
    while level and rows * cols * 4**level > LARGEST_PICTURE:
        level -= 1
    cell = 2**level
    picture = Image.new("RGB", (cols * cell, rows * cell), "white")
    for row in range(rows):
        strip = slice(row, row + 1), slice(0, cols)
        layers = [made.sprites.mosaic(made.image_id[strip], level)]
        layers += [seams(made, *strip, level)] if with_seams else []
        layers += [] if found is None else [_veil(made.image_id[strip], found, cell)]
        for pixels in layers:
            overlay = Image.fromarray(pixels)
            picture.paste(overlay, (0, row * cell), overlay)
    return np.asarray(picture)


def _veil(image_ids: np.ndarray, found: np.ndarray, cell: int) -> np.ndarray:
    """Draw white over all images (rows, cols) but those found: (rows * cell, cols * cell, 4) uint8."""
    veiled = np.kron(~np.isin(image_ids, found), np.ones((cell, cell), bool))
    pixels = np.full((*veiled.shape, 4), 255, np.uint8)
    pixels[..., 3] = np.where(veiled, round(255 * VEIL), 0)
    return pixels


def seams(made: Grid, rows: slice, cols: slice, z: int) -> np.ndarray:
    """Draw red lines between neighbouring cells, wider and more opaque the further apart these are.

    Returns (height, width, 4) uint8 for the block `rows`, `cols` at level `z`. Below FIRST_SEAM_LEVEL each
    cell is
    tinted by the mean of its four seams instead.
    """
    before = ((1, 0), (1, 0))
    padded_right, padded_down = np.pad(made.right, before), np.pad(made.down, before)
    right, left = (padded_right[1:, edge][rows, cols] for edge in (slice(1, None), slice(None, -1)))
    down, up = (padded_down[edge, 1:][rows, cols] for edge in (slice(1, None), slice(None, -1)))
    cell = 2**z
    if z < FIRST_SEAM_LEVEL:
        opacity = np.kron((right + left + down + up) / 4, np.ones((cell, cell)))
    else:
        opacity = _lines(right, left, down, up, cell)
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = SEAM_COLOR
    pixels[..., 3] = np.round(255 * SEAM_OPACITY * opacity)
    return pixels


def _lines(right: np.ndarray, left: np.ndarray, down: np.ndarray, up: np.ndarray, cell: int) -> np.ndarray:
    """Opacity (rows * cell, cols * cell) of lines along the cells' borders, (rows, cols) strengths each."""
    from_start = np.arange(cell) + 0.5
    from_end = from_start[::-1]

    def line(strength: np.ndarray, distance: np.ndarray) -> np.ndarray:
        half_width = SEAM_WIDTH * cell / 2 * strength[..., None]
        return strength[..., None] * np.clip(half_width - distance + 0.5, 0, 1)

    across = np.maximum(line(right, from_end), line(left, from_start))[:, None, :, :]
    along = np.maximum(line(down, from_end), line(up, from_start))[:, :, :, None].swapaxes(1, 2)
    rows, cols = right.shape
    return np.maximum(across, along).reshape(rows * cell, cols * cell)


@lru_cache(maxsize=6)
def _make_grid(run: Run, method: str, kind: str) -> Grid:
    table = run.grid(method, kind)
    row, col = (table[name].to_numpy() for name in ("row", "col"))
    shape = int(row.max()) + 1, int(col.max()) + 1
    if shape[0] * shape[1] > len(table):
        raise ValueError(
            f"grid {method}, {kind} of run {run.fingerprint} names a cell in row {shape[0] - 1:,}, column "
            f"{shape[1] - 1:,}, and has {len(table):,} cells in all"
        )
    image_id = np.full(shape, EMPTY, np.int64)
    image_id[row, col] = table["image_id"].fill_null(EMPTY).to_numpy()
    distances = np.full((2, *shape), np.nan, np.float32)
    for axis, name in enumerate(("right_distance", "down_distance")):
        distances[axis][row, col] = table[name].to_numpy()
    right, down = _strength(distances)
    return Grid(image_id, right, down, Sprites(run, np.unique(image_id[image_id != EMPTY])))


def _strength(distances: np.ndarray) -> np.ndarray:
    known = distances[np.isfinite(distances)]
    if not known.size:
        return np.zeros_like(distances)
    middle, far = np.quantile(known, (0.5, 0.99))
    scale = max(float(far - middle), np.finfo(np.float32).tiny)
    return np.clip(np.nan_to_num((distances - middle) / scale, nan=0.0), 0, 1)
