"""What is kept of an unfinished run beside its tables: files that later stages merge, removed at the end."""

import io
import os
import shutil
import weakref
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from featurestore.files import locks
from featurestore.files.atomic import make_folder, publish
from featurestore.objects.writer import ObjectRunWriter
from featurestore.writing.run_writer import RunWriter

FOLDER = "partials"
"""Within the run's."""

READ_AT_ONCE = 1 << 24
"""Bytes."""


class Partials:
    """Arrays by name, shared by all processes that are at the run, on whichever machine."""

    def __init__(self, writer: RunWriter | ObjectRunWriter):
        self._writer = writer
        self._folder: Path = writer.folder / FOLDER
        self._mapped: dict[str, np.ndarray] = {}

    def has(self, name: str) -> bool:
        """Return whether they are there and sound: damaged ones are made again."""
        _ = self._sharing
        try:
            with zipfile.ZipFile(self._writer.take(_file(name))) as archive:
                return archive.testzip() is None
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
            return False

    def write(self, name: str, arrays: dict[str, Any]) -> None:
        """Keep arrays, each under a name of its own; texts are arrays too."""
        _ = self._sharing
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        publish(self._writer.folder / _file(name), lambda file: file.write(buffer.getbuffer()))
        self._writer.give(_file(name))

    def read(self, name: str) -> Any:
        """Open arrays that are there: a context, within which they are taken by their names."""
        return np.load(self._writer.take(_file(name)), allow_pickle=False)

    def mapped(self, name: str, write: Callable[[IO[bytes]], Any]) -> np.ndarray:
        """Return an array of this machine as a mapped file, which `write` makes where it isn't there or is
        damaged.

        Writing to the array leaves the file as it is.
        """
        _ = self._sharing
        if name not in self._mapped:
            path = self._folder / f"{name}.npy"
            if not _is_sound(path):
                publish(path, lambda file: _write_with_checksum(file, write))
            self._mapped[name] = np.load(path, mmap_mode="c", allow_pickle=False)
        return self._mapped[name]

    def remove(self) -> None:
        """Remove all, unless another process is at this run: it may still need them, and removes them
        itself."""
        self._mapped.clear()
        self._writer.take_back(FOLDER)
        if not self._folder.is_dir():
            return
        self._sharing()
        with suppress(FileNotFoundError), locks.claimed(self._folder) as alone:
            if alone:
                shutil.rmtree(self._folder)

    @cached_property
    def _sharing(self) -> weakref.finalize:
        """The lock on the folder; ends when called, or with this object."""
        while True:
            make_folder(self._folder)
            with suppress(FileNotFoundError):
                return weakref.finalize(self, os.close, locks.shared(self._folder))


class _Summed:
    """A file that is written from its beginning to its end, with the CRC-32 of what was written so far."""

    def __init__(self, file: IO[bytes]):
        self._file, self.checksum = file, 0
        self.tell = file.tell

    def write(self, data: bytes) -> int:
        self.checksum = zlib.crc32(data, self.checksum)
        return self._file.write(data)


def _write_with_checksum(file: IO[bytes], write: Callable[[Any], Any]) -> None:
    """Four bytes behind the array, where none who reads it looks."""
    summed = _Summed(file)
    write(summed)
    file.write(summed.checksum.to_bytes(4, "little"))


def _is_sound(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            left, checksum = os.fstat(file.fileno()).st_size - 4, 0
            while left > 0 and (data := file.read(min(left, READ_AT_ONCE))):
                checksum = zlib.crc32(data, checksum)
                left -= len(data)
            return left == 0 and file.read() == checksum.to_bytes(4, "little")
    except FileNotFoundError:
        return False


def _file(name: str) -> str:
    """Within the run's folder."""
    return f"{FOLDER}/{name}.npz"
