"""The clusters of a map: where they are, how many images each has, and what most of these are called."""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.clusters import Clusters, find_clusters, usual_spread
from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing.charts import rendered
from compute.reports.drawing.coloring import COLOR_COLUMNS, Coloring, coloring
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import labels_apart, of_run
from compute.reports.maps.image_filter import FILTER, filtered, of_filter
from compute.reports.maps.map import plotted
from compute.reports.maps.places import in_unit_square, on_map, placed
from compute.runtime.parameters import parameter
from featurestore.reader import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

LINE, TEXT = 2.5, 22
"""Width of an outline, and height of a name, in points of the picture."""

_one_at_a_time = Lock()


@dataclass(frozen=True, eq=False)
class NamedClusters:
    """The clusters of a map, the one with most images first.

    points: (n, 2) of all images on the map, image_ids: theirs (n,)
    clusters: in the unit square of the plot
    table: a row each: cluster, images, named_by (label, predicted or null), name, share, x, y
    """

    points: np.ndarray
    image_ids: np.ndarray
    clusters: Clusters
    table: pa.Table

    def members(self, number: int) -> np.ndarray:
        """Return the image_ids of a cluster; ValueError for a number that none has."""
        if not 0 <= number < len(self.table):
            raise ValueError(f"no cluster {number}; there are {len(self.table)}, from 0")
        return self.image_ids[self.clusters.of_point == number]


@dataclass(frozen=True)
class ClustersSpec(ReportSpec):
    """The clusters of one of a run's maps."""

    name: ClassVar[str] = "clusters"
    title: ClassVar[str] = "Clusters of the map"
    description: ClassVar[str] = (
        "The hills of a map's density, outlined, each with its most frequent label (prediction, where no "
        "image has a label) and the share of its images that have it, of those that have one. As a table: a "
        "row a cluster, with the place where it is densest."
    )

    method: str = parameter("tsne", "pca, tsne or umap")
    color: str = parameter(
        COLOR_COLUMNS[0], f"{', '.join(COLOR_COLUMNS)}, or columns.NAME of the list of images"
    )
    spread: float = parameter(
        0.0,
        "blur of the density, in sides of the plot: more of it, fewer clusters; 0: by the number of images, "
        "0.01 of 2,500 and more",
        low=0.0,
        high=0.1,
    )
    filter: str = parameter("", f"{FILTER}: how many of them each cluster has")

    def _make(self, inputs: ReportInputs) -> Report:
        return clusters_report(inputs.run, self.method, self.color, self.spread, self.filter)


def named_clusters(run: Run, method: str, spread: float = 0.0) -> NamedClusters:
    """Return the clusters of a map, kept for the few used last; ValueError for a map the run lacks.

    spread: of `find_clusters`; 0 for the usual one
    """
    with _one_at_a_time:
        return _find(run, method, spread)


def clusters_report(
    run: Run, method: str, color: str = "label", spread: float = 0.0, filter: str = ""
) -> Report:
    """Report on the clusters of a map.

    filter: words of a search. The clusters are those of all images: the table counts in each what is found,
    and all else recedes in the picture. ValueError for a malformed one.
    """
    named, colors, found = named_clusters(run, method, spread), coloring(run, color), filtered(run, filter)
    shown = {"method": method, "color": color, "spread": spread, **of_filter(filter)}
    of_point = named.clusters.of_point
    beside = int((of_point < 0).sum())
    numbers = {**shown, "images": len(named.points), "clusters": len(named.table), "in no cluster": beside}
    table = named.table
    if found is not None:
        is_found = np.isin(named.image_ids, found)
        counts = np.bincount(of_point[is_found & (of_point >= 0)], minlength=len(table))
        table = table.add_column(2, "found", pa.array(counts))
        numbers["found"] = int(is_found.sum())
    return Report(
        {"exhibit": "clusters", **shown, **of_run(run)},
        numbers,
        lambda: _draw(named, colors, found),
        lambda: table,
    )


@lru_cache(maxsize=6)
def _find(run: Run, method: str, spread: float) -> NamedClusters:
    points, image_ids = placed(run, method)
    clusters = find_clusters(in_unit_square(points), spread or usual_spread(len(points)))
    return NamedClusters(points, image_ids, clusters, _table(run, points, image_ids, clusters))


def _table(run: Run, points: np.ndarray, image_ids: np.ndarray, clusters: Clusters) -> pa.Table:
    count = len(clusters.tops)
    x, y = on_map(clusters.tops, points).T
    named_by, names, shares = _names(run, image_ids, clusters.of_point, count)
    return pa.table(
        {
            "cluster": pa.array(np.arange(count), pa.int32()),
            "images": np.bincount(clusters.of_point[clusters.of_point >= 0], minlength=count),
            "named_by": pa.array([named_by if name is not None else None for name in names], pa.string()),
            "name": pa.array(names, pa.string()),
            "share": pa.array(shares, pa.float64()),
            "x": x,
            "y": y,
        }
    )


def _names(
    run: Run, image_ids: np.ndarray, of_point: np.ndarray, count: int
) -> tuple[str, list[str | None], list[float | None]]:
    """Return which column names the clusters, and of each the most frequent value and its share.

    Of values that are as frequent, the first by name; of labels that are lists, each counts.
    """
    images = run.table("images", ["label", "predicted"]).take(pa.array(image_ids))
    column = "label" if images["label"].null_count < len(images) else "predicted"
    values = images[column] if column == "predicted" else labels_apart(run, images[column])
    flat = values.combine_chunks()
    whose = np.flatnonzero(flat.is_valid())
    if pa.types.is_list(flat.type):
        whose, flat = pc.list_parent_indices(flat).to_numpy(), pc.list_flatten(flat)
    else:
        flat = flat.drop_null()
    occurring = pa.array(sorted(flat.unique().to_pylist()), pa.string())
    codes = pc.index_in(flat, occurring).to_numpy(zero_copy_only=False)
    names: list[str | None] = [None] * count
    shares: list[float | None] = [None] * count
    within = of_point[whose]
    has = np.bincount(of_point[np.unique(whose)] + 1, minlength=count + 1)[1:]
    for number in np.unique(within[within >= 0]).tolist():
        times = np.bincount(codes[within == number])
        most = int(times.argmax())
        names[number], shares[number] = occurring[most].as_py(), float(times[most] / has[number])
    return column, names, shares


def _draw(named: NamedClusters, colors: Coloring, found: np.ndarray | None) -> np.ndarray:
    x, y = named.points.T
    figure, axes = plotted(pa.table({"image_id": named.image_ids, "x": x, "y": y}), colors, found)
    texts = []
    for row, rings in zip(named.table.to_pylist(), named.clusters.outlines, strict=True):
        for ring in rings:
            axes.fill(*on_map(ring, named.points).T, fill=False, edgecolor="white", linewidth=2.5 * LINE)
            axes.fill(*on_map(ring, named.points).T, fill=False, edgecolor="#222", linewidth=LINE)
        texts.append(_name(axes, row))
    rendered(figure)  # only then is known how large each name is, and where
    _apart(texts)
    return rendered(figure)


def _name(axes: "Axes", row: dict) -> "Text":
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    return axes.text(
        row["x"], row["y"], caption(row), size=TEXT, ha="center", va="center", bbox=box, color="#111"
    )


def caption(row: dict) -> str:
    """Return what stands on a cluster, of its row in the table."""
    return f"{row['images']:,} images" if row["name"] is None else f"{row['name']} {row['share']:.0%}"


def _apart(texts: list["Text"]) -> None:
    """Hide those names that would cover one before them."""
    shown: list = []
    for text in texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in shown):
            text.set_visible(False)
        else:
            shown.append(box)
