"""One Parquet file of a run, read with every byte checked.

Parquet's page checksums cover the pages' data, but neither their headers nor the footer. The manifest's
CRC-32 of each column of each row group and of the footer close that gap: they are compared when a part is
first read, page checksums each time.
"""

import hashlib
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import Damaged
from featurestore.manifest import FileEntry, RowGroup
from featurestore.places import Place, open_source

MAGIC = b"PAR1"
REPAIR = "`python -m featurestore verify STORE` lists all damage, `make store STORE=...` recomputes it"


class Range(NamedTuple):
    """Bytes of a file that are read together.

    crc: CRC-32, as the manifest says it
    what: part of the file, for people
    """

    start: int
    length: int
    crc: str
    what: str

    @property
    def stop(self) -> int:
        return self.start + self.length

    def is_right(self, content: bytes) -> bool:
        return len(content) == self.length and f"{zlib.crc32(content):08x}" == self.crc


class Shard:
    """An open shard, safe to share between threads.

    Its handle stays valid when the file is replaced or deleted; what is damaged is opened anew once it was
    replaced, since that has mended it.
    """

    def __init__(self, path: Place, entry: FileEntry):
        self.path, self.entry = path, entry
        self._lock = threading.Lock()
        self._open()
        self.schema = self._file.schema_arrow

    def read_group(self, group: int, columns: list[str] | None = None) -> pa.Table:
        """Rows of one row group. Damaged names the file, the row group and, where known, the column."""

        def rows() -> pa.Table:
            self._check_group(group, columns)
            with naming(self.path, f"row group {group}"):
                return self._file.read_row_group(group, columns=columns, use_threads=False)

        with self._lock:
            return self._mended(rows)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """All rows, through a handle of its own: look-ups beside it do not wait."""

        def rows() -> pa.Table:
            for group in range(len(self.entry.row_groups)):
                self._check_group(group, columns)
            with naming(self.path, "a row group"):
                return open_parquet(self._source, self._file.metadata).read(columns=columns)

        return self._mended(rows)

    def ranges(self) -> list[Range]:
        """All that is ever read of the file: every column of every row group, and the footer."""
        groups = range(len(self.entry.row_groups))
        columns = (each for group in groups for each in ranges_of(self._file.metadata, self.entry, group))
        return [*columns, footer_of(self.entry)]

    def fetch(self, wanted: Range) -> bytes:
        """The bytes of one of `ranges`, checked."""
        content = self._source.read_at(wanted.length, wanted.start)
        with naming(self.path, wanted.what):
            if not wanted.is_right(content):
                raise Damaged("checksum differs")
        return content

    def _open(self) -> None:
        self._verified: set[tuple[int, int]] = set()
        with naming(self.path, "the footer"):
            self._inode = _inode(self.path)
            self._source = open_source(self.path)
            self._check_ends()
            self._file = open_parquet(self._source)

    def _mended(self, read: Callable[[], pa.Table]) -> pa.Table:
        try:
            return read()
        except Damaged:
            if _inode(self.path) in (None, self._inode):
                raise
        self._open()
        return read()

    def _check_ends(self) -> None:
        size = self._source.size()
        if size != self.entry.bytes:
            raise Damaged(f"it has {size} bytes, not {self.entry.bytes}")
        head = self._source.read_at(len(MAGIC), 0)
        if head != MAGIC or _crc(self._source, size - self.entry.footer_bytes, size) != self.entry.footer:
            raise Damaged("checksum differs")

    def _check_group(self, group: int, columns: list[str] | None) -> None:
        metadata = self._file.metadata.row_group(group)
        for leaf in range(metadata.num_columns):
            chunk = metadata.column(leaf)
            if columns is not None and chunk.path_in_schema.split(".")[0] not in columns:
                continue
            if (group, leaf) in self._verified:
                continue
            with naming(self.path, f"row group {group}, column {chunk.path_in_schema}"):
                if _chunk_crc(self._source, chunk) != self.entry.row_groups[group].checksums[leaf]:
                    raise Damaged("checksum differs")
            self._verified.add((group, leaf))


def ranges_of(
    metadata: pq.FileMetaData, entry: FileEntry, group: int, columns: list[str] | None = None
) -> Iterator[Range]:
    """Yield where in the file the columns of a row group are; all of them without `columns`."""
    checksums, described = entry.row_groups[group].checksums, metadata.row_group(group)
    for leaf in range(described.num_columns):
        chunk = described.column(leaf)
        if columns is None or chunk.path_in_schema.split(".")[0] in columns:
            what = f"row group {group}, column {chunk.path_in_schema}"
            yield Range(chunk_start(chunk), chunk.total_compressed_size, checksums[leaf], what)


def footer_of(entry: FileEntry) -> Range:
    return Range(entry.bytes - entry.footer_bytes, entry.footer_bytes, entry.footer, "the footer")


def describe(path: Place, keys: tuple[str, ...]) -> FileEntry:
    """The manifest's entry of a file as it lies on disk, all its pages read and verified on the way.

    `keys` are the table's sort keys, of which the first and the last of each row group are kept.
    """
    with naming(path, "as a whole"), open_source(path) as source:
        file = open_parquet(source)
        groups = tuple(_describe_group(source, file, group, keys) for group in range(file.num_row_groups))
        size = source.size()
        footer_bytes = int.from_bytes(source.read_at(4, size - 8), "little") + 8
        footer = _crc(source, size - footer_bytes, size)
    return FileEntry(size, sha256(path), footer_bytes, footer, groups)


def sha256(path: Place) -> str:
    if not isinstance(path, Path):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def naming(path: Place, part: str) -> Iterator[None]:
    """Damaged, naming the place, for whatever Arrow says of broken bytes."""
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, Damaged) as error:
        raise Damaged(f"{path}, {part}: {error}; {REPAIR}") from error


def _inode(path: Place) -> int | None:
    """What tells a file from one that replaces it; None where there is none, or no folder."""
    return path.stat().st_ino if isinstance(path, Path) and path.exists() else None


def _describe_group(
    source: pa.NativeFile, file: pq.ParquetFile, group: int, keys: tuple[str, ...]
) -> RowGroup:
    rows = file.read_row_group(group)
    metadata = file.metadata.row_group(group)
    checksums = tuple(_chunk_crc(source, metadata.column(leaf)) for leaf in range(metadata.num_columns))
    first, last = (tuple(rows[key][at].as_py() for key in keys) for at in (0, len(rows) - 1))
    return RowGroup(len(rows), first, last, checksums)


def open_parquet(source: pa.NativeFile, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """Its pages' checksums are verified on every read."""
    return pq.ParquetFile(source, metadata=metadata, pre_buffer=False, page_checksum_verification=True)


def chunk_start(chunk: pq.ColumnChunkMetaData) -> int:
    """Offset in the file of a column of a row group; it has total_compressed_size bytes."""
    start = chunk.data_page_offset
    return min(start, chunk.dictionary_page_offset) if chunk.has_dictionary_page else start


def _chunk_crc(source: pa.NativeFile, chunk: pq.ColumnChunkMetaData) -> str:
    start = chunk_start(chunk)
    return _crc(source, start, start + chunk.total_compressed_size)


def _crc(source: pa.NativeFile, start: int, stop: int) -> str:
    return f"{zlib.crc32(source.read_at(stop - start, start)):08x}"
