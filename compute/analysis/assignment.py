"""Lay points out on a square grid, one in a cell, so that the total squared distance is small.

This is the linear assignment problem. Up to EXACT_CELLS cells it is solved exactly, in a time that grows with
the cube of their number. Above, it is solved from coarse to fine:

1. Groups of four neighbouring points are assigned to blocks of 2 x 2 cells, by the same function.
2. The problem is solved exactly within windows of WINDOW x WINDOW cells, which cover the grid. The windows of
   the next sweep are moved by half a window, so that points can cross the borders of the former ones.
3. It ends when two sweeps together gain less than LEAST_GAIN.

No sweep makes it worse, and the same points always give the same cells. On maps of CIFAR-10 it ends within a
few percent of the optimum (0.3 % in a full square), in a time that grows with the number of cells
(tests/benchmarks/building/grid.py).
"""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment

EXACT_CELLS = 1100
WINDOW = 12
"""Greater windows end closer to the optimum (20: half as far) in three times the time."""

SHIFTS = ((0, 0), (WINDOW // 2, WINDOW // 2))
MAX_ROUNDS = 30
LEAST_GAIN = 2e-3
"""Share of the total distance that two sweeps must gain for another two to follow."""


def assign(points: np.ndarray, side: int, exact_cells: int = EXACT_CELLS) -> np.ndarray:
    """Return the index of the point in each cell, (side, side), -1 where there is none.

    points: (n, 2), x and y in the unit square, n at most side * side
    exact_cells: up to how many cells the solution is exact
    Cell (row, col) has its centre at x = (col + 1/2) / side, y = (row + 1/2) / side. ValueError where there
    are more points than cells.
    """
    if len(points) > side * side:
        raise ValueError(f"{len(points)} points don't fit into {side} x {side} cells")
    centres = cell_centres(side)
    if side * side <= max(exact_cells, 1):
        cells = np.full(side * side, -1)
        point, cell = linear_sum_assignment(_squared_distances(points, centres))
        cells[cell] = point
        return cells.reshape(side, side)
    return _refined(_coarse_layout(points, side, exact_cells), points, centres)


def cell_centres(side: int) -> np.ndarray:
    """Return x and y of the cells' centres, row by row: (side * side, 2)."""
    middle = (np.arange(side) + 0.5) / side
    return np.stack([np.tile(middle, side), np.repeat(middle, side)], 1)


def total_cost(cells: np.ndarray, points: np.ndarray) -> float:
    """Return the sum of squared distances between the points and their cells' centres."""
    flat = cells.reshape(-1)
    return _cost(flat, np.arange(len(flat)), points, cell_centres(len(cells)))


def _coarse_layout(points: np.ndarray, side: int, exact_cells: int) -> np.ndarray:
    """Assign groups of four points to blocks of 2 x 2 cells, and its points to cells of the block."""
    groups = _fours(points, np.arange(len(points)))
    blocks = assign(np.array([points[group].mean(0) for group in groups]), (side + 1) // 2, exact_cells)
    cells, left_over = np.full((side, side), -1), []
    for row, col in np.argwhere(blocks >= 0):
        block, group = cells[2 * row : 2 * row + 2, 2 * col : 2 * col + 2], groups[blocks[row, col]]
        # A block at the border of an odd grid has fewer than four cells: what doesn't fit is placed below.
        spots = np.argwhere(block < 0)[: len(group)]
        block[spots[:, 0], spots[:, 1]] = group[: len(spots)]
        left_over.extend(group[len(spots) :])
    empty = np.flatnonzero(cells < 0)
    point, cell = linear_sum_assignment(_squared_distances(points[left_over], cell_centres(side)[empty]))
    cells.reshape(-1)[empty[cell]] = np.array(left_over, int)[point]
    return cells


def _fours(points: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """Return groups of four points that lie together; the last one may have fewer.

    The points are halved along their longer extent, and each half again. The first half is a multiple of
    four, so that only the very last group can be smaller.
    """
    if len(members) <= 4:
        return [members]
    axis = np.argmax(np.ptp(points[members], axis=0))
    members = members[np.argsort(points[members, axis], kind="stable")]
    middle = 4 * math.ceil(len(members) / 8)
    return _fours(points, members[:middle]) + _fours(points, members[middle:])


def _refined(cells: np.ndarray, points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Improve `cells` (side, side) in place, window by window."""
    side = len(cells)
    flat = cells.reshape(-1)
    sweeps = [_windows(side, down, right) for down, right in SHIFTS]
    # What each sweep left: a window whose cells are still as its own sweep left them is solved already. -2 is
    # no cell's content, so that every window is solved the first time.
    solved = [np.full(len(flat), -2) for _ in sweeps]
    before = total_cost(cells, points)
    for _ in range(MAX_ROUNDS):
        for windows, known in zip(sweeps, solved, strict=True):
            for window in windows:
                if not np.array_equal(flat[window], known[window]):
                    _solve_within(flat, window, points, centres)
            known[:] = flat
        after = total_cost(cells, points)
        if before - after <= LEAST_GAIN * before:
            break
        before = after
    return cells


def _windows(side: int, down: int, right: int) -> list[np.ndarray]:
    """Return the numbers of the cells of each window; the windows are moved up and left by so many cells."""
    numbers = np.arange(side * side).reshape(side, side)
    rows, cols = (
        [slice(max(0, start), start + WINDOW) for start in range(-shift, side, WINDOW)]
        for shift in (down, right)
    )
    return [numbers[row, col].reshape(-1) for row in rows for col in cols]


def _solve_within(flat: np.ndarray, window: np.ndarray, points: np.ndarray, centres: np.ndarray) -> None:
    """Assign the points that lie in a window's cells anew among these, exactly."""
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
