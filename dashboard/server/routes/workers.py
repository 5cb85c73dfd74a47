"""The threads in which routes do their work, so that no request waits for a costlier one of another kind."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Value = TypeVar("Value")


class Busy(Exception):
    """As many requests wait for these threads as may wait."""


class Workers:
    """Threads for the requests of one kind; the event loop does none of their work.

    They are daemons, unlike those of Python's own pool: the server ends without waiting for what they draw.
    """

    def __init__(self, name: str, threads: int, most: int):
        """Open the threads; they start with the first requests.

        most: requests that may be at work or wait.
        """
        self._name, self._threads, self._most = name, threads, most
        self._asked: SimpleQueue[tuple[Future, Callable[[], object]]] = SimpleQueue()
        self._lock, self._started, self._pending = threading.Lock(), 0, 0

    async def run(self, work: Callable[[], Value]) -> Value:
        """Do the work in one of the threads and return what it returns; Busy where too many wait."""
        with self._lock:
            if self._pending >= self._most:
                raise Busy
            self._pending += 1
            if self._started < min(self._threads, self._pending):
                self._started += 1
                threading.Thread(target=self._serve, name=f"routes, {self._name}", daemon=True).start()
        done: Future[Value] = Future()
        self._asked.put((done, work))
        return await asyncio.wrap_future(done)

    def _serve(self) -> None:
        while True:
            done, work = self._asked.get()
            # Not where whoever asked has hung up before its turn.
            if done.set_running_or_notify_cancel():
                try:
                    done.set_result(work())
                except BaseException as error:
                    done.set_exception(error)
            with self._lock:
                self._pending -= 1
            del done, work


LIGHT = Workers("light", threads=16, most=2048)
"""For what is read at a place that is known: a thumbnail, a caption, a bundle."""

COSTLY = Workers("costly", threads=2, most=512)
"""For what goes through all images of a run, or draws a tile."""

DRAWING = Workers("drawing", threads=1, most=32)
"""For whole grids, which take seconds and hundreds of megabytes each; who asks next finds it kept."""
