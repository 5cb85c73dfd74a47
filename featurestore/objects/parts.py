"""Ranges of objects, kept on this machine's disk for all stores and all processes together.

Whoever reads one says how to tell whether it is right, and a damaged one is as if it were not there. Where
the disk is full or read-only, nothing is kept.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from featurestore.files.disk_cache import DiskCache

FOLDER, MEGABYTES = "FEATURESCOPE_CACHE", "FEATURESCOPE_CACHE_MB"
"""Variables of the environment: where, and how much of it are parts of objects."""
DEFAULT_MEGABYTES = 4096

SLACK = 0.1
"""Counting thousands of files takes a while, so it is done once a tenth of the limit has been written."""


def local_root() -> Path:
    """Return the folder for what lies on this machine of stores in object storage."""
    said = os.environ.get(FOLDER)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(said) if said else Path(caches).expanduser() / "featurescope"


def limit_bytes() -> int:
    """Return how much may be kept. ValueError where the variable is no number."""
    said = os.environ.get(MEGABYTES, str(DEFAULT_MEGABYTES))
    if not said.isdecimal():
        raise ValueError(f"{MEGABYTES} is {said!r}; it must be a number of megabytes, 0 to keep nothing")
    return int(said) << 20


def parts() -> DiskCache:
    """Return the cache of this machine."""
    return _parts(local_root() / "parts", limit_bytes())


def get(name: str, is_right: Callable[[bytes], bool]) -> bytes | None:
    """Return a part by its name, of letters, digits and dashes; None where it isn't there or is not right."""
    return parts().get(name, is_right)


def put(name: str, content: bytes) -> None:
    """Keep a part, where the disk lets it be written."""
    with suppress(OSError):
        parts().put(name, content)


@lru_cache(8)
def _parts(folder: Path, limit: int) -> DiskCache:
    return DiskCache(folder, limit, subfolders=True, private=True, durable=False, slack=SLACK)
