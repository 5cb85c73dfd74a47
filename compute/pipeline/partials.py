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
from featurestore.writer import RunWriter

FOLDER = "partials"
"""Within the run's."""


class Partials:
    """Arrays by name, shared by all processes that are at the run, on whichever machine."""

    def __init__(self, writer: RunWriter | ObjectRunWriter):
        self._writer = writer
        self._folder: Path = writer.folder / FOLDER

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
        """Return an array of this machine as a mapped file, which `write` makes where it isn't there.

        Writing to the array leaves the file as it is.
        """
        _ = self._sharing
        path = self._folder / f"{name}.npy"
        if not path.is_file():
            publish(path, write)
        return np.load(path, mmap_mode="c", allow_pickle=False)

    def remove(self) -> None:
        """Remove all, unless another process is at this run: it may still need them, and removes them
        itself."""
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


def _file(name: str) -> str:
    """Within the run's folder."""
    return f"{FOLDER}/{name}.npz"
