"""A file of a table, Parquet or Arrow, as groups of rows that are read together."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from compute.images.sources.tables.arrow_messages import ROWS, VALUES, rows_of, unpacked_bytes
from compute.images.sources.tables.endings import ARROW, PARQUET

MAX_GROUP = 2**30
"""Bytes of one group of rows, unpacked: so much is in memory at once."""

IMAGES_AT_ONCE, TEXTS_AT_ONCE = 4, 256
"""Rows of a Parquet file that are unpacked before their bytes are counted."""

COMPUTED = "cache-"
"""What the names of files begin with in which `datasets` keeps results of `map` and `filter`."""

UNREADABLE = (pa.ArrowException, OSError, struct.error, ValueError)


class Part(Protocol):
    """One file. rows: of each of its groups. schema: with the metadata of who wrote it."""

    name: str
    rows: list[int]
    schema: pa.Schema

    def read(self, group: int, columns: list[str]) -> pa.Table:
        """These columns of a group; "image.path" is that field of a column of structs, or all of it.

        ValueError where the file is damaged, or the group is larger than MAX_GROUP.
        """
        ...


def open_part(file: Path) -> Part:
    """ValueError for what is no such file."""
    if file.suffix.lower() == PARQUET:
        return open_parquet(file)
    try:
        return ArrowPart(file)
    except UNREADABLE as error:
        raise ValueError(f"{file} can't be read: {error}") from error


def open_parquet(file: Path) -> "ParquetPart":
    """ValueError for what is no such file."""
    try:
        return ParquetPart(file)
    except UNREADABLE as error:
        raise ValueError(f"{file} can't be read: {error}") from error


def is_text_or_number(kind: pa.DataType) -> bool:
    """Whether values of this type can be said: texts, numbers, times and truth values, not bytes or lists."""
    if pa.types.is_dictionary(kind):
        return is_text_or_number(kind.value_type)
    of_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return not (pa.types.is_nested(kind) or any(each(kind) for each in of_bytes))


def features_of(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """What Hugging Face's `datasets` says of the columns, by their names; empty where it says nothing."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = said.get("info", {}).get("features", {})
        return {name: each for name, each in features.items() if isinstance(each, dict)}
    except (ValueError, AttributeError, RecursionError):
        return {}


class ParquetPart:
    """A Parquet file."""

    def __init__(self, file: Path):
        self.name, self._file = str(file), file
        with pq.ParquetFile(file) as opened:
            self._metadata, self.schema = opened.metadata, opened.schema_arrow
        groups = range(self._metadata.num_row_groups)
        self.rows = [self._metadata.row_group(group).num_rows for group in groups]

    def read(self, group: int, columns: list[str]) -> pa.Table:
        batches = list(self.batches(group, columns))
        return pa.Table.from_batches(batches) if batches else self.schema.empty_table()

    def batches(self, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """These columns of a group, a few rows at a time; ValueError as for `read`.

        Bytes are counted as they are unpacked: a value that stands once in the file, in a dictionary, may be
        that of many rows.
        """
        self._check(group, columns)
        texts = all(is_text_or_number(field.type) for field in self.schema if field.name in columns)
        taken = 0
        try:
            with pq.ParquetFile(self._file, metadata=self._metadata) as opened:
                at_once = TEXTS_AT_ONCE if texts else IMAGES_AT_ONCE
                for batch in opened.iter_batches(at_once, [group], columns, use_threads=False):
                    taken += batch.nbytes
                    if taken > MAX_GROUP:
                        break
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{self.name} can't be read: {error}") from error
        _check_group(self.name, group, taken)

    def _check(self, group: int, columns: list[str]) -> None:
        """Refuse what the file itself says to be too much."""
        found = self._metadata.row_group(group)
        for each in (found.column(index) for index in range(found.num_columns)):
            if any(f"{each.path_in_schema}.".startswith(f"{name}.") for name in columns):
                _check_group(self.name, group, each.total_uncompressed_size)


class ArrowPart:
    """An Arrow file, as `datasets` saves them (a stream of batches), mapped into memory.

    Each batch is unpacked when it is asked for, and kept by nobody here.
    """

    def __init__(self, file: Path):
        self.name = str(file)
        messages = list(pa.ipc.MessageReader.open_stream(pa.memory_map(self.name)))
        if not messages or any(each.type not in (ROWS, VALUES) for each in messages[1:]):
            raise ValueError("it is no stream of batches")
        self._head, *self._rest = messages
        self.schema = pa.ipc.open_stream(self._head.serialize()).schema
        self._groups = [place for place, each in enumerate(self._rest) if each.type == ROWS]
        self.rows = [rows_of(self._rest[place]) for place in self._groups]

    def read(self, group: int, columns: list[str]) -> pa.Table:
        place = self._groups[group]
        before = [each for each in self._rest[:place] if each.type == VALUES]
        try:
            taken = sum(map(unpacked_bytes, (*before, self._rest[place])))
        except UNREADABLE as error:
            raise ValueError(f"{self.name} is damaged: {error}") from error
        copied = sum(each.body.size for each in (*before, self._rest[place])) if before else 0
        _check_group(self.name, group, taken + copied)
        fields = [name for name in self.schema.names if name in columns or f"{name}.path" in columns]
        return pa.Table.from_batches([self._unpacked(before, self._rest[place])]).select(fields)

    def _unpacked(self, before: list[pa.Message], rows: pa.Message) -> pa.RecordBatch:
        """A batch of rows. before: the messages that have the values of its dictionaries."""
        try:
            if not before:
                batch = pa.ipc.read_record_batch(rows, self.schema)
            else:
                stream = b"".join(each.serialize().to_pybytes() for each in (self._head, *before, rows))
                batch = pa.ipc.open_stream(stream).read_next_batch()
            batch.validate(full=True)
        except UNREADABLE as error:
            raise ValueError(f"{self.name} is damaged: {error}") from error
        return batch


def _check_group(name: str, group: int, taken: int) -> None:
    if taken > MAX_GROUP:
        raise ValueError(
            f"{name}: row group {group} takes at least {taken:,} bytes unpacked, more than {MAX_GROUP:,}; "
            "write it with a smaller row_group_size"
        )


def parts_in(folder: Path) -> Iterator[Path]:
    """The files of a table that lie in a folder, in the order of their paths.

    Hidden ones are left out, and what `datasets` keeps beside them of what somebody else computed.
    """
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", COMPUTED)) for part in inside.parts)
        if path.suffix.lower() in (PARQUET, ARROW) and not hidden:
            yield path
