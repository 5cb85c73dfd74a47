"""The threads in which routes do their work, so that no request waits for a costlier one of another kind."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Value = TypeVar("Value")


class Busy(Exception):
    """As many requests wait for these threads as may wait."""


class Workers:
    """Threads for the requests of one kind; the event loop does none of their work."""

    def __init__(self, name: str, threads: int, most: int):
        """Open the threads; they start when they are needed.

        most: requests that may be at work or wait.
        """
        self._threads = ThreadPoolExecutor(threads, f"routes, {name}")
        self._places = threading.BoundedSemaphore(most)

    async def run(self, work: Callable[[], Value]) -> Value:
        """Do the work in one of the threads and return what it returns; Busy where too many wait."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            done = self._threads.submit(work)
        except BaseException:
            self._places.release()
            raise
        # Not when the request ends: whoever hangs up leaves work behind.
        done.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(done)


LIGHT = Workers("light", threads=8, most=512)
"""For what is read at a place that is known: a thumbnail, a caption, a bundle."""

COSTLY = Workers("costly", threads=2, most=128)
"""For what goes through all images of a run, or draws a tile."""

DRAWING = Workers("drawing", threads=1, most=16)
"""For whole grids, which take seconds and hundreds of megabytes each; who asks next finds it kept."""
