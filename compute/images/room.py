"""Room in memory for decoded pictures: whoever would need more than is left waits until others have done."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

BYTES = 1024 * 1024 * 1024
"""Of all pictures that are decoded at a time, of all threads together."""

A_PIXEL = 5
"""Bytes that a pixel takes while its picture is made smaller: 3 or 4 of its own, and those of copies."""


class Room:
    """A number of bytes that threads share. One that needs more than there are has them all to itself."""

    def __init__(self, size: int):
        self._size, self._taken = size, 0
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """Hold so many bytes, once they are free. Not to be nested: two threads could wait for each other."""
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


DECODED = Room(BYTES)


def decoded_size(data: bytes) -> int:
    """Return about how many bytes the picture in a file's bytes takes once it is decoded.

    What is no picture, such as an array, is taken to be as large as its file.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return A_PIXEL * image.width * image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return len(data)
