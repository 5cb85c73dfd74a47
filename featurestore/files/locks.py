"""Locks on files and folders: shared by who uses them, claimed by who clears them away.

A run's folder is shared by its readers and writers, a temporary file by its writer. The kernel drops a lock
with the process that holds it, so none is ever left over. Where the file system has no such locks (NFS),
those who share go on without one, and nothing can be claimed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def shared(folder: Path) -> int:
    """Return a descriptor of the folder with a shared lock, which ends with its `os.close`.

    It waits while the folder is claimed. FileNotFoundError where there is no such folder, or where it was
    just removed.
    """
    while True:
        descriptor = opened(folder)
        share(descriptor)
        if _is_still(descriptor, folder):
            return descriptor
        os.close(descriptor)


def opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def share(descriptor: int) -> None:
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)


def claim(descriptor: int) -> bool:
    """Return whether nobody else has a lock; then it is this descriptor's alone, until its close."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Yield whether nobody else has a lock on the folder; then nobody gets one before the block ends."""
    descriptor = opened(folder)
    try:
        yield claim(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Wait for all others that are in such a block about the folder. Nobody may be sharing a lock on it."""
    descriptor = opened(folder)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_still(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except FileNotFoundError:
        return False
