"""The map of all images as a picture, coloured by one column of `images`, with a legend."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from compute.neighbors.map_quality import is_chance, kept_by_chance
from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing import palettes
from compute.reports.drawing.charts import LegendStyle, canvas, colormap, legend, rendered
from compute.reports.drawing.coloring import COLOR_COLUMNS, FURTHER, Coloring, coloring
from compute.reports.drawing.further_columns import with_column
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import IMAGE_COLUMNS, number, of_run
from compute.runtime.parameters import parameter
from featurestore.reader import Run

SIDE = 2000
"""Height in pixels; a legend of many classes widens the picture."""

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

    def _make(self, inputs: ReportInputs) -> Report:
        return map_report(inputs.run, self.method, self.color)


def map_report(run: Run, method: str, color: str = "label") -> Report:
    """Report on a map of all images; ValueError for a map the run lacks, or a column that gives no colors."""
    colors, quality = coloring(run, color), quality_of(run, method)
    table = _with_color(_table(run, method), run, color)
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


def _draw(table: pa.Table, colors: Coloring) -> np.ndarray:
    figure = canvas(SIDE + LEGEND, SIDE)
    axes = figure.add_subplot()
    x, y, ids = (table[name].to_numpy() for name in ("x", "y", "image_id"))
    values = colors.values[ids]
    style = {"s": np.clip(4e5 / max(len(x), 1), 1.5, 60), "linewidths": 0, "rasterized": True}
    known = np.isfinite(values)
    axes.scatter(x[~known], y[~known], color=palettes.UNKNOWN, **style)
    drawn = axes.scatter(x[known], y[known], c=values[known], **colormap(colors), **style)
    legend(figure, axes, drawn, colors, LEGEND_STYLE)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    return rendered(figure)
