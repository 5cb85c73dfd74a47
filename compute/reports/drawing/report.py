"""A picture with the numbers behind it and the recipe of both, as files: PNG, CSV, Parquet, NumPy's .npy."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compute.images.pictures import png
from compute.methods.recipe import RECIPE, recipe_text
from compute.reports.drawing.formats import CSV, NPY, PARQUET, PNG
from featurestore.files.csv_file import csv_bytes


@dataclass(frozen=True)
class Report:
    """A picture with its numbers, rows and recipe; nothing is drawn before it is asked for.

    recipe: what it was made from, which is all that it depends on.
    numbers: ready for JSON, what it says.
    draw: a picture, uint8 (H, W), (H, W, 3) or (H, W, 4); None where there is none.
    drawn: the picture's file, where it is kept already: its bytes, which hold the recipe.
    tabulate: the numbers of the picture as rows; None where there are none.
    array: float32, as computed; None where there is none.
    notes: what the command line prints beside the numbers, of how they came about.
    remark: a sentence for who asked, "" for none.
    """

    recipe: Mapping[str, Any]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    draw: Callable[[], np.ndarray] | None = None
    tabulate: Callable[[], pa.Table] | None = None
    array: Callable[[], np.ndarray] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    drawn: Callable[[], bytes] | None = None

    def formats(self) -> tuple[str, ...]:
        """Return the suffixes of the files that this can be written as."""
        made = {PNG: self.drawn or self.draw, NPY: self.array, CSV: self.tabulate, PARQUET: self.tabulate}
        return tuple(suffix for suffix, make in made.items() if make is not None)

    def file(self, suffix: str) -> bytes:
        """Return the bytes of a file with this suffix; ValueError for a format that it does not have."""
        if suffix not in self.formats():
            raise ValueError(f"this can't be written as {suffix!r}; choose {' or '.join(self.formats())}")
        written = {PNG: self._png, NPY: self._npy, CSV: self._csv, PARQUET: self._parquet}
        return written[suffix]()

    def recipe_text(self) -> str:
        """Return the recipe as JSON with sorted keys."""
        return recipe_text(self.recipe)

    def _png(self) -> bytes:
        return self.drawn() if self.drawn else png(self.draw(), {RECIPE: self.recipe_text()})

    def _npy(self) -> bytes:
        stream = io.BytesIO()
        np.save(stream, np.ascontiguousarray(self.array(), np.float32))
        return stream.getvalue()

    def _csv(self) -> bytes:
        return csv_bytes(self.tabulate())

    def _parquet(self) -> bytes:
        table = self.tabulate()
        about = {**(table.schema.metadata or {}), RECIPE: self.recipe_text()}
        stream = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(about), stream, compression="zstd")
        return stream.getvalue()


def array_table(array: np.ndarray) -> pa.Table:
    """Return an array's pixels as rows: y, x, and its value or values.

    (H, W) gives the column value; (H, W, 3) red, green and blue; other numbers of channels c0, c1, …
    """
    values = array[..., None] if array.ndim == 2 else array
    height, width, channels = values.shape
    names = {1: ("value",), 3: ("red", "green", "blue")}.get(channels, [f"c{i}" for i in range(channels)])
    y, x = np.divmod(np.arange(height * width, dtype=np.int32), np.int32(width))
    flat = np.ascontiguousarray(values).reshape(-1, channels)
    return pa.table({"y": y, "x": x, **{name: flat[:, i].copy() for i, name in enumerate(names)}})
