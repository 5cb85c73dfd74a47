"""Room in memory that threads share: whoever would need more than is left waits until others have done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
