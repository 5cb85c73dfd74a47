"""Histograms below the map: a brush over one is a range of the search, which map, grid and lists follow."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import streamlit as st

from compute.reports.drawing.coloring import color_title
from dashboard.components import Brush, Histogram, brushes
from dashboard.data import image_search, runs
from dashboard.data.image_search import as_kept
from dashboard.views import binding
from dashboard.views.definitions import MapView
from dashboard.widgets.header import Opened
from featurestore.reader import Run

BINS, DIGITS = 40, 5
TAIL = 0.01
"""Share of the images at each end that is in the outer bins: a few great losses would else take all room."""


@dataclass(frozen=True)
class Binned:
    """A column in bins: what is in one is at least its first edge, and less than its second.

    edges: (BINS + 1,) strictly ascending, of at most DIGITS digits
    bins: (N,) int16 by image, -1 where it has no value
    """

    edges: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, low: float, high: float) -> "Binned | None":
        """Bin values (N,), NaN where there is none; None where the ends are too close for so many bins."""
        edges = np.array([float(f"{each:.{DIGITS}g}") for each in np.linspace(low, high, BINS + 1)])
        inner = np.array(list(map(as_kept, edges[1:-1])))
        if (np.diff(inner) <= 0).any():
            return None
        known = ~np.isnan(values)
        bins = np.searchsorted(inner, np.where(known, values, 0), side="right").astype(np.int16)
        return cls(edges, np.where(known, bins, np.int16(-1)))

    def counts(self, image_ids: np.ndarray | None = None) -> list[int]:
        """Return how many images are in each bin, of these or of all."""
        bins = self.bins if image_ids is None else self.bins[image_ids]
        return np.bincount(bins + 1, minlength=BINS + 1)[1:].tolist()

    def brushed(self, asked: tuple[float, float] | None) -> tuple[int, int]:
        """Return the first and the last bin of a range; -1, -1 for none."""
        if asked is None:
            return -1, -1
        first = int(np.searchsorted(self.edges[1:-1], asked[0], side="right"))
        last = int(np.searchsorted(self.edges[1:-1], asked[1], side="left"))
        return first, max(first, last)

    def text(self, first: int, last: int) -> str:
        """Return the range of bins as a search has it: the outer ones are open."""
        low = f"{self.edges[first]:.{DIGITS}g}" if first > 0 else ""
        high = f"<{self.edges[last + 1]:.{DIGITS}g}" if last < BINS - 1 else ""
        return f"{low}..{high}"


def draw(opened: Opened[MapView]) -> None:
    """Draw a histogram of each column that has several values."""
    run, text = opened.run, opened.view.search
    columns = {name: found for name in image_search.RANGES if (found := _binned(run, name)) is not None}
    if not columns:
        return
    brushes(
        [_histogram(run, text, name, found) for name, found in columns.items()],
        key="map/brushes",
        on_brush=lambda brush: _brushed(text, brush, columns),
    )
    st.caption(
        "Drag across a histogram to find the images of a range; ranges are words of the search, all of "
        "which must be true. Heights are square roots of counts: pale of all images, in colour of those that "
        "the other words find."
    )


def _histogram(run: Run, text: str, column: str, found: Binned) -> Histogram:
    others = image_search.with_range(text, column, "")
    kept = found.counts(runs.hits(run, others) if others.strip() else None)
    first, last = found.brushed(image_search.range_of(text, column))
    return Histogram(column, color_title(column), found.edges.tolist(), found.counts(), kept, first, last)


def _brushed(text: str, brush: Brush, columns: dict[str, Binned]) -> None:
    asked = "" if brush.first < 0 else columns[brush.column].text(brush.first, brush.last)
    binding.change(MapView, search=image_search.with_range(text, brush.column, asked), hits_page=1)


@st.cache_resource(max_entries=64, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def _binned(run: Run, column: str) -> Binned | None:
    """Return a column in bins; None where its values are not several."""
    values = runs.table(run, "images", image_search.COLUMNS)[column].cast(pa.float64()).to_numpy()
    known = values[np.isfinite(values)]
    if not known.size or known.min() == known.max():
        return None
    low, high = (0.0, 1.0) if column == "probability" else np.quantile(known, (TAIL, 1 - TAIL)).tolist()
    return Binned.of(values, low, high) if low < high else Binned.of(values, known.min(), known.max())
