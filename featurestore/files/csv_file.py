"""CSV that a spreadsheet opens as what it is: no text in it is run as a formula."""

import base64
import csv
import io
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa

FORMULA = re.compile(r"[\s\x00-\x1f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""How a text begins that spreadsheets run, also by the wide forms of these signs and behind spaces."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def csv_bytes(table: pa.Table) -> bytes:
    """Return RFC 4180 with a header; floats by their shortest text, lists as JSON, formulas as texts.

    Bytes, such as a picture's file, are in base64.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(map(_cell, table.column_names))
    columns = [[_cell(value) for value in values_of(column)] for column in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return stream.getvalue().encode(errors="replace")


def values_of(column: pa.ChunkedArray) -> list:
    """Return a column's values; single floats stay single, so that their text is the shortest that reads
    back to the same one.
    """
    if pa.types.is_float32(column.type):
        return [None if value is None else np.float32(value) for value in column.to_pylist()]
    return column.to_pylist()


def as_text(value: Any) -> str:
    """Return the text of what JSON has no value for: bytes in base64, others as Python writes them."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    if isinstance(value, bytes):
        return as_text(value)
    return f"'{value}" if isinstance(value, str) and _runs(value) else value


def _runs(text: str) -> bool:
    """Return whether a spreadsheet that opens the file would take a text for a formula, and run it.

    The name of a class or a file may be anybody's. Numbers such as -1 are none.
    """
    return bool(FORMULA.match(text)) and not NUMBER.fullmatch(text)
