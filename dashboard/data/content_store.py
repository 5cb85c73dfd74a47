"""Contents that are too large for a link, which names them by their hash, such as selections.

They are kept in memory, so such a link opens while the server runs and has not needed the room for others;
with a folder on disk such a link opens after a restart as well.
"""

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from featurestore.files.disk_cache import DiskCache

log = logging.getLogger(__name__)

Value = TypeVar("Value")

OVERHEAD = 1024
"""Bytes that one takes beside its content, so that many small ones are as many as they are."""


class KeptBytes(Generic[Value]):
    """Values by what names them; thread-safe. The cost of a new one doesn't depend on how many there are."""

    def __init__(self, most_bytes: int, size: Callable[[Value], int] = len):
        """most_bytes: of all together. What alone is larger is not kept."""
        self._most, self._size, self._bytes = most_bytes, size, 0
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, name: Hashable) -> Value | None:
        """Return the value of this name; None where none is kept."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
            return self._values.get(name)

    def put(self, name: Hashable, value: Value) -> None:
        """Keep a value under its name."""
        if self._taken(value) > self._most:
            return
        with self._lock:
            self._drop(name)
            self._values[name] = value
            self._bytes += self._taken(value)
            while self._bytes > self._most:
                self._drop(next(iter(self._values)))

    def remove(self, name: Hashable) -> None:
        """Let go of a value; nothing where it is not kept."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: Hashable) -> None:
        if name in self._values:
            self._bytes -= self._taken(self._values.pop(name))

    def _taken(self, value: Value) -> int:
        return self._size(value) + OVERHEAD


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


def name_of_images(image_ids: np.ndarray) -> str:
    """Return what a view calls a selection of images (n,), sorted, each once; "" for no image."""
    return name_of(np.asarray(image_ids, "<i8").tobytes()) if len(image_ids) else ""
