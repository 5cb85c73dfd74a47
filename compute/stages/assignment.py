"""Points to cells, each at most once, at the least total squared distance: the linear assignment problem.

Up to EXACT_CELLS cells it is solved exactly. Above, a first layout (columns by x, then rows by y) is
improved: the problem is solved exactly within windows of WINDOW x WINDOW cells, which move by half a window
from sweep to sweep, until a sweep gains less than a thousandth. No step makes it worse."""

import numpy as np
from scipy.optimize import linear_sum_assignment

EXACT_CELLS = 2000
WINDOW = 20
MAX_SWEEPS = 20
LEAST_GAIN = 1e-3


def assign(points: np.ndarray, side: int, exact_cells: int = EXACT_CELLS) -> np.ndarray:
    """(side, side) index of the point in each cell, -1 where there is none.

    points: (n, 2) in the unit square, n at most side * side. Cell (row, col) has its centre at
    x = (col + 1/2) / side, y = (row + 1/2) / side.
    """
    if len(points) > side * side:
        raise ValueError(f"{len(points)} points don't fit into {side} x {side} cells")
    centres = cell_centres(side)
    if side * side <= exact_cells:
        cells = np.full(side * side, -1)
        point, cell = linear_sum_assignment(_squared_distances(points, centres))
        cells[cell] = point
        return cells.reshape(side, side)
    return _refined(_sorted_layout(points, side), points, centres)


def cell_centres(side: int) -> np.ndarray:
    """(side * side, 2): x, y of the cells' centres, row by row."""
    middle = (np.arange(side) + 0.5) / side
    return np.stack([np.tile(middle, side), np.repeat(middle, side)], 1)


def total_cost(cells: np.ndarray, points: np.ndarray) -> float:
    """Sum of squared distances between the points and their cells' centres."""
    flat = cells.reshape(-1)
    return _cost(flat, np.arange(len(flat)), points, cell_centres(len(cells)))


def _sorted_layout(points: np.ndarray, side: int) -> np.ndarray:
    """Columns of equally many points by x, each from top to bottom by y, stretched over the rows."""
    cells = np.full((side, side), -1)
    for col, members in enumerate(np.array_split(np.argsort(points[:, 0], kind="stable"), side)):
        members = members[np.argsort(points[members, 1], kind="stable")]
        cells[np.arange(len(members)) * side // max(1, len(members)), col] = members
    return cells


def _refined(cells: np.ndarray, points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    side = len(cells)
    flat, numbers = cells.reshape(-1), np.arange(side * side).reshape(side, side)
    before = total_cost(cells, points)
    for sweep in range(MAX_SWEEPS):
        shift = (sweep % 2) * (WINDOW // 2)
        for top in range(-shift, side, WINDOW):
            for left in range(-shift, side, WINDOW):
                rows, cols = (slice(max(0, start), max(0, start + WINDOW)) for start in (top, left))
                _solve_within(flat, numbers[rows, cols].reshape(-1), points, centres)
        after = total_cost(cells, points)
        if sweep % 2 and before - after <= LEAST_GAIN * before:
            break
        before = after if sweep % 2 else before
    return cells


def _solve_within(flat: np.ndarray, window: np.ndarray, points: np.ndarray, centres: np.ndarray) -> None:
    members = flat[window]
    members = members[members >= 0]
    if not len(members):
        return
    point, cell = linear_sum_assignment(_squared_distances(points[members], centres[window]))
    flat[window] = -1
    flat[window[cell]] = members[point]


def _squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    difference = points[:, None].astype(np.float64) - centres[None]
    return (difference**2).sum(2)


def _cost(flat: np.ndarray, window: np.ndarray, points: np.ndarray, centres: np.ndarray) -> float:
    filled = window[flat[window] >= 0]
    return float(((points[flat[filled]] - centres[filled]) ** 2).sum())
