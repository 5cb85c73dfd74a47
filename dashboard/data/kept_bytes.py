"""What is kept in memory up to a number of bytes: those asked for longest ago go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

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
