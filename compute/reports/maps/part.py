"""A part of a map as a picture, such as the one that a page's camera shows."""

import numpy as np

from compute.reports.drawing.charts import rendered
from compute.reports.drawing.coloring import coloring
from compute.reports.maps.image_filter import filtered
from compute.reports.maps.map import LEVEL, plotted, put_thumbnails
from compute.reports.maps.places import on_map, placed
from featurestore.reader import Run

ALWAYS, NEAR, NEVER = "always", "near", "never"
FIT = (620 // 44) ** 2
"""Thumbnails that fit side by side on a page: its plot has 620 pixels, a thumbnail 44, as in sprites.js."""


def part_of_map(
    run: Run,
    method: str,
    middle: tuple[float, float],
    zoom: float,
    color: str = "label",
    pictures: str = NEVER,
    filter: str = "",
) -> np.ndarray:
    """Return a square part of a map with its legend: (H, W, 3) uint8.

    middle: of the part, x to the right and y upwards, in the plot of a page, which goes from -1 to 1.
    zoom: 1 shows all of that plot; greater than 0.
    pictures: when there are thumbnails in the points' place: ALWAYS, NEVER, or NEAR, where at most FIT
        images are in the part.
    color, filter: as in `map_report`.
    ValueError for a map the run lacks, a column that gives no colors, or a malformed filter.
    """
    colors, found = coloring(run, color), filtered(run, filter)
    points, _ = placed(run, method)
    center = (np.array(middle) + 1) / 2
    low, high = on_map(center + np.array([[-0.5], [0.5]]) / zoom, points)
    table = run.embedding(method).select(["image_id", "x", "y"])
    places = np.stack([table[name].to_numpy() for name in ("x", "y")], axis=1)
    inside = table.filter(((places >= low) & (places <= high)).all(1))
    figure, axes = plotted(inside, colors, found)
    axes.set_aspect("equal", adjustable="box")
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    picture = rendered(figure)
    shown = inside["image_id"].to_numpy()
    shown = shown if found is None else np.intersect1d(shown, found)
    if len(shown) and (pictures == ALWAYS or (pictures == NEAR and len(inside) <= FIT)):
        level = max(LEVEL + int(np.floor(np.log2(zoom))), 0)
        left, bottom, right, top = np.asarray(axes.get_window_extent().extents).round().astype(int)
        # What is at the edge of the part must not lie upon the legend.
        window = np.s_[len(picture) - top : len(picture) - bottom, left:right]
        covered = picture.copy()
        put_thumbnails(covered, axes.transData.transform, colors, run, method, shown, level)
        picture[window] = covered[window]
    return picture
