"""Files that are either wholly there or not at all, also after a power cut."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .layout import TEMPORARY


def publish(path: Path, write: Callable[[BinaryIO], object], scratch: Path | None = None) -> None:
    """Write to a temporary name, fsync, rename to `path`, fsync the folder.

    `write` gets the open file. Whatever it raises (a full disk) leaves `path` as it was. The temporary file
    lies in the folder `scratch`, on the same file system; without one, beside `path`.
    """
    temporary = (scratch or path.parent) / f"{TEMPORARY}{path.name}-{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, each one durable."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
