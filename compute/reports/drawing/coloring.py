"""One column of `images` as colours: categories in a fixed order, or a scale of values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.comparison import KINDS
from compute.images.sources import names_apart
from compute.reports.drawing import palettes
from compute.reports.drawing.further_columns import distinct, grouping_columns, is_numeric
from featurestore.reader import Run
from featurestore.schemas import TABLES

CLASS_COLUMNS = ("label", "predicted")
VERDICTS = ("wrong", "right")
"""Categories of the column ``correct``."""

OWN_PALETTES = {VERDICTS: palettes.VERDICTS, KINDS: palettes.KINDS}
"""Of categories whose colours have a meaning."""

TOP5 = ("not in the top 5", "in the top 5")
UNIQUE = ("sha256",)
"""Columns that differ from image to image, so that no two would share a colour."""

SHARE = "0..1"
"""Unit of the columns whose colours run from 0 to 1, whatever occurs."""

TITLES = {
    "image_id": "Image number",
    "path": "Folder",
    "predicted": "Prediction",
    "correct": "Right or wrong",
    "top5": "Label in the top 5",
}


def _has_colors(field: pa.Field) -> bool:
    types = pa.types
    scalar = types.is_string(field.type) or types.is_boolean(field.type) or _is_number(field.type)
    return (scalar or field.name == "top5") and field.name not in UNIQUE


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _by_use(field: pa.Field) -> tuple[bool, bool]:
    """Labels first, then other categories, then numbers."""
    return _is_number(field.type), field.name not in CLASS_COLUMNS


FIELDS = {field.name: field for field in sorted(filter(_has_colors, TABLES["images"]), key=_by_use)}
COLOR_COLUMNS = tuple(FIELDS)
"""What there are colours by: every column of `images` that has one value an image, and the top 5."""

FURTHER = "columns."
"""What the name of a further column of the list of images begins with, as a column of the table `columns`."""

TAIL = 0.01
"""Share at each end that the colour scale clips: a few greatest losses would else take all the colours."""


@dataclass(frozen=True)
class Coloring:
    """One column of `images` as colors.

    values: (N,) float32 by image id, NaN where there is none; indices into categories, or numbers of the
    column.
    categories: names in the order of their colors; None for a scale of numbers.
    low, high: ends of the scale, in `unit`.
    clipped: whether values lie beyond the ends.
    """

    column: str
    values: np.ndarray
    categories: tuple[str, ...] | None = None
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    clipped: bool = False

    @property
    def title(self) -> str:
        """Return the column's name for people."""
        return color_title(self.column)

    @property
    def hues(self) -> tuple[str, ...]:
        """Return a color (#rrggbb) for each category, or those of the scale from low to high."""
        if self.categories is None:
            return palettes.VIRIDIS
        return OWN_PALETTES.get(self.categories) or palettes.categorical(len(self.categories))


def color_title(column: str) -> str:
    """Return a column's name for people."""
    if column.startswith(FURTHER):
        return column.removeprefix(FURTHER)
    return TITLES.get(column, column.replace("_", " ").capitalize())


def color_columns(run: Run) -> tuple[str, ...]:
    """Return all that a run has colors by: columns of `images`, and those that its list of images has."""
    return (*COLOR_COLUMNS, *(FURTHER + name for name in grouping_columns(run)))


def coloring(run: Run, column: str) -> Coloring:
    """Return the colors of a column of `images`, or of "columns.NAME"; ValueError for one that has none.

    Of a path the folder counts, of the top 5 whether the label is among them.
    """
    if column.startswith(FURTHER) and column in color_columns(run):
        return _further(run, column)
    if column not in FIELDS:
        raise ValueError(f"no colours by {column!r}, choose one of {', '.join(color_columns(run))}")
    if column in CLASS_COLUMNS:
        return _classes(run, column)
    if column == "top5":
        return _in_top5(run)
    values = run.table("images", [column])[column]
    if _is_number(values.type):
        return _scale(column, _floats(values), FIELDS[column].metadata.get(b"unit", b"").decode())
    if column == "path":
        values = pc.replace_substring_regex(values, r"/?[^/]*$", "")
    if pa.types.is_boolean(values.type):
        names = VERDICTS if column == "correct" else ("no", "yes")
        return Coloring(column, _floats(values.cast(pa.int8())), names)
    return _categories(column, values, sorted(pc.unique(values.drop_null()).to_pylist()))


def _scale(column: str, numbers: np.ndarray, unit: str = "") -> Coloring:
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return Coloring(column, numbers, ())  # a scale would be made up
    if unit == SHARE:
        return Coloring(column, numbers)
    low, high = (np.quantile(known, (TAIL, 1 - TAIL)) + 0.0).tolist()
    clipped = bool(known.min() < low or known.max() > high)
    return Coloring(column, numbers, low=low, high=high, unit=unit, clipped=clipped)


def _further(run: Run, column: str) -> Coloring:
    """The images without a value have no color."""
    name = column.removeprefix(FURTHER)
    rows = run.select("columns", name)
    numeric = is_numeric(run, name)
    names = () if numeric else distinct(run, name)
    there = rows["number"] if numeric else pc.index_in(rows["text"], pa.array(names, pa.string()))
    values = np.full(run.image_count, np.nan, "<f4")
    values[rows["image_id"].to_numpy()] = _floats(there)
    return _scale(column, values) if numeric else Coloring(column, values, tuple(names))


def _classes(run: Run, column: str) -> Coloring:
    # Labels and predictions share one list, so that a class has one colour in both. Labels come first: where
    # there are more classes than colours, two labels would else look alike for the sake of a rare mistake.
    table = run.table("images", list(CLASS_COLUMNS))
    labels, predicted = (set(pc.unique(table[each].drop_null()).to_pylist()) for each in CLASS_COLUMNS)
    names = (*_ordered(labels, run.class_names), *_ordered(predicted - labels, run.class_names))
    return _categories(column, table[column], names)


def _in_top5(run: Run) -> Coloring:
    table = run.table("images", ["label", "top5"])
    top = table["top5"].combine_chunks()
    image, named = pc.list_parent_indices(top).to_numpy(), pc.struct_field(pc.list_flatten(top), "class")
    if run.manifest.labels_are_lists:
        return Coloring("top5", _all_listed(table), TOP5)
    labels = table["label"].combine_chunks()
    known = pc.and_(pc.is_valid(labels), pc.is_valid(top)).to_numpy(zero_copy_only=False)
    values = np.where(known, np.float32(0), np.float32(np.nan))
    hit = pc.equal(named, labels.take(image)).fill_null(False).to_numpy(zero_copy_only=False)
    values[image[hit]] = 1
    return Coloring("top5", np.ascontiguousarray(values, "<f4"), TOP5)


def _all_listed(table: pa.Table) -> np.ndarray:
    """(N,) whether all labels of an image are listed: 1 or 0, NaN without labels or prediction."""
    listed = [
        np.nan if label is None or top is None else set(names_apart(label)) <= {each["class"] for each in top}
        for label, top in zip(table["label"].to_pylist(), table["top5"].to_pylist(), strict=True)
    ]
    return np.array(listed, "<f4")


def _categories(column: str, values: pa.ChunkedArray, names: Iterable[str]) -> Coloring:
    names = tuple(names)
    return Coloring(column, _floats(pc.index_in(values, pa.array(names, pa.string()))), names)


def _ordered(occurring: set[str], classes: Iterable[str]) -> tuple[str, ...]:
    """The network's classes in its order, then what else occurs, by name."""
    known = [name for name in classes if name in occurring]
    return (*known, *sorted(occurring.difference(known)))


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    """NaN for null; numbers too large for float32 are rounded."""
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    return np.ascontiguousarray(numbers, "<f4")
