"""Contents that are too large for a link, which names them by their hash: uploaded images, selections.

They are kept in memory, so such a link opens while the server runs and has not needed the room for others;
with a folder on disk such a link opens after a restart as well.
"""

import hashlib
import logging
import re
import threading
from collections import OrderedDict

from featurestore.files.disk_cache import DiskCache

log = logging.getLogger(__name__)

MEMORY_BYTES = 128 * 1024 * 1024

_NAME = re.compile(r"[0-9a-f]{16}")


class ContentStore:
    """Contents by their hash; thread-safe. The least recently used ones are removed first."""

    def __init__(self, kind: str, memory_bytes: int = MEMORY_BYTES, disk: DiskCache | None = None):
        """Open a store.

        kind: what the contents are, for people, such as "the uploaded image".
        memory_bytes: of all contents in memory together; the newest one stays, however large it is.
        disk: where they are kept on disk too, if they are.
        """
        self._kind, self._memory_bytes, self._disk = kind, memory_bytes, disk
        self._lock = threading.Lock()
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def add(self, content: bytes) -> str:
        """Keep a content and return the name by which links carry it."""
        name = _name(content)
        self._remember(name, content)
        try:
            if self._disk is not None:
                self._disk.put(name, content)
        except OSError as error:
            log.warning("%s is kept in memory alone: %s", self._kind, error)
        return name

    def read(self, name: str) -> bytes:
        """Return the content of this name. ValueError where it is not kept any more."""
        with self._lock:
            if name in self._contents:
                self._contents.move_to_end(name)
                return self._contents[name]
        # A link's text becomes a part of a path only where it is a name of ours.
        content = None
        if self._disk is not None and _NAME.fullmatch(name):
            content = self._disk.get(name, lambda found: _name(found) == name)
        if content is None:
            raise ValueError(f"{self._kind} of this link is no longer kept by the server; make it again")
        self._remember(name, content)
        return content

    def remove(self, name: str) -> None:
        """Remove a content from memory; what is on disk stays there."""
        with self._lock:
            self._contents.pop(name, None)

    def _remember(self, name: str, content: bytes) -> None:
        with self._lock:
            self._contents[name] = content
            self._contents.move_to_end(name)
            while sum(map(len, self._contents.values())) > self._memory_bytes and len(self._contents) > 1:
                self._contents.popitem(last=False)


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
