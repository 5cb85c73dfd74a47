"""Things that a link names by a hash, being too large for it: uploaded images, selections of many images.

They are kept in memory, so such a link opens while the server runs and has not needed the room for others.
"""

import hashlib
import threading
from collections import OrderedDict

KEPT_BYTES = 128 * 1024 * 1024


class Kept:
    """Contents by their hash; thread-safe. The ones used longest ago go first.

    kind: what they are, for people, such as "the uploaded image".
    """

    def __init__(self, kind: str, kept_bytes: int = KEPT_BYTES):
        self._kind, self._kept_bytes = kind, kept_bytes
        self._lock = threading.Lock()
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def add(self, content: bytes) -> str:
        """The name under which links carry it."""
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
                raise ValueError(f"{self._kind} of this link is no longer kept by the server; make it again")
            self._contents.move_to_end(name)
            return self._contents[name]
