"""A run's features as a file that is mapped into memory: `<store>/cache/<fingerprint>/features.f32`, of a
store in object storage in a folder of this machine (`places.beside`).

The Parquet stays the truth. The cache is made from it when first asked for, and again whenever it is not the
one made from these very files; deleting it loses nothing. Where it can't be written (a read-only store, a
full disk), the Parquet is read instead.

The file: N x D little-endian float32, row i of image i; then JSON {shape, made_from: {Parquet file: SHA-256},
blocks: CRC-32 of each MiB}; then the CRC-32 and the length of that JSON, and MAGIC. It appears by a rename,
whole or not at all.

What is checked. At opening: MAGIC, size, the JSON, that the digests are those of the manifest, and the
checksums of SAMPLE blocks drawn anew each time: all of a file of up to SAMPLE MiB, so that one flipped bit
in a greater one may go unseen then. `faults` (`python -m featurestore verify`) compares every byte with the
Parquet.
"""

import fcntl
import json
import os
import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from featurestore.errors import Damaged
from featurestore.files.atomic import make_folder, publish
from featurestore.layout import CACHE, TEMPORARY
from featurestore.places import beside
from featurestore.reader import Run

FILE = "features.f32"
MAGIC = b"FSVEC\x00\x00\x01"
TAIL = struct.Struct("<II8s")
BLOCK_BYTES = 1 << 20
SAMPLE = 16


def cache_path(run: Run) -> Path:
    return beside(run.folder.parents[1]) / CACHE / run.fingerprint / FILE


def features(run: Run) -> np.ndarray:
    """(N, D) float32 as `Run.features`, read-only; mapped from the cache, which is made where need be."""
    if "features" not in run.tables():
        return run.features()
    path = cache_path(run)
    with suppress(Damaged, OSError):
        return _opened(path, run)
    try:
        make_folder(path.parent)
        with _building(path.parent):
            return _made(path, run)
    except OSError:
        return run.features()


def faults(run: Run) -> list[str]:
    """What is wrong with the run's cache, every byte compared; empty where all is well or there is none."""
    path = cache_path(run)
    if not path.exists():
        return []
    try:
        vectors, start = _opened(path, run), 0
        for block in run.feature_blocks():
            if block.tobytes() != vectors[start : start + len(block)].tobytes():
                raise Damaged(f"rows {start} to {start + len(block) - 1} differ from the Parquet")
            start += len(block)
    except (Damaged, OSError) as error:
        return [f"{error}; delete it, it is made anew when needed"]
    return []


def _made(path: Path, run: Run) -> np.ndarray:
    try:
        return _opened(path, run)  # by another process, while this one waited
    except (Damaged, OSError):
        publish(path, lambda file: _write(file, run))
    try:
        return _opened(path, run)
    except Damaged as error:
        raise OSError(f"{path} is not what was just written: {error}") from error


def _write(file: BinaryIO, run: Run) -> None:
    checksums, rows, width, pending = [], 0, 0, b""
    for block in run.feature_blocks():
        rows, width = rows + len(block), block.shape[1]
        pending += block.astype("<f4", copy=False).tobytes()
        while len(pending) >= BLOCK_BYTES:
            checksums.append(_put(file, pending[:BLOCK_BYTES]))
            pending = pending[BLOCK_BYTES:]
    if pending:
        checksums.append(_put(file, pending))
    footer = json.dumps({"shape": [rows, width], "made_from": _made_from(run), "blocks": checksums}).encode()
    file.write(footer + TAIL.pack(zlib.crc32(footer), len(footer), MAGIC))


def _put(file: BinaryIO, data: bytes) -> int:
    file.write(data)
    return zlib.crc32(data)


def _opened(path: Path, run: Run) -> np.ndarray:
    """Damaged where the file is not a cache of these features, FileNotFoundError where there is none."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise Damaged("it is no file")
    with open(path, "rb") as file:
        footer, size = _read_footer(file)
        shape = tuple(footer["shape"])
        if footer["made_from"] != _made_from(run):
            raise Damaged("it was made from other Parquet files")
        if size != 4 * shape[0] * shape[1] or len(footer["blocks"]) != -(-size // BLOCK_BYTES):
            raise Damaged(f"it has {size} bytes of vectors, not those of {shape}")
        _check_sample(file, footer["blocks"], size)
        if size == 0:
            return run.features()
        return np.asarray(np.memmap(file, "<f4", "r", shape=shape))


def _read_footer(file: BinaryIO) -> tuple[dict, int]:
    """The JSON behind the vectors, and the bytes of the vectors."""
    end = os.fstat(file.fileno()).st_size
    if end < TAIL.size:
        raise Damaged("it is cut off")
    checksum, length, magic = TAIL.unpack(os.pread(file.fileno(), TAIL.size, end - TAIL.size))
    start = end - TAIL.size - length
    if magic != MAGIC or start < 0:
        raise Damaged("its end is not that of a cache")
    footer = os.pread(file.fileno(), length, start)
    if zlib.crc32(footer) != checksum:
        raise Damaged("the checksum of its description differs")
    return json.loads(footer), start


def _check_sample(file: BinaryIO, checksums: list[int], size: int) -> None:
    for block in random.sample(range(len(checksums)), min(SAMPLE, len(checksums))):
        start = block * BLOCK_BYTES
        data = os.pread(file.fileno(), min(BLOCK_BYTES, size - start), start)
        if zlib.crc32(data) != checksums[block]:
            raise Damaged(f"the checksum of bytes {start} to {start + len(data) - 1} differs")


def _made_from(run: Run) -> dict[str, str]:
    return {name: run.manifest.files[name].sha256 for name in run.manifest.table_files("features")}


@contextmanager
def _building(folder: Path) -> Iterator[None]:
    """One builder at a time; it first clears away what killed ones left.

    Where the file system has no locks, builders may work at once (the last rename stays, of equal bytes), and
    left-overs stay too.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for left_over in folder.glob(f"{TEMPORARY}*"):
                left_over.unlink()
        yield
    finally:
        os.close(descriptor)
