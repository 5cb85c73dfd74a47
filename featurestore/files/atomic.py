"""Files that are either wholly there or not at all, also after a power cut."""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from featurestore.errors import NoRoom
from featurestore.files import locks
from featurestore.layout import TEMPORARY


def publish(
    path: Path, write: Callable[[BinaryIO], object], scratch: Path | None = None, durable: bool = True
) -> None:
    """Write to a temporary name, fsync, rename to `path`, fsync the folder.

    `write` gets the open file. Whatever it raises leaves `path` as it was; a full disk is `NoRoom`. The
    temporary file lies in the folder `scratch`, on the same file system; without one, beside `path`. What is
    not `durable` is not fsynced: after a power cut the file may have any content.
    """
    temporary = (scratch or path.parent) / f"{TEMPORARY}{path.name}-{uuid.uuid4().hex}"
    try:
        with _room_for(path), _new_file(temporary) as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            # Still locked, or another process may take it for a left-over.
            os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        fsync_folder(path.parent)


def remove_left_overs(folder: Path) -> None:
    """Remove the temporary files of writers that were killed; those that are being written stay."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_symlink() or not path.is_file():  # no writer's; a pipe would be waited for
            continue
        with suppress(FileNotFoundError), open(path, "rb") as file:
            # Where another one was quicker, the name may be a writer's new file by now.
            if locks.claim(file.fileno()) and os.fstat(file.fileno()).st_nlink:
                path.unlink()


def make_folder(path: Path, private: bool = False) -> None:
    """Make a folder and its parents, each one durable; private ones are closed to other users."""
    if path.is_dir():
        return
    make_folder(path.parent, private)
    with _room_for(path):
        path.mkdir(0o700 if private else 0o777, exist_ok=True)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_file(path: Path) -> BinaryIO:
    """Open for writing and locked, so that it is not taken for a left-over."""
    while True:
        file = open(path, "xb")  # noqa: SIM115 (the caller closes it)
        locks.share(file.fileno())
        if os.fstat(file.fileno()).st_nlink:  # else it was taken for one before it was locked
            return file
        file.close()


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoom(
            error.errno,
            f"No space left on the disk for {path}: make room, then give the same command again; it goes on "
            "where it stopped (`python -m featurestore prune STORE --dry-run` lists old runs that could go)",
        ) from error
