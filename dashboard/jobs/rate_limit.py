"""How many live jobs one visitor may start within a minute."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0


class TooManyJobs(ValueError):
    """The queue takes no job of this visitor now; the same may be asked again later."""


class RateLimit:
    """Counts the starts within the last minute by name: a visitor's, and its address where that is known.

    per_minute: starts of one name; 0 for no limit
    clock: seconds, never going back

    Thread-safe.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic):
        self._per_minute, self._clock = per_minute, clock
        self._times: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def take(self, *names: str) -> None:
        """Count one start for all of these names; TooManyJobs, and none counted, where one is used up."""
        if not self._per_minute:
            return
        with self._lock:
            now = self._clock()
            self._forget(now - MINUTE)
            used = [times for name in names if len(times := self._times.get(name, ())) >= self._per_minute]
            if used:
                seconds = max(times[0] for times in used) + MINUTE - now
                raise TooManyJobs(
                    f"{self._per_minute} live jobs a minute is what one visitor may start here; "
                    f"the next may start in {math.ceil(seconds)} s"
                )
            for name in names:
                self._times.setdefault(name, deque()).append(now)

    def _forget(self, until: float) -> None:
        for times in self._times.values():
            while times and times[0] <= until:
                times.popleft()
        self._times = {name: times for name, times in self._times.items() if times}
