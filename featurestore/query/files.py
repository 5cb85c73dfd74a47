"""An answer as a file, CSV, Parquet or JSON, and as a plain table for a terminal."""

import io
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.files.csv_file import as_text, csv_bytes, values_of

MOST_CELL = 60
"""Characters of a value in a terminal, and in the page's table."""


def file_of(table: pa.Table, suffix: str) -> bytes:
    """Return the bytes of a file with this suffix, such as ".csv".

    ValueError for another one, and for a column that the format has no type for.
    """
    if suffix not in FORMATS:
        raise ValueError(f"an answer can't be written as {suffix!r}; choose {', '.join(FORMATS)}")
    return FORMATS[suffix](table)


def plain_table(table: pa.Table) -> str:
    """Return the rows with a line each below their names, numbers to the right, values as `cell_text`."""
    columns = [[_cell(value) for value in values_of(column)] for column in table.columns]
    names = [_cell(name) for name in table.column_names]
    widths = [max(map(len, [name, *column])) for name, column in zip(names, columns, strict=True)]
    to_right = [pa.types.is_integer(type) or pa.types.is_floating(type) for type in table.schema.types]

    def line(cells: list[str]) -> str:
        pairs = zip(cells, widths, to_right, strict=True)
        return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in pairs)

    rows = map(list, zip(*columns, strict=True))
    return "\n".join(each.rstrip() for each in [line(names), *map(line, rows)])


def text_of(value: Any) -> str:
    """Return a value in words, in one line: bytes by their number, lists and structs as JSON."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return json.dumps(value, ensure_ascii=False, default=text_of) if _is_nested(value) else str(value)


def cell_text(value: Any) -> str:
    """Return `text_of` in at most MOST_CELL characters, the last of them "…" where some are left out."""
    text = text_of(value)
    return text if len(text) <= MOST_CELL else f"{text[: MOST_CELL - 1]}…"


def cut_said(table: pa.Table) -> str:
    """Say how many values `cell_text` cuts; "" where all are whole."""
    texts = (text_of(value) for column in table.columns for value in values_of(column))
    count = sum(len(text) > MOST_CELL for text in texts)
    if not count:
        return ""
    values, are, end = ("value", "is", "ends") if count == 1 else ("values", "are", "end")
    return f'{count:,} {values} of more than {MOST_CELL} characters {are} cut and {end} in "…"'


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | dict)


def _cell(value: Any) -> str:
    """What could turn or hide the terminal's text stands by its number."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in cell_text(value))


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return each row as an object; what JSON has no value for is text: bytes in base64, NaN, dates."""
    return [{name: _in_json(value) for name, value in row.items()} for row in table.to_pylist()]


def _json(table: pa.Table) -> bytes:
    text = json.dumps(json_rows(table), ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode(errors="replace")


def _in_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _in_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(each) for each in value]
    if isinstance(value, Decimal):
        return _in_json(float(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else as_text(value)


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    try:
        pq.write_table(table, stream, compression="zstd")
    except pa.ArrowException as error:
        raise ValueError(f"the answer has a column that Parquet has no type for: {error}") from error
    return stream.getvalue()


FORMATS: dict[str, Callable[[pa.Table], bytes]] = {".csv": csv_bytes, ".parquet": _parquet, ".json": _json}
"""What an answer can be written as, by the ending of a file's name."""
