"""A list of image files with labels, splits and whatever else is known of them: a CSV or a Parquet file.

One row an image. `path` names its file, relative to the list; `label` and `split` may be there; all other
columns are kept beside the images, as text.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from compute.images.sources.folders.folder_source import read_file
from compute.images.sources.items import Item, by_path
from compute.images.sources.labels import WrittenLabels
from compute.images.sources.lists.column_names import COLUMN_RULE, MOST_COLUMNS, is_column_name
from compute.images.sources.reach import ANYWHERE, Reach
from compute.images.sources.tables.parts import is_text_or_number, open_parquet
from compute.runtime.notices import notice

TEXT_ENDINGS = (".csv", ".tsv")
PATH_NAMES = ("path", "file_name", "filename", "file", "image")
"""What the column of paths may be called; the first of them that is there is it."""

LABEL_NAMES, SPLIT_NAMES = ("label", "class"), ("split",)
DELIMITERS = ",;\t"
MAX_BYTES = 2**30
"""Of a list, which is read whole."""

Row = tuple[str | None, ...]


class ListSource(WrittenLabels):
    """The images that a list names.

    spec: the list's file, whose folder relative paths begin at.
    """

    def __init__(self, spec: str, reach: Reach = ANYWHERE):
        self.file = Path(spec).resolve()
        self.folder = self.file.parent
        self.spec, self.root, self._reach = str(self.file), str(self.folder), reach

    @property
    def columns(self) -> tuple[str, ...]:
        return self._read[0]

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return self._read[1]

    def read(self, path: str) -> bytes:
        if path not in self._paths:
            raise ValueError(f"{path!r} is not in the list {self.file}")
        file = self.folder / path
        self._reach.check_file(file, self.folder)
        return read_file(file, path, str(self.folder))

    def prepare(self) -> None:
        _ = self._paths

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(item.path for item in self.items)

    @cached_property
    def _read(self) -> tuple[tuple[str, ...], tuple[Item, ...]]:
        if (size := self.file.stat().st_size) > MAX_BYTES:
            raise ValueError(f"{self.file} has {size:,} bytes, more than the {MAX_BYTES:,} of a list")
        rows = _text_rows(self.file) if self.file.suffix.lower() in TEXT_ENDINGS else _parquet_rows(self.file)
        return _understood(rows, str(self.file))


def path_column(names: Sequence[str]) -> str | None:
    """The name of the column of paths among a list's columns; None where there is none."""
    return _first_of(PATH_NAMES, names)


def _understood(rows: Iterator[Row], where: str) -> tuple[tuple[str, ...], tuple[Item, ...]]:
    """Names of the further columns, and the items. rows: the names of all columns, then the rows."""
    names = _names(next(rows, ()), where)
    paths = path_column(names)
    if paths is None:
        raise ValueError(
            f"{where} has no column path (nor {', '.join(PATH_NAMES[1:])}); its first line must name the "
            f"columns, and names {', '.join(filter(None, names)) or 'none'}"
        )
    label, split = _first_of(LABEL_NAMES, names), _first_of(SPLIT_NAMES, names)
    own = [name for name in names if name and name not in (paths, label, split)]
    if len(own) > MOST_COLUMNS:
        raise ValueError(f"{where} has {len(own)} columns beside path, label and split: {COLUMN_RULE}")
    at = {name: place for place, name in enumerate(names)}
    further, found, lines = [at[name] for name in own], [], dict[str, int]()
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise ValueError(
                f"{where}: row {number} has {len(row)} values, and there are {len(names)} columns"
            )
        path = _path(row[at[paths]], where, number)
        if path in lines:
            raise ValueError(
                f"{where}: {path!r} is in row {lines[path]} and in row {number}; an image is one row, and "
                'several labels of it are written "cat|dog"'
            )
        lines[path] = number
        own_label, own_split = (None if name is None else _value(row[at[name]]) for name in (label, split))
        found.append(Item(path, own_label, own_split, tuple(_value(row[place]) for place in further)))
    if not found:
        raise ValueError(f"{where} names no image")
    return tuple(own), by_path(found)


def _names(header: Row, where: str) -> list[str]:
    """Names of the columns; "" for one without a name, as pandas writes its index."""
    names = [(name or "").strip() for name in header]
    odd = [name for name in names if name and (not is_column_name(name) or names.count(name) > 1)]
    if odd:
        raise ValueError(f"{where}: {odd[0][:100]!r} can't be a column: {COLUMN_RULE}")
    return names


def _first_of(wanted: Iterable[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _path(text: str | None, where: str, number: int) -> str:
    if text is None or not text.strip():
        raise ValueError(f"{where}: row {number} has no path")
    return str(PurePosixPath(text.strip()))


def _value(text: str | None) -> str | None:
    """A value without spaces around it, the same text once in memory; None for an empty one."""
    text = (text or "").strip()
    return sys.intern(text) if text else None


def _text_rows(file: Path) -> Iterator[Row]:
    """Of a CSV file in UTF-8, whose delimiter is the one that is most frequent in its first line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            rows = csv.reader(stream, delimiter=delimiter, strict=True)
            yield from (tuple(row) for row in rows if row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no CSV file in UTF-8: {error}") from error


def _parquet_rows(file: Path) -> Iterator[Row]:
    part = open_parquet(file)
    kept = [field.name for field in part.schema if is_text_or_number(field.type)]
    if left_out := [name for name in part.schema.names if name not in kept]:
        notice(f"{file}: columns left out, whose values are not texts or numbers: {', '.join(left_out)}")
    yield tuple(kept)
    for group in range(len(part.rows)):
        for batch in part.batches(group, kept):
            yield from zip(*(_texts(batch[name]) for name in kept), strict=True)


def _texts(values: pa.Array) -> list[str | None]:
    """NaN is nothing, as null is."""
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    return values.cast(pa.string()).to_pylist()
