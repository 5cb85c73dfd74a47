"""Where a map's images lie: on the map, and in the square plot that pages draw."""

import numpy as np

from featurestore.reader import Run

FILLED = 0.95
"""Share of its plot's side that a map's longer side fills, as in components/frontend/shared/point_data.js."""


def placed(run: Run, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a map's points (n, 2) float32 and their image_ids (n,); images without a place are left out."""
    table = run.embedding(method)
    points = np.stack([table[name].to_numpy() for name in ("x", "y")], axis=1)
    there = np.isfinite(points).all(1)
    return points[there], table["image_id"].to_numpy()[there]


def in_unit_square(points: np.ndarray) -> np.ndarray:
    """Return points (n, 2) as a page draws them: in a square plot whose sides are 1, y upwards."""
    middle, side = _square(points)
    return 0.5 + (points.astype(np.float64) - middle) / side


def on_map(places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return places (m, 2) of the unit square on the map that has these points (n, 2)."""
    middle, side = _square(points)
    return middle + (places - 0.5) * side


def _square(points: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle (2,) of the plot of a map's points, and its side."""
    low, high = (
        np.asarray(end, np.float64) for end in (points.min(0, initial=np.inf), points.max(0, initial=-np.inf))
    )
    return (low + high) / 2, (float((high - low).max()) or 1) / FILLED
