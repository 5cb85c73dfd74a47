"""Clusters of points on a plane: the hills of their density, told apart by the passes between them.

The density f is that of the points in SIDE x SIDE cells, blurred by a Gaussian of `spread` sides. Cells
are taken in from the densest down; each joins the hill of the highest top that it touches. Where hills meet,
at a pass of density s, the lower one (its top of density p) becomes a part of the other unless it stands out:
the points that speak for p and s, n = 4 pi spread^2 f, must be of a ratio of at least LEAST_RATIO and differ
by CERTAIN standard deviations of their difference, sqrt(n_p + n_s), as counts do. A hill ends where f is less
than FOOT of its top.

This is ToMATo on a grid, with the variance of a kernel density estimate as the measure of persistence
(Chazal, Guibas, Oudot, Skraba, "Persistence-Based Clustering in Riemannian Manifolds", J. ACM 60(6), 2013).
"""

from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 256
NOISE = -1
"""The cluster of a point that is in none."""

LEAST_RATIO, CERTAIN = 1.1, 3.0
FOOT = 0.1
FEWEST, LEAST_SHARE = 5, 0.001
"""Points that a cluster has at least, and share of all points: the greater of the two."""

LEAST_SPREAD, OF_SPACING = 0.01, 0.5
"""Usual blur: so much of the distance between as many points spread evenly, and no less than the first."""

FINE = 4
"""Steps of an outline to a cell."""

TOLERANCE = 1.5
"""Of a simplified outline, in such steps."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of points in the unit square, the one with most points first.

    of_point: (n,) int32, the cluster's number or NOISE
    tops: (k, 2) float64, where each is densest
    outlines: of each cluster its rings, (m, 2) float64 points each, whose last is joined to the first
    """

    of_point: np.ndarray
    tops: np.ndarray
    outlines: tuple[tuple[np.ndarray, ...], ...]


def usual_spread(count: int) -> float:
    """Return the blur for so many points, in sides of the square: the more, the fewer they are."""
    return max(LEAST_SPREAD, OF_SPACING / max(count, 1) ** 0.5)


def find_clusters(points: np.ndarray, spread: float) -> Clusters:
    """Return the clusters of points (n, 2) in the unit square.

    spread: standard deviation of the blur, in sides of the square
    """
    cells = np.clip((points * SIDE).astype(np.int64), 0, SIDE - 1)
    at = cells[:, 1] * SIDE + cells[:, 0]
    counts = np.bincount(at, minlength=SIDE * SIDE).reshape(SIDE, SIDE).astype(np.float64)
    density = cv2.GaussianBlur(counts, (0, 0), spread * SIDE, borderType=cv2.BORDER_CONSTANT)
    hills, tops = _hills(density, 4 * np.pi * (spread * SIDE) ** 2)
    sizes = np.bincount(hills[at] + 1, minlength=len(tops) + 1)[1:]
    fewest = max(FEWEST, int(np.ceil(LEAST_SHARE * len(points))))
    by_size = np.lexsort((tops, -sizes))
    large = by_size[sizes[by_size] >= fewest]
    number = np.full(len(tops) + 1, NOISE, np.int32)  # the last is that of no hill
    number[large] = np.arange(len(large))
    regions = number[hills].reshape(SIDE, SIDE)
    centers = np.stack([tops[large] % SIDE, tops[large] // SIDE], axis=1) + 0.5
    outlines = tuple(_outline(regions == each) for each in range(len(large)))
    return Clusters(number[hills[at]], centers / SIDE, outlines)


def _hills(density: np.ndarray, points_each: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the hill of each cell (SIDE * SIDE,), -1 for none, and the cell (k,) of each hill's top.

    points_each: how many points speak for a density of 1
    """
    height = np.pad(density, 1).ravel()
    across = SIDE + 2
    around = [down * across + right for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    order = np.argsort(-height, kind="stable")
    order = order[: np.searchsorted(-height[order], -1 / points_each, side="right")]
    top_of: dict[int, int] = {}  # of a top, the one it became a part of, or itself
    hill = np.full(height.size, -1, np.int64)

    def root(top: int) -> int:
        while top_of[top] != top:
            top_of[top] = top = top_of[top_of[top]]
        return top

    for cell in order.tolist():
        near = {root(top) for step in around if (top := int(hill[cell + step])) >= 0}
        highest, *lower = sorted(near, key=lambda top: (-height[top], top)) or [cell]
        hill[cell] = highest
        top_of.setdefault(highest, highest)
        for other in lower:
            if not _stands_out(height[other] * points_each, height[cell] * points_each):
                top_of[other] = highest
    taken = np.flatnonzero(hill >= 0)
    roots = np.array([root(int(top)) for top in hill[taken]], np.int64)
    high = height[taken] >= FOOT * height[roots]
    tops, numbers = np.unique(roots, return_inverse=True)
    found = np.full(height.size, -1, np.int64)
    found[taken[high]] = numbers[high]
    inner = found.reshape(across, across)[1:-1, 1:-1].ravel()
    rows, cols = np.divmod(tops, across)
    return inner, (rows - 1) * SIDE + cols - 1


def _stands_out(top: float, pass_: float) -> bool:
    """Whether a hill for whose top and pass so many points speak is one of its own."""
    return top >= LEAST_RATIO * pass_ and top - pass_ >= CERTAIN * np.sqrt(top + pass_)


def _outline(region: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the rings about a region of cells, rounded, and simplified to `TOLERANCE`."""
    rows, cols = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    margin = 2
    part = np.pad(region[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1], margin).astype(np.float32)
    size = part.shape[1] * FINE, part.shape[0] * FINE
    smooth = cv2.GaussianBlur(cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), (0, 0), FINE)
    rings, _ = cv2.findContours((smooth > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corner = np.array([cols[0] - margin, rows[0] - margin])
    simple = [cv2.approxPolyDP(ring, TOLERANCE, closed=True)[:, 0] for ring in rings]
    return tuple(((ring + 0.5) / FINE + corner) / SIDE for ring in simple if len(ring) > 2)
