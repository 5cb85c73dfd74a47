"""What the list of images says beside label and split: values of a column, and images chosen by them.

A condition on one column is a text: `camera=A` is all images whose camera is A, `exposure=0.5..2` all from
0.5 to 2 (either end may be left out), and `camera=` those that have no camera.
"""

import math

import numpy as np
import pyarrow as pa

from featurestore.reader import Run

MOST_VALUES = 1000
"""Of a column of texts: one with more tells no groups of images apart."""

RANGE = ".."


def grouping_columns(run: Run) -> tuple[str, ...]:
    """Return the names of the columns that tell groups of images apart."""
    return tuple(
        name
        for name, about in run.manifest.columns.items()
        if about["kind"] == "number" or about["values"] <= MOST_VALUES
    )


def is_numeric(run: Run, name: str) -> bool:
    """Return whether a column's values are numbers; ValueError for a column that the run lacks."""
    return _about(run, name)["kind"] == "number"


def distinct(run: Run, name: str) -> list[str]:
    """Return the different values of a column of texts, sorted."""
    return sorted(run.select("columns", name, columns=["text"])["text"].unique().to_pylist())


def with_column(table: pa.Table, run: Run, name: str) -> pa.Table:
    """Return a table of images, by image_id, with the values of a column beside it, null where there are
    none."""
    kind = "number" if is_numeric(run, name) else "text"
    rows = run.select("columns", name)
    row_of = np.full(run.image_count, -1)
    row_of[rows["image_id"].to_numpy()] = np.arange(len(rows))
    places = row_of[table["image_id"].to_numpy()]
    values = rows[kind].take(pa.array(places, mask=places < 0))
    return table.append_column(f"columns.{name}", values)


def column_of(run: Run, where: str) -> tuple[str, str]:
    """Return a condition's column, and what is asked of it; ValueError where the run has no such column."""
    name, equals, asked = where.partition("=")
    if not equals or name not in run.manifest.columns:
        there = ", ".join(run.manifest.columns) or "none: its images came without a list"
        raise ValueError(
            f"condition {where!r} must be COLUMN=VALUE or COLUMN=LOW{RANGE}HIGH; columns are {there}"
        )
    return name, asked


def images_where(run: Run, where: str) -> np.ndarray:
    """Return the image_ids (n,) that fulfil a condition, sorted; ValueError for a malformed one."""
    name, asked = column_of(run, where)
    rows = run.select("columns", name)
    ids = rows["image_id"].to_numpy()
    if not asked:
        return np.setdiff1d(np.arange(run.image_count), ids)
    if not is_numeric(run, name):
        return ids[np.array(rows["text"].to_pylist(), object) == asked]
    low, high = ends(asked)
    numbers = rows["number"].to_numpy()
    return ids[(numbers >= low) & (numbers <= high)]


def ends(asked: str) -> tuple[float, float]:
    """Return the lowest and the highest number of a range such as "0.5..2", "..2" or "3"; ValueError for
    others."""
    low, dots, high = asked.partition(RANGE)
    try:
        least = float(low) if low else -math.inf
        most = (float(high) if high else math.inf) if dots else least
    except ValueError:
        least = most = math.nan
    if math.isnan(least) or math.isnan(most):
        raise ValueError(f"{asked!r} is no range of numbers such as 0.5{RANGE}2, {RANGE}2 or 3")
    return least, most


def _about(run: Run, name: str) -> dict:
    columns = run.manifest.columns
    if name not in columns:
        raise ValueError(
            f"no column {name!r} of the list of images; there are {', '.join(columns) or 'none'}"
        )
    return dict(columns[name])
