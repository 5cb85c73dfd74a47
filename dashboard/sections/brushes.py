"""Histograms and lists of values below the map: what is brushed or clicked is a word of the search, which
map, grid, lists and downloads follow.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import streamlit as st

from compute.analysis import image_search
from compute.analysis.image_search import FURTHER, as_kept
from compute.reports.drawing.coloring import color_title
from compute.reports.drawing.further_columns import with_column
from dashboard.components import Brush, Clicked, Histogram, Value, ValueList, brushes
from dashboard.data import runs
from dashboard.text import one_line
from dashboard.views import binding
from dashboard.views.definitions import MapView
from dashboard.widgets.header import Opened
from featurestore.reader import Run

BINS, DIGITS, SHOWN_DIGITS, MOST_DIGITS = 40, 5, 3, 17
EVEN = 0.5
"""Share of a bin's width that its rounded edges must be apart at least."""

TAIL = 0.01
"""Share of the images at each end that is in the outer bins: a few great losses would else take all room."""

MOST_LISTED = 30
"""Values of a column that are listed, the most frequent ones, besides those that are chosen."""

NO_VALUE = "no value"
SINGLE = pa.float32()


@dataclass(frozen=True)
class Binned:
    """A column in bins: what is in one is at least its first edge, and less than its second.

    edges: (BINS + 1,) strictly ascending, of at most `digits` digits
    bins: (N,) int16 by image, -1 where it has no value
    """

    edges: np.ndarray
    bins: np.ndarray
    digits: int = DIGITS

    @classmethod
    def of(cls, values: np.ndarray, low: float, high: float, kind: pa.DataType = SINGLE) -> "Binned | None":
        """Bin values (N,), NaN where there is none, of a column of this type.

        None where the ends are too close for so many bins.
        """
        exact = np.linspace(low, high, BINS + 1)
        for digits in range(DIGITS, MOST_DIGITS + 1):
            edges = _rounded(exact, digits)
            inner = np.array([as_kept(edge, kind) for edge in edges[1:-1].tolist()])
            if _are_apart(inner, exact):
                known = ~np.isnan(values)
                bins = np.searchsorted(inner, np.where(known, values, 0), side="right").astype(np.int16)
                return cls(edges, np.where(known, bins, np.int16(-1)), digits)
        return None

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
        low = f"{self.edges[first]:.{self.digits}g}" if first > 0 else ""
        high = f"<{self.edges[last + 1]:.{self.digits}g}" if last < BINS - 1 else ""
        return f"{low}..{high}"

    @property
    def shown_digits(self) -> int:
        """Return in how many digits the edges can be told apart."""
        several = range(SHOWN_DIGITS, self.digits)
        apart = (digits for digits in several if _are_apart(_rounded(self.edges, digits), self.edges))
        return next(apart, self.digits)


@dataclass(frozen=True)
class Listed:
    """A column of texts by its different values.

    names: the most frequent one first, of equals by name; "" where there are images without a value
    codes: (N,) int32 by image, which of them it has
    """

    names: list[str]
    codes: np.ndarray

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> "Listed":
        """List values (N,), null where there is none."""
        encoded = values.fill_null("").combine_chunks().dictionary_encode()
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        counts = np.bincount(codes, minlength=len(names))
        order = sorted(range(len(names)), key=lambda code: (-counts[code], names[code]))
        rank = np.empty(len(names), np.int32)
        rank[order] = np.arange(len(names))
        return cls([names[code] for code in order], rank[codes])

    def counts(self, image_ids: np.ndarray | None = None) -> list[int]:
        """Return how many images have each value, of these or of all."""
        codes = self.codes if image_ids is None else self.codes[image_ids]
        return np.bincount(codes, minlength=len(self.names)).tolist()


def draw(opened: Opened[MapView]) -> None:
    """Draw a histogram of each column of numbers, a list of each of texts, that has several values."""
    run, text = opened.run, opened.view.search
    further = [FURTHER + name for name in runs.choices(run).columns]
    columns = {name: found for name in (*image_search.RANGES, *further) if (found := _values(run, name))}
    if not columns:
        return
    binned = {name: found for name, found in columns.items() if isinstance(found, Binned)}
    listed = {name: found for name, found in columns.items() if isinstance(found, Listed)}
    brushes(
        [_histogram(run, text, name, found) for name, found in binned.items()],
        [_list(run, text, name, found) for name, found in listed.items()],
        key="map/brushes",
        on_brush=lambda brush: _brushed(run, text, brush, binned),
        on_click=lambda clicked: _clicked(run, text, clicked, listed),
    )
    st.caption(
        "Drag across a histogram to find the images of a range; ranges are words of the search, all of "
        "which must be true. Heights are square roots of counts: pale of all images, in colour of those that "
        "the other words find."
        + (" Click values to find the images that have any of them." if listed else "")
    )


def _further(run: Run) -> tuple[str, ...]:
    return tuple(run.manifest.columns)


def _histogram(run: Run, text: str, column: str, found: Binned) -> Histogram:
    further = _further(run)
    kept = _kept(run, image_search.with_range(text, column, "", further))
    asked = image_search.range_of(text, column, further)
    first, last = found.brushed(asked)
    edges, title = found.edges.tolist(), one_line(color_title(column))
    shown = Histogram(
        column, title, edges, found.counts(), found.counts(kept), first, last, found.shown_digits
    )
    if asked is None or asked == image_search.range_of(
        image_search.with_range("", column, found.text(first, last), further), column, further
    ):
        return shown
    return replace(shown, asked=_in_words(*asked), found=len(runs.hits(run, text)))


def _in_words(low: float, high: float) -> str:
    if low == high:
        return f"{low:,g}"
    return f"≥ {low:,g}" if high == np.inf else f"≤ {high:,g}" if low == -np.inf else f"{low:,g} – {high:,g}"


def _list(run: Run, text: str, column: str, found: Listed) -> ValueList:
    kept = found.counts(_kept(run, image_search.with_values(text, column, (), _further(run))))
    chosen = set(image_search.values_of(text, column, _further(run)))
    values = [
        Value(number, one_line(name) or NO_VALUE, count, kept[number], name in chosen)
        for number, (name, count) in enumerate(zip(found.names, found.counts(), strict=True))
        if number < MOST_LISTED or name in chosen
    ]
    return ValueList(column, one_line(color_title(column)), values, len(found.names) - len(values))


def _kept(run: Run, others: str) -> np.ndarray | None:
    """Return the images that the other words find; None where there are none, so that all are kept."""
    return runs.hits(run, others) if others.strip() else None


def _brushed(run: Run, text: str, brush: Brush, columns: dict[str, Binned]) -> None:
    asked = "" if brush.first < 0 else columns[brush.column].text(brush.first, brush.last)
    search = image_search.with_range(text, brush.column, asked, _further(run))
    binding.change(MapView, search=search, hits_page=1)


def _clicked(run: Run, text: str, clicked: Clicked, columns: dict[str, Listed]) -> None:
    """Ask for a value, too, or no more."""
    name = columns[clicked.column].names[clicked.number]
    chosen = image_search.values_of(text, clicked.column, _further(run))
    values = [each for each in chosen if each != name] if name in chosen else [*chosen, name]
    search = image_search.with_values(text, clicked.column, values, _further(run))
    binding.change(MapView, search=search, hits_page=1)


@st.cache_resource(max_entries=256, hash_funcs=runs.BY_FOLDER, show_spinner=False)
def _values(run: Run, column: str) -> Binned | Listed | None:
    """Return a column in bins, or by its values; None where these are not several."""
    images = runs.table(run, "images", image_search.COLUMNS)
    if column.startswith(FURTHER):
        images = with_column(images, run, column.removeprefix(FURTHER))
    values = images[column]
    if pa.types.is_string(values.type):
        listed = Listed.of(values)
        return listed if len(listed.names) > 1 else None
    numbers = values.cast(pa.float64()).to_numpy()
    known = numbers[np.isfinite(numbers)]
    if not known.size or known.min() == known.max():
        return None
    low, high = (0.0, 1.0) if column == "probability" else np.quantile(known, (TAIL, 1 - TAIL)).tolist()
    low, high = (low, high) if low < high else (known.min(), known.max())
    return Binned.of(numbers, low, high, values.type)


def _rounded(numbers: np.ndarray, digits: int) -> np.ndarray:
    return np.array([float(f"{each:.{digits}g}") for each in numbers])


def _are_apart(edges: np.ndarray, exact: np.ndarray) -> bool:
    """Return whether rounded edges are ascending, and about as far apart as the exact ones."""
    return bool((np.diff(edges) > EVEN * (exact[-1] - exact[0]) / BINS).all())
