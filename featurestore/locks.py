"""Locks on a run's folder: shared by who reads or writes the run, whole by who clears something away.

The kernel drops a lock with the process that holds it, so none is ever left over. Where the file system has no
locks on folders (NFS), those who share go on without one, and nobody gets a folder to himself.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def shared(folder: Path) -> int:
    """Descriptor of the folder with a shared lock, which ends with its `os.close`; waits while it is claimed.

    FileNotFoundError where there is no such folder, or where it was just removed.
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
    """Whether nobody else has a lock; the folder is this descriptor's alone then, until `share` or its close.

    A lock that it shared before may be lost where this is False: `share` again.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still(descriptor, folder):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder))
    except FileNotFoundError:
        return False
