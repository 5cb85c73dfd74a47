"""A table of the run as it is, or a layer's part of it: numbers that no picture shows better."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import IMAGE_COLUMNS, of_run
from compute.runtime.parameters import parameter
from featurestore.reader import Run
from featurestore.schemas import SORT_KEYS, TABLES, check_table

LEFT_OUT = {"images": ("thumbnail",), "showcase": ("image",)}
"""Columns that are pictures."""


@dataclass(frozen=True)
class TableSpec(ReportSpec):
    """A table of a run, or a layer's part of it."""

    name: ClassVar[str] = "table"
    title: ClassVar[str] = "A table of a store"
    description: ClassVar[str] = (
        "A whole table of the store, its shards in order, or one layer's part of it; without pictures. "
        "docs/store.md lists the columns."
    )
    has_picture: ClassVar[bool] = False

    table: str = parameter("", "which table", choices=tuple(TABLES), option="name")
    layer: str = parameter("", "of channels, top_patches and showcase: this layer alone")

    def _make(self, inputs: ReportInputs) -> Report:
        return table_report(inputs.run, self.table, self.layer or None)


def table_report(run: Run, name: str, layer: str | None = None) -> Report:
    """Report on a table, or on the rows of a `layer` of it; ValueError for what the run does not have."""
    check_table(name)
    if layer is not None and SORT_KEYS[name][0] != "layer":
        raise ValueError(f"table {name!r} has no rows a layer; leave the layer out")
    left_out = LEFT_OUT.get(name, ())
    whole = run.table(name) if layer is None else _of_layer(run, name, layer)
    rows = whole.drop_columns([column for column in left_out if column in whole.column_names])
    asked = {"table": name} | ({} if layer is None else {"layer": layer})
    recipe = {"exhibit": "table", **asked, **of_run(run)}
    return Report(recipe, {**asked, "rows": len(rows)}, None, lambda: rows)


def images_report(run: Run, ids: np.ndarray) -> Report:
    """Report on what the run says of some of its images."""
    recipe = {"exhibit": "images", "image_ids": [int(each) for each in ids], **of_run(run)}
    return Report(recipe, {"images": len(ids)}, None, lambda: run.rows("images", ids, IMAGE_COLUMNS))


def _of_layer(run: Run, name: str, layer: str) -> pa.Table:
    rows = run.select(name, layer)
    if not len(rows):
        choices = ", ".join(run.table("layers", ["layer"])["layer"].to_pylist())
        raise ValueError(f"unknown layer {layer!r}; choose from {choices}")
    return rows
