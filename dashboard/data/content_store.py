"""Things that a link names by a hash, being too large for it: uploaded images, selections of many images.

They are kept in memory, so such a link opens while the server runs and has not needed the room for others;
with a shelf they are on disk too, and such a link opens after a restart as well.
"""

import hashlib
import logging
import re
import threading
from collections import OrderedDict

from dashboard.data.disk_cache import Shelf

log = logging.getLogger(__name__)

KEPT_BYTES = 128 * 1024 * 1024


class Kept:
    """Contents by their hash; thread-safe. The ones used longest ago go first.

    kind: what they are, for people, such as "the uploaded image". shelf: where they are on disk, if they are.
    """

    def __init__(self, kind: str, kept_bytes: int = KEPT_BYTES, shelf: Shelf | None = None):
        self._kind, self._kept_bytes, self._shelf = kind, kept_bytes, shelf
        self._lock = threading.Lock()
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def add(self, content: bytes) -> str:
        """The name under which links carry it."""
        name = _name(content)
        self._remember(name, content)
        try:
            if self._shelf is not None:
                self._shelf.write(name, lambda file: file.write(content))
        except OSError as error:
            log.warning("%s is kept in memory alone: %s", self._kind, error)
        return name

    def read(self, name: str) -> bytes:
        """ValueError where it is not kept any more."""
        with self._lock:
            if name in self._contents:
                self._contents.move_to_end(name)
                return self._contents[name]
        # A link's text becomes a part of a path only where it is a name of ours.
        content = self._shelf.read(name) if self._shelf is not None and _NAME.fullmatch(name) else None
        if content is None or _name(content) != name:
            raise ValueError(f"{self._kind} of this link is no longer kept by the server; make it again")
        self._shelf.touch(name)
        self._remember(name, content)
        return content

    def remove(self, name: str) -> None:
        """From memory; a shelf keeps it."""
        with self._lock:
            self._contents.pop(name, None)

    def _remember(self, name: str, content: bytes) -> None:
        with self._lock:
            self._contents[name] = content
            self._contents.move_to_end(name)
            while sum(map(len, self._contents.values())) > self._kept_bytes and len(self._contents) > 1:
                self._contents.popitem(last=False)


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


_NAME = re.compile(r"[0-9a-f]{16}")
