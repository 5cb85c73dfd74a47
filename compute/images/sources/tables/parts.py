"""A file of a table, Parquet or Arrow, as groups of rows that are read together."""

import json
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

PARQUET, ARROW = ".parquet", ".arrow"
MAX_GROUP = 2**30
"""Bytes of one column in one group of rows, unpacked: so much is in memory at once."""

COMPUTED = "cache-"
"""What the names of files begin with in which `datasets` keeps results of `map` and `filter`."""

UNREADABLE = (pa.ArrowException, OSError, struct.error)


class Part(Protocol):
    """One file. rows: of each of its groups. schema: with the metadata of who wrote it."""

    name: str
    rows: list[int]
    schema: pa.Schema

    def read(self, group: int, columns: list[str]) -> pa.Table:
        """These columns of a group; "image.path" is one field of a column of structs.

        ValueError where the file is damaged, or the group is larger than MAX_GROUP.
        """
        ...


def open_part(file: Path) -> Part:
    """ValueError for what is no such file."""
    try:
        return ParquetPart(file) if file.suffix.lower() == PARQUET else ArrowPart(file)
    except UNREADABLE as error:
        raise ValueError(f"{file} can't be read: {error}") from error


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
        self._check(group, columns)
        try:
            with pq.ParquetFile(self._file, metadata=self._metadata) as opened:
                return opened.read_row_group(group, columns)
        except UNREADABLE as error:
            raise ValueError(f"{self.name} can't be read: {error}") from error

    def _check(self, group: int, columns: list[str]) -> None:
        found = self._metadata.row_group(group)
        for each in (found.column(index) for index in range(found.num_columns)):
            wanted = any(f"{each.path_in_schema}.".startswith(f"{name}.") for name in columns)
            if wanted and each.total_uncompressed_size > MAX_GROUP:
                raise ValueError(
                    f"{self.name}: row group {group} takes {each.total_uncompressed_size:,} bytes in "
                    f"{each.path_in_schema}, more than {MAX_GROUP:,}; write it with a smaller row_group_size"
                )


class ArrowPart:
    """An Arrow file, as `datasets` saves them (a stream of batches), mapped into memory."""

    def __init__(self, file: Path):
        self.name, self._file = str(file), file
        self.schema, self.rows = self._batches[0], [len(batch) for batch in self._batches[1]]

    def read(self, group: int, columns: list[str]) -> pa.Table:
        batch = self._batches[1][group]
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            raise ValueError(f"{self.name} is damaged: {error}") from error
        tops = dict.fromkeys(name.partition(".")[0] for name in columns)
        return pa.Table.from_batches([batch]).select(list(tops))

    @cached_property
    def _batches(self) -> tuple[pa.Schema, list[pa.RecordBatch]]:
        with pa.ipc.open_stream(pa.memory_map(str(self._file))) as reader:
            return reader.schema, list(reader)


def parts_in(folder: Path) -> Iterator[Path]:
    """The files of a table that lie in a folder, in the order of their paths.

    Hidden ones are left out, and what `datasets` keeps beside them of what somebody else computed.
    """
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", COMPUTED)) for part in inside.parts)
        if path.suffix.lower() in (PARQUET, ARROW) and not hidden:
            yield path
