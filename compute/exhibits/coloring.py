"""One column of `images` as colours: categories in a fixed order, or a scale of values."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.reader import Run

CLASS_COLUMNS = ("label", "predicted")
CATEGORY_COLUMNS = (*CLASS_COLUMNS, "correct", "split")
VALUE_UNITS = {"probability": "", "loss": "nat", "width": "pixels", "height": "pixels"}
COLOR_COLUMNS = (*CATEGORY_COLUMNS, *VALUE_UNITS)
VERDICTS = ("wrong", "right")
"""Categories of the column ``correct``."""

TAIL = 0.01
"""Share at each end that the colour scale clips: a few greatest losses would else take all the colours."""


@dataclass(frozen=True)
class Coloring:
    """One column of ``images`` as colours.

    ``values`` (N,) float32 by image_id, NaN where there is none: the index in ``categories``, or the value
    itself where ``categories`` is None; its scale runs from ``low`` to ``high``, in ``unit``.
    """

    column: str
    values: np.ndarray
    categories: tuple[str, ...] | None = None
    low: float = 0.0
    high: float = 1.0
    unit: str = ""


def coloring(run: Run, column: str) -> Coloring:
    """The column ``column`` of ``images`` as colours; ValueError for one that has none."""
    if column in VALUE_UNITS:
        return _scale(column, run.table("images", [column])[column])
    if column == "correct":
        correct = run.table("images", [column])[column]
        return Coloring(column, _floats(correct.cast(pa.int8())), VERDICTS)
    if column in CATEGORY_COLUMNS:
        return _categories(run, column)
    raise ValueError(f"no colours by {column!r}, choose one of {', '.join(COLOR_COLUMNS)}")


def _scale(column: str, values: pa.ChunkedArray) -> Coloring:
    numbers = _floats(values)
    known = numbers[np.isfinite(numbers)]
    low, high = np.quantile(known, (TAIL, 1 - TAIL)).tolist() if known.size else (0.0, 1.0)
    if column == "probability":
        low, high = 0.0, 1.0
    return Coloring(column, numbers, low=low, high=high, unit=VALUE_UNITS[column])


def _categories(run: Run, column: str) -> Coloring:
    # Labels and predictions share one list, so that a class has one colour in both.
    columns = CLASS_COLUMNS if column in CLASS_COLUMNS else (column,)
    table = run.table("images", list(columns))
    occurring = {name for each in columns for name in pc.unique(table[each]).to_pylist() if name is not None}
    names = _ordered(occurring, run.class_names)
    codes = pc.index_in(table[column], pa.array(names, pa.string()))
    return Coloring(column, _floats(codes), names)


def _ordered(occurring: set[str], classes: Iterable[str]) -> tuple[str, ...]:
    """The network's classes in its order, then what else occurs, by name."""
    known = [name for name in classes if name in occurring]
    return (*known, *sorted(occurring.difference(known)))


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    numbers = values.cast(pa.float32()).to_numpy()
    return np.ascontiguousarray(numbers, "<f4")
