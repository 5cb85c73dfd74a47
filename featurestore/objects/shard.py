"""A Parquet file in object storage, read by ranges: its footer, then the columns that are asked for.

The manifest's CRC-32 of the footer and of each column of each row group tells of every range whether it is
right, wherever it comes from, so that what is kept on disk (`featurestore.objects.parts`) is never trusted. A
range is kept by the file's SHA-256 and its place in it: a file of the same bytes is the same file, in
whichever run and store.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import Damaged
from featurestore.files.shard import MAGIC, Range, footer_of, naming, open_parquet, ranges_of
from featurestore.manifest import FileEntry
from featurestore.objects import parts
from featurestore.objects.path import ObjectPath

GAP = 128 << 10
"""Bytes between two ranges that are fetched along rather than asking twice."""

AT_ONCE = 8
"""Requests of one reader."""


class ObjectShard:
    """As `shard.Shard`, of an object. Raises Damaged, naming the place, and Unavailable."""

    def __init__(self, path: ObjectPath, entry: FileEntry):
        self.path, self.entry = path, entry
        self._lock = threading.Lock()
        self._source: pa.NativeFile | None = None
        (footer,) = self._fetch([footer_of(entry)]).values()
        with naming(path, "the footer"):
            self._metadata = pq.read_metadata(pa.BufferReader(MAGIC + footer))
            self.schema = open_parquet(pa.BufferReader(MAGIC), self._metadata).schema_arrow

    def read_group(self, group: int, columns: list[str] | None = None) -> pa.Table:
        image = self._image(self._ranges(group, columns))
        with naming(self.path, f"row group {group}"):
            parquet = open_parquet(image, self._metadata)
            return parquet.read_row_group(group, columns=columns, use_threads=False)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        groups = range(len(self.entry.row_groups))
        image = self._image(each for group in groups for each in self._ranges(group, columns))
        with naming(self.path, "a row group"):
            return open_parquet(image, self._metadata).read(columns=columns)

    def ranges(self) -> list[Range]:
        """As `Shard.ranges`."""
        groups = range(len(self.entry.row_groups))
        return [*(each for group in groups for each in self._ranges(group, None)), footer_of(self.entry)]

    def fetch(self, wanted: Range) -> bytes:
        """As `Shard.fetch`."""
        return self._fetch([wanted])[wanted]

    def _ranges(self, group: int, columns: list[str] | None) -> Iterator[Range]:
        return ranges_of(self._metadata, self.entry, group, columns)

    def _image(self, ranges: Iterable[Range]) -> pa.BufferReader:
        """The file with nothing but these ranges in it; memory that isn't written to takes none."""
        image = np.empty(self.entry.bytes, np.uint8)
        for each, content in self._fetch(list(ranges)).items():
            image[each.start : each.stop] = np.frombuffer(content, np.uint8)
        return pa.BufferReader(image)

    def _fetch(self, ranges: list[Range]) -> dict[Range, bytes]:
        """From this machine's disk, else from the object. One thread at a time asks for it: what the first
        one fetches, the others find.
        """
        found = self._kept(ranges)
        if len(found) == len(ranges):
            return found
        with self._lock:
            found |= self._kept(each for each in ranges if each not in found)
            for together in _joined(each for each in ranges if each not in found):
                for each, content in self._request(together):
                    parts.put(self._name(each), content)
                    found[each] = content
        return found

    def _kept(self, ranges: Iterable[Range]) -> dict[Range, bytes]:
        found = {}
        for each in ranges:
            content = parts.get(self._name(each), each.is_right)
            if content is not None:
                found[each] = content
        return found

    def _request(self, together: list[Range]) -> Iterator[tuple[Range, bytes]]:
        start, stop = together[0].start, together[-1].stop
        with naming(self.path, together[0].what):
            content = memoryview(self._read_at(start, stop - start))
        for each in together:
            part = bytes(content[each.start - start : each.stop - start])
            with naming(self.path, each.what):
                if not each.is_right(part):
                    raise Damaged("checksum differs")
            yield each, part

    def _read_at(self, start: int, length: int) -> bytes:
        """The object is opened when first needed; and again after an error, when it may have been mended."""
        source, self._source = self._source, None
        if source is None:
            source = self.path.bucket.open(self.path.key)
            if source.size() != self.entry.bytes:
                raise Damaged(f"it has {source.size()} bytes, not {self.entry.bytes}")
        with self.path.bucket.connection.explained(str(self.path)):
            content = source.read_at(length, start)
        self._source = source
        return content

    def _name(self, each: Range) -> str:
        return f"{self.entry.sha256}-{each.start}-{each.length}"


def _joined(ranges: Iterable[Range]) -> list[list[Range]]:
    """Those that lie close together, to be fetched at once."""
    found: list[list[Range]] = []
    for each in sorted(set(ranges)):
        if found and each.start - found[-1][-1].stop <= GAP:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def at_once(read: Callable, items: Iterable) -> Iterator:
    """As `map`, in order, some at a time: most of the time of each is waiting for the server."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) == AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
