"""What an agent is told, of bounded size: values as JSON has them, texts of a store as data in one line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from compute.methods.recipe import finite

MOST_LETTERS = 300
"""Of a text."""

MOST_ITEMS = 100
"""Of a list, and entries of an object."""

MOST_CELLS = 16
"""Of a list in a row of a table."""

MOST_BYTES = 60_000
"""Of JSON, of the numbers and of the rows each: some ten thousand tokens."""


def text(value: str, most: int = MOST_LETTERS) -> str:
    """Return a text in one line of bounded length: what can't be seen stands by its number, as in \\u202e."""
    cut = value if len(value) <= most else f"{value[:most]}… ({len(value):,} characters)"
    return "".join(each if each.isprintable() else _numbered(each) for each in cut)


def bounded(value: Any, most: int = MOST_ITEMS) -> Any:
    """Return a value as JSON has it, with at most so many entries of each list and object.

    NaN and the infinities become None, bytes their number. What was left out is said in its place.
    """
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        named = {text(str(key)): bounded(each, most) for key, each in list(value.items())[:most]}
        return named if len(value) <= most else {**named, "…": f"{len(value) - most:,} more"}
    if isinstance(value, np.ndarray | np.generic):
        return bounded(value.tolist(), most)
    if isinstance(value, list | tuple):
        entries = [bounded(each, most) for each in value[:most]]
        return entries if len(value) <= most else [*entries, f"… {len(value) - most:,} more"]
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else finite(float(value))
    return finite(value) if isinstance(value, float) else text(_spoken(value))


def fitting(value: Any, most: int = MOST_ITEMS) -> Any:
    """Return `bounded`, with so few entries of each list that its JSON has at most MOST_BYTES."""
    while size(found := bounded(value, most)) > MOST_BYTES and most > 1:
        most //= 2
    return found


def rows_of(table: pa.Table, start: int, count: int) -> dict[str, Any]:
    """Return rows of a table from `start` on, at most `count` of them, and how many there are in all.

    Fewer where their JSON would have more than MOST_BYTES; "next_row" says where others begin.
    """
    if start > len(table):
        raise ValueError(f"from_row is {start}; the table has {len(table):,} rows")
    rows: list[dict[str, Any]] = []
    room = MOST_BYTES
    for row in _rows(table.slice(start, count)):
        room -= size(row)
        if rows and room < 0:
            break
        rows.append(row)
    stop = start + len(rows)
    said = {"total": len(table), "from_row": start, "rows": rows}
    return said if stop >= len(table) else {**said, "next_row": stop}


def size(value: Any) -> int:
    """Return the bytes of a value's JSON."""
    return len(written(value).encode(errors="replace"))


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=100):
        for row in batch.to_pylist():
            yield bounded_row(row)


def bounded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with at most MOST_CELLS entries of each of its lists, fewer where they are many bytes."""
    found = {text(name): bounded(value, MOST_CELLS) for name, value in row.items()}
    if size(found) <= MOST_BYTES:
        return found
    return {text(name): bounded(value, 1) for name, value in list(row.items())[:MOST_ITEMS]}


def _numbered(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def _spoken(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)


def exact(shown: str, names: Sequence[str]) -> str:
    """Return which of the names is meant by one as an agent sees it; the same where it is none of them."""
    return shown if shown in names else next((each for each in names if text(each) == shown), shown)
