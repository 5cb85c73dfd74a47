"""The map of all images as a picture, coloured by one column of `images`, with a legend."""

from dataclasses import dataclass
from typing import ClassVar

import matplotlib
import numpy as np
import pyarrow as pa
from matplotlib.colors import LinearSegmentedColormap, ListedColormap

from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing import palettes
from compute.reports.drawing.charts import canvas, rendered
from compute.reports.drawing.coloring import COLOR_COLUMNS, VERDICTS, Coloring, coloring
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import IMAGE_COLUMNS, number, of_run
from compute.runtime.parameters import parameter
from featurestore.reader import Run

SIDE = 2000
"""Height in pixels; a legend of many classes widens the picture."""

LEGEND = 500
MOST_NAMES = 40
"""More names can't be read in a legend."""


@dataclass(frozen=True)
class MapSpec(ReportSpec):
    """All images of a run laid out on a plane."""

    name: ClassVar[str] = "map"
    title: ClassVar[str] = "Map of all images"
    description: ClassVar[str] = (
        "One of the store's maps as a picture, a point an image, coloured by a column of the table images. "
        "As a table: coordinates, label and prediction of each image."
    )

    method: str = parameter("tsne", "pca, tsne or umap")
    color: str = parameter(COLOR_COLUMNS[0], "the column that gives the colours", choices=COLOR_COLUMNS)

    def _make(self, inputs: ReportInputs) -> Report:
        return map_report(inputs.run, self.method, self.color)


def map_report(run: Run, method: str, color: str = "label") -> Report:
    """ValueError for a map that the run has not, or a column that gives no colours."""
    colors, quality = coloring(run, color), _quality(run, method)
    table = _table(run, method)
    numbers = {"method": method, "color": color, "images": len(table), **quality}
    return Report(
        {"exhibit": "map", "method": method, "color": color, **of_run(run)},
        numbers,
        lambda: _draw(table, colors),
        lambda: table,
    )


def _table(run: Run, method: str) -> pa.Table:
    """x, y and what the images are, in the order of their ids."""
    placed = run.embedding(method).select(["image_id", "x", "y"])
    images = run.table("images", IMAGE_COLUMNS).take(placed["image_id"])
    for name in ("x", "y"):
        images = images.append_column(name, placed[name])
    return images


def _quality(run: Run, method: str) -> dict:
    rows = run.table("maps").to_pylist() if "maps" in run.tables() else []
    found = next((row for row in rows if row["method"] == method), {})
    return {name: number(found.get(name)) for name in ("trustworthiness", "knn_preservation")}


def _draw(table: pa.Table, colors: Coloring) -> np.ndarray:
    figure = canvas(SIDE + LEGEND, SIDE)
    axes = figure.add_subplot()
    x, y, ids = (table[name].to_numpy() for name in ("x", "y", "image_id"))
    values = colors.values[ids]
    size = np.clip(4e5 / max(len(x), 1), 1.5, 60)
    style = {"s": size, "linewidths": 0, "rasterized": True}
    unknown = ~np.isfinite(values)
    axes.scatter(x[unknown], y[unknown], color=palettes.UNKNOWN, **style)
    if colors.categories is None:
        _scale(figure, axes, (x, y, values), colors, style)
    else:
        _categories(axes, (x, y, values), colors, style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    return rendered(figure)


def _scale(figure, axes, points, colors: Coloring, style: dict) -> None:
    x, y, values = (each[np.isfinite(points[2])] for each in points)
    scale = LinearSegmentedColormap.from_list("viridis", palettes.VIRIDIS)
    drawn = axes.scatter(x, y, c=values, cmap=scale, vmin=colors.low, vmax=colors.high, **style)
    unit = f" ({colors.unit})" if colors.unit else ""
    bar = figure.colorbar(drawn, ax=axes, shrink=0.6)
    bar.set_label(f"{colors.column}{unit}", size=24)
    bar.ax.tick_params(labelsize=20)


def _categories(axes, points, colors: Coloring, style: dict) -> None:
    x, y, values = (each[np.isfinite(points[2])] for each in points)
    names = colors.categories
    hues = palettes.VERDICTS if names == VERDICTS else palettes.categorical(len(names))
    if len(names):
        axes.scatter(x, y, c=values, cmap=ListedColormap(hues), vmin=-0.5, vmax=len(names) - 0.5, **style)
    dots = [
        matplotlib.lines.Line2D([], [], color=hue, marker="o", linestyle="", markersize=14)
        for hue in hues[:MOST_NAMES]
    ]
    more = [f"… {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    said = [*map(str, names[:MOST_NAMES]), *more]
    dots += [matplotlib.lines.Line2D([], [], linestyle="")] * len(more)
    style = {"title_fontsize": 26, "fontsize": 20, "loc": "outside right upper"}
    axes.figure.legend(dots, said, title=colors.column, **style)
