"""A table of a run as an Arrow dataset: only the columns that a scan asks for are read, each one checked."""

import io
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property

import pyarrow as pa
import pyarrow.dataset as ds

from featurestore.files.shard import Range, Shard
from featurestore.objects.shard import ObjectShard
from featurestore.reader import Run

Opener = Callable[[], Shard | ObjectShard]

WITH_CHECKSUMS = ds.ParquetFragmentScanOptions(pre_buffer=False, page_checksum_verification=True)


def lazy_table(run: Run, name: str) -> ds.FileSystemDataset:
    """Return a table as a dataset; NotComputed where the run has none.

    What is wrong with its bytes is an OSError of the scan, whose text names the place.
    """
    openers = run.shards(name)
    parquet = ds.ParquetFileFormat(default_fragment_scan_options=WITH_CHECKSUMS)
    fragments = [parquet.make_fragment(pa.PythonFile(CheckedFile(opener), "r")) for opener in openers]
    return ds.FileSystemDataset(fragments, openers[0]().schema, parquet)


class CheckedFile(io.RawIOBase):
    """A file of a run, of which every part is compared with the manifest's checksum before it is given.

    Between the parts, where nothing is that anybody reads, it has zeros.
    """

    def __init__(self, opener: Opener):
        """opener: opens the file's shard; it is called anew for each read, so that few files are open."""
        self._opener, self._at = opener, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        start = self._at
        stop = self._size if size < 0 else min(start + size, self._size)
        content = bytearray(max(0, stop - start))
        for part in self._within(start, stop):
            checked = self._opener().fetch(part)
            low, high = max(start, part.start), min(stop, part.stop)
            content[low - start : high - start] = checked[low - part.start : high - part.start]
        self._at = start + len(content)
        return bytes(content)

    @cached_property
    def _size(self) -> int:
        return self._opener().entry.bytes

    @cached_property
    def _parts(self) -> list[Range]:
        return sorted(self._opener().ranges())

    def _within(self, start: int, stop: int) -> list[Range]:
        """Return the parts that a range of bytes has any of."""
        first = max(0, bisect_right(self._parts, start, key=lambda part: part.start) - 1)
        parts = []
        for part in self._parts[first:]:
            if part.start >= stop:
                break
            if part.stop > start:
                parts.append(part)
        return parts
