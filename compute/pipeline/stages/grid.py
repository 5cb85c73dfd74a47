"""Maps laid out as grids of images, and the seams: how far neighbouring cells are in feature space.

nearest   every cell shows the image that lies nearest to its centre on the map; images may repeat
          (Karpathy's cnnembed)
unique    every image at most once, total squared distance from the map minimal
(`compute.analysis.assignment`)
"""

import math

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from compute.analysis.assignment import assign, cell_centres

NEAREST, UNIQUE = "nearest", "unique"
LARGEST_SIDE = 50


def side_of(number: int, largest: int = LARGEST_SIDE) -> int:
    """Return the cells along each side: as many cells as images or a few more, at most `largest` squared."""
    return min(largest, math.ceil(math.sqrt(number)))


def in_unit_square(coordinates: np.ndarray) -> np.ndarray:
    """Scale map coordinates (n, 2) to [0, 1]: x to the right, y downwards.

    Both are 1/2 along an axis on which all points are at one place.
    """
    low, high = coordinates.min(0), coordinates.max(0)
    extent = (high - low).astype(np.float64)
    scaled = np.where(extent > 0, (coordinates - low) / np.where(extent > 0, extent, 1), 0.5)
    return np.stack([scaled[:, 0], 1 - scaled[:, 1]], 1)


def nearest_cells(points: np.ndarray, side: int) -> np.ndarray:
    """Return (side, side): the point nearest to each cell's centre; ties go to the smaller index."""
    centres = cell_centres(side)
    distance, _ = cKDTree(points).query(centres)
    reach = distance * (1 + 1e-12)
    found = [min(near) for near in cKDTree(points).query_ball_point(centres, reach)]
    return np.array(found).reshape(side, side)


def unique_cells(points: np.ndarray, side: int, seed: int) -> np.ndarray:
    """Return (side, side): which point lies in each cell, -1 in empty cells.

    Of more points than cells, a sample is taken that follows from `seed`.
    """
    chosen = np.arange(len(points))
    if len(points) > side * side:
        chosen = np.sort(np.random.default_rng(seed).choice(len(points), side * side, replace=False))
    cells = assign(points[chosen], side)
    return np.where(cells >= 0, chosen[cells], -1)


def grid_rows(method: str, kind: str, cells: np.ndarray, image_ids: np.ndarray, unit: np.ndarray) -> pa.Table:
    """Table `grids` of one grid. cells: (side, side) indices of points or -1. unit: (n, D) their normalised
    features.

    right_distance, down_distance: to the next cell, 1 - cos = |a - b|^2 / 2; null at the border and beside
    empty cells."""
    row, col = (each.reshape(-1).astype(np.int32) for each in np.indices(cells.shape))
    flat = cells.reshape(-1)
    right = np.full(cells.shape, np.nan)
    down = np.full(cells.shape, np.nan)
    right[:, :-1] = _seams(cells[:, :-1], cells[:, 1:], unit)
    down[:-1] = _seams(cells[:-1], cells[1:], unit)
    return pa.table(
        {
            "method": pa.array([method] * len(flat), pa.string()),
            "kind": pa.array([kind] * len(flat), pa.string()),
            "row": row,
            "col": col,
            "image_id": pa.array(image_ids[flat], mask=flat < 0),
            "right_distance": _with_nulls(right),
            "down_distance": _with_nulls(down),
        }
    )


def grids_table(
    method: str,
    coordinates: np.ndarray,
    image_ids: np.ndarray,
    unit: np.ndarray,
    seed: int,
    largest: int = LARGEST_SIDE,
) -> pa.Table:
    """Return both grids of a map, from coordinates (n, 2) of the points with these image ids and features."""
    points = in_unit_square(coordinates)
    side = side_of(len(points), largest)
    layouts = {NEAREST: nearest_cells(points, side), UNIQUE: unique_cells(points, side, seed)}
    return pa.concat_tables(
        grid_rows(method, kind, cells, image_ids, unit) for kind, cells in layouts.items()
    )


def _seams(cells: np.ndarray, others: np.ndarray, unit: np.ndarray) -> np.ndarray:
    difference = unit[cells].astype(np.float64) - unit[others]
    return np.where((cells >= 0) & (others >= 0), np.square(difference).sum(2) / 2, np.nan)


def _with_nulls(values: np.ndarray) -> pa.Array:
    flat = values.reshape(-1).astype(np.float32)
    return pa.array(flat, mask=np.isnan(flat))
