"""Contents that are too large for a link, which names them by their hash, such as selections.

They are kept in memory, so such a link opens while the server runs and has not needed the room for others;
with a folder on disk such a link opens after a restart as well.
"""

import hashlib
import logging
import re

from dashboard.data.kept_bytes import KeptBytes
from featurestore.files.disk_cache import DiskCache

log = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{16}")


class ContentStore:
    """Contents by their hash; thread-safe. The least recently used ones are removed first."""

    def __init__(self, kind: str, memory: KeptBytes[bytes], disk: DiskCache | None = None):
        """Open a store.

        kind: what the contents are, for people, such as "the selection".
        memory: where they are kept in memory.
        disk: where they are kept on disk too, if they are.
        """
        self._kind, self._memory, self._disk = kind, memory, disk

    def add(self, content: bytes) -> str:
        """Keep a content and return the name by which links carry it."""
        name = name_of(content)
        self._memory.put(name, content)
        try:
            if self._disk is not None:
                self._disk.put(name, content)
        except OSError as error:
            log.warning("%s is kept in memory alone: %s", self._kind, error)
        return name

    def read(self, name: str) -> bytes:
        """Return the content of this name. ValueError where it is not kept any more."""
        if (content := self._memory.get(name)) is not None:
            return content
        # A link's text becomes a part of a path only where it is a name of ours.
        if self._disk is not None and _NAME.fullmatch(name):
            content = self._disk.get(name, lambda found: name_of(found) == name)
        if content is None:
            raise ValueError(f"{self._kind} of this link is no longer kept by the server; make it again")
        self._memory.put(name, content)
        return content


def name_of(content: bytes) -> str:
    """Return the name by which links carry a content: it says what it names."""
    return hashlib.sha256(content).hexdigest()[:16]
