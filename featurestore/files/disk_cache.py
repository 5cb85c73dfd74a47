"""Parts of objects, kept on this machine's disk for all stores and all processes together.

Whoever asks says how to tell whether what comes is right, and a damaged part is as if it were not there.
Those used longest ago go once all have more than the limit. Where the disk is full or read-only, nothing is
kept.
"""

import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from featurestore.layout import TEMPORARY

FOLDER, MEGABYTES = "FEATURESCOPE_CACHE", "FEATURESCOPE_CACHE_MB"
"""Variables of the environment: where, and how much of it are parts of objects."""
DEFAULT_MEGABYTES = 4096


def local_root() -> Path:
    """The folder for what lies on this machine of stores in object storage."""
    said = os.environ.get(FOLDER)
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(said) if said else Path(caches).expanduser() / "featurescope"


def limit_bytes() -> int:
    """ValueError where the variable is no number."""
    said = os.environ.get(MEGABYTES, str(DEFAULT_MEGABYTES))
    if not said.isdecimal():
        raise ValueError(f"{MEGABYTES} is {said!r}; it must be a number of megabytes, 0 to keep nothing")
    return int(said) << 20


def parts() -> "Parts":
    """Those of this machine."""
    return _parts(local_root() / "parts", limit_bytes())


@lru_cache(8)
def _parts(folder, limit):
    return Parts(folder, limit)


class Parts:
    """Bytes by name, which is of letters, digits and dashes; thread-safe, and several processes may share a
    folder.
    """

    def __init__(self, folder: Path, limit_bytes: int):
        self.folder, self.limit_bytes = folder, limit_bytes
        self._lock = threading.Lock()
        self._added = limit_bytes

    def get(self, name: str, is_right: Callable[[bytes], bool]) -> bytes | None:
        """None where it isn't there; one that is not right is removed."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        right = is_right(content)
        with suppress(OSError):
            os.utime(path) if right else path.unlink()
        return content if right else None

    def put(self, name: str, content: bytes) -> None:
        if len(content) > self.limit_bytes:
            return
        path = self._path(name)
        temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with suppress(OSError):
            self.folder.parent.mkdir(0o700, parents=True, exist_ok=True)
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            self._make_room(len(content))

    def size(self) -> int:
        """Bytes in all."""
        return sum(size for _, size, _ in self._files())

    def _make_room(self, added):
        """Down to nine tenths; looked at each time that this process has added another tenth."""
        with self._lock:
            self._added += added
            if self._added < self.limit_bytes / 10:
                return
            self._added, files = 0, sorted(self._files())
            left = sum(size for _, size, _ in files)
            for _, size, path in files:
                if left <= 0.9 * self.limit_bytes:
                    return
                with suppress(OSError):
                    os.unlink(path)
                left -= size

    def _files(self):
        """When it was last used, bytes and path of each."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                with suppress(OSError):
                    facts = os.stat(path)
                    yield facts.st_mtime_ns, facts.st_size, path

    def _path(self, name):
        return self.folder / name[:2] / name
