"""The map of all images as a picture, coloured by one column of `images`, with a legend."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from compute.analysis.thinning import ACROSS, Thinned
from compute.neighbors.map_quality import is_chance, kept_by_chance
from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing import palettes
from compute.reports.drawing.charts import LegendStyle, canvas, colormap, legend, rendered
from compute.reports.drawing.coloring import COLOR_COLUMNS, FURTHER, Coloring, coloring
from compute.reports.drawing.further_columns import with_column
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import IMAGE_COLUMNS, number, of_run
from compute.reports.maps.image_filter import FILTER, filtered, of_filter
from compute.reports.maps.places import FILLED, in_unit_square, placed
from compute.reports.maps.thumbnails import shown_whole, squares, stored, with_room
from compute.runtime.parameters import parameter
from featurestore.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

SIDE = 2000
"""Height in pixels; a legend of many classes widens the picture."""

LEVEL = 2
"""Of the thumbnails in the picture: 32 of them would fill it from side to side."""

FRAME = 3
"""Pixels of the frame about a thumbnail, in its point's color."""

RECEDED = 0.15
"""Opacity of the points that a filter doesn't find."""

LEGEND = 500
LEGEND_STYLE = LegendStyle(most=40, title=26, names=20, marker=14, scale_title=24, scale_numbers=20)


@dataclass(frozen=True)
class MapSpec(ReportSpec):
    """All images of a run laid out on a plane."""

    name: ClassVar[str] = "map"
    title: ClassVar[str] = "Map of all images"
    description: ClassVar[str] = (
        "One of the store's maps as a picture, a point an image, coloured by a column of the table images, "
        "or of the list that the images came with. "
        "As a table: coordinates, label and prediction of each image."
    )

    method: str = parameter("tsne", "pca, tsne or umap")
    color: str = parameter(
        COLOR_COLUMNS[0], f"{', '.join(COLOR_COLUMNS)}, or columns.NAME of the list of images"
    )
    thumbnails: bool = parameter(False, "as many thumbnails in the points' place as don't cover each other")
    filter: str = parameter("", FILTER)

    def _make(self, inputs: ReportInputs) -> Report:
        return map_report(inputs.run, self.method, self.color, self.thumbnails, self.filter)


def map_report(
    run: Run, method: str, color: str = "label", thumbnails: bool = False, filter: str = ""
) -> Report:
    """Report on a map of all images.

    filter: words of a search; what it finds alone is in the table, all else recedes in the picture.
    ValueError for a map the run lacks, a column that gives no colors, or a malformed filter.
    """
    colors, quality, found = coloring(run, color), quality_of(run, method), filtered(run, filter)
    table = _with_color(_table(run, method), run, color)
    kept = table if found is None else table.filter(pa.array(np.isin(table["image_id"].to_numpy(), found)))
    shown = {"method": method, "color": color, **({"thumbnails": True} if thumbnails else {})}
    shown |= of_filter(filter)
    numbers = {**shown, "images": len(table), **({} if found is None else {"found": len(kept)}), **quality}
    return Report(
        {"exhibit": "map", **shown, **of_run(run)},
        numbers,
        lambda: _draw(table, colors, run, method if thumbnails else None, found),
        lambda: kept,
    )


def _table(run: Run, method: str) -> pa.Table:
    """x, y and what the images are, in the order of their ids."""
    placed = run.embedding(method).select(["image_id", "x", "y"])
    images = run.table("images", IMAGE_COLUMNS).take(placed["image_id"])
    for name in ("x", "y"):
        images = images.append_column(name, placed[name])
    return images


def _with_color(table: pa.Table, run: Run, color: str) -> pa.Table:
    """With the values of a further column; those of `images` are there, or not of one value an image."""
    return with_column(table, run, color.removeprefix(FURTHER)) if color.startswith(FURTHER) else table


def quality_of(run: Run, method: str) -> dict[str, Any]:
    """Return how true a map is to feature space, by name; None for what is not known.

    trustworthiness, knn_preservation: of table `maps`
    by_chance: the preservation of a map whose points are shuffled
    is_chance: whether this map's is no better
    instead: what the map is where it is not the method's, and why
    """
    rows = run.table("maps").to_pylist() if "maps" in run.tables() else []
    found: dict[str, Any] = next((row for row in rows if row["method"] == method), {})
    said = json.loads(found.get("parameters") or "{}")
    measured = said.get("quality") or {}
    scores = {name: number(found.get(name)) for name in ("trustworthiness", "knn_preservation")}
    total = run.image_count - (
        run.table("problems", ["image_id"]).num_rows if "problems" in run.tables() else 0
    )
    kept, k, sample = scores["knn_preservation"], measured.get("k"), measured.get("sample")
    known = kept is not None and k and sample and total > 2
    return {
        **scores,
        "by_chance": kept_by_chance(k, total) if known else None,
        "is_chance": is_chance(kept, k, sample, total) if known else None,
        "instead": said.get("instead"),
    }


def _draw(
    table: pa.Table, colors: Coloring, run: Run, thumbnails_of: str | None, found: np.ndarray | None
) -> np.ndarray:
    figure, axes = plotted(table, colors, found)
    picture = rendered(figure)
    if thumbnails_of is not None:
        put_thumbnails(picture, axes.transData.transform, colors, run, thumbnails_of, found)
    return picture


def plotted(table: pa.Table, colors: Coloring, found: np.ndarray | None = None) -> tuple["Figure", "Axes"]:
    """Return a figure of a map's points, with their legend, and the axes that the points are in.

    table: image_id, x and y
    found: image_ids of those that stand out; None where there is no filter
    """
    figure = canvas(SIDE + LEGEND, SIDE)
    axes = figure.add_subplot()
    x, y, ids = (table[name].to_numpy() for name in ("x", "y", "image_id"))
    values = colors.values[ids]
    known = np.isfinite(values)

    def scattered(rows: np.ndarray, **style: Any) -> "PathCollection":
        style |= {"s": np.clip(4e5 / max(rows.sum(), 1), 1.5, 60), "linewidths": 0, "rasterized": True}
        axes.scatter(x[~known & rows], y[~known & rows], color=palettes.UNKNOWN, **style)
        rows = known & rows
        return axes.scatter(x[rows], y[rows], c=values[rows], **colormap(colors), **style)

    if found is None:
        drawn = scattered(np.ones(len(x), bool))
    else:
        stands_out = np.isin(ids, found)
        scattered(~stands_out, alpha=RECEDED)
        drawn = scattered(stands_out)
    legend(figure, axes, drawn, colors, LEGEND_STYLE)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    return figure, axes


def put_thumbnails(
    picture: np.ndarray,
    to_pixels: Callable[[np.ndarray], np.ndarray],
    colors: Coloring,
    run: Run,
    method: str,
    found: np.ndarray | None = None,
    level: int = LEVEL,
) -> None:
    """Put thumbnails upon a picture (H, W, 3) of a map.

    to_pixels: from places on the map (n, 2) to those in the picture, from the left and from below
    found: image_ids of which there are thumbnails; None for all
    level: how many of them would fill the map from side to side, as of `Thinned`
    """
    points, image_ids = placed(run, method)
    shown = _with_room(run, method, points, image_ids, found, level)
    corners = to_pixels(np.stack([points.min(0), points.max(0)]).astype(np.float64))
    side = int(np.ptp(corners, axis=0).max() / FILLED / (ACROSS << level))
    inner = side - 2 * FRAME
    if inner < 1:  # all points are in one place
        return
    tiles = squares(stored(run, image_ids[shown]), inner, shown_whole(run))
    places = to_pixels(points[shown].astype(np.float64))
    for tile, frame, (x, y) in zip(tiles, _frames(colors, image_ids[shown]), places, strict=True):
        framed = np.full((side, side, 3), frame, np.uint8)
        framed[FRAME:-FRAME, FRAME:-FRAME] = tile
        _paste(picture, framed, round(x) - side // 2, round(len(picture) - y) - side // 2)


def _with_room(
    run: Run, method: str, points: np.ndarray, image_ids: np.ndarray, found: np.ndarray | None, level: int
) -> np.ndarray:
    """Return which points of a map have room for a thumbnail, as indices; of all, or of what is found."""
    if found is None:
        return with_room(run, method)[0].shown(level)
    kept = np.flatnonzero(np.isin(image_ids, found))
    return kept[Thinned.of(in_unit_square(points)[kept]).shown(level)]


def _frames(colors: Coloring, image_ids: np.ndarray) -> np.ndarray:
    """Return the colors (n, 3) uint8 of images' points."""
    scale = colormap(colors)
    values = colors.values[image_ids]
    shares = (values - scale["vmin"]) / ((scale["vmax"] - scale["vmin"]) or 1)
    hues = scale["cmap"](np.clip(np.nan_to_num(shares), 0, 1))[:, :3]
    hues[~np.isfinite(values)] = [int(palettes.UNKNOWN[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return (255 * hues).round().astype(np.uint8)


def _paste(picture: np.ndarray, tile: np.ndarray, left: int, top: int) -> None:
    """Put a tile upon a picture; what would be beyond its edges is cut off."""
    height, width = picture.shape[:2]
    rows, cols = (np.arange(start, start + len(tile)) for start in (top, left))
    down, right = (rows >= 0) & (rows < height), (cols >= 0) & (cols < width)
    picture[np.ix_(rows[down], cols[right])] = tile[np.ix_(down, right)]
