"""What a list says of each image beside its label: table `columns`, a row a value."""

import math
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from compute.images.sources import Item
from featurestore.schemas import TABLES

NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
"""A number as people write one. 007 is a name: its zeros count."""


def columns_table(names: Sequence[str], items: Sequence[Item]) -> pa.Table:
    """Return table `columns` of the items, whose `values` have these names; empty values have no row.

    A column is one of numbers where all of its values are.
    """
    kinds = column_kinds(names, items)
    parts = [
        _rows(name, [item.values[place] for item in items], kinds[name]["kind"] == "number")
        for name, place in sorted(zip(names, range(len(names)), strict=True))
        if name in kinds
    ]
    return pa.concat_tables([TABLES["columns"].empty_table(), *parts])


def column_kinds(names: Sequence[str], items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """Return, by the column's name, its kind, "text" or "number", and how many different values it has.

    A column without any value is not among them.
    """
    found = {}
    for place, name in enumerate(names):
        values = {value for item in items if (value := item.values[place]) is not None}
        if values:
            kind = "number" if all(map(_is_number, values)) else "text"
            found[name] = {"kind": kind, "values": len(values)}
    return found


def _rows(name: str, values: Sequence[str | None], are_numbers: bool) -> pa.Table:
    there = [row for row, value in enumerate(values) if value is not None]
    texts = [value for value in values if value is not None]
    numbers = [float(text) for text in texts] if are_numbers else [None] * len(texts)
    columns = [
        pa.array([name] * len(texts)),
        pa.array(there),
        pa.array(texts),
        pa.array(numbers, pa.float64()),
    ]
    return pa.Table.from_arrays(columns, schema=TABLES["columns"])


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and math.isfinite(float(text))
