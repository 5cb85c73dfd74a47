"""Images that visitors brought: kept in memory by their content, so that a link to one opens while it is kept."""

import hashlib
import threading
from collections import OrderedDict

from compute.decoding import decode

KEPT_BYTES = 128 * 1024 * 1024


class Uploads:
    """Thread-safe; the ones used longest ago go first."""

    def __init__(self, kept_bytes: int = KEPT_BYTES):
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def add(self, content: bytes) -> str:
        """The name under which links carry it; ValueError where it is no image."""
        decode(content)
        name = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            self._contents[name] = content
            self._contents.move_to_end(name)
            while sum(map(len, self._contents.values())) > self._kept_bytes and len(self._contents) > 1:
                self._contents.popitem(last=False)
        return name

    def read(self, name: str) -> bytes:
        """ValueError where it is not kept any more."""
        with self._lock:
            if name not in self._contents:
                raise ValueError("the uploaded image of this link is no longer kept; upload it again")
            self._contents.move_to_end(name)
            return self._contents[name]
