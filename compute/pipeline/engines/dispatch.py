"""Shards to workers, one at a time each; the shard of a worker that died goes to another one."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

LOG = logging.getLogger(__name__)
TRIES = 3
"""Workers that a shard may cost, or that may die one after the other before any was ready."""


@dataclass(frozen=True)
class Ready:
    """A worker has the model and waits for its first shard."""

    worker: int


@dataclass(frozen=True)
class Advanced:
    """A worker has done `images` more of its shard."""

    worker: int
    images: int


@dataclass(frozen=True)
class Done:
    """A worker has written its shard."""

    worker: int


@dataclass(frozen=True)
class Lost:
    """A worker died. how: such as "killed by signal 9"."""

    worker: int
    how: str


Report = Ready | Advanced | Done | Lost


class Workers(Protocol):
    """Workers by number. Each is given nothing before it is Ready, and nothing more before it is Done."""

    def start(self, worker: int) -> None:
        """Also in place of one that died."""

    def give(self, worker: int, stage: str, shard: int) -> None:
        """Such as to compute shard 3 of "activations"."""

    def reports(self) -> Iterable[Report]:
        """What they said; waits until there is something. Raises what went wrong in a worker."""


class Dispatcher:
    """Lets `workers` compute shards. They stay ready from one stage to the next."""

    def __init__(self, workers: Workers):
        self._workers = workers
        self._started: set[int] = set()
        self._idle: set[int] = set()
        self._deaths: Counter[int | None] = Counter()

    def compute(self, stage: str, shards: Sequence[int], most: int, advance: Callable[[int], None]) -> None:
        """All `shards` of a stage, on at most `most` workers; ValueError where one cost `TRIES` of them."""
        for worker in set(range(min(most, len(shards)))) - self._started:
            self._start(worker)
        work = _Work(stage, shards)
        self._deaths.clear()
        self._give(work)
        while work.is_left:
            for report in self._workers.reports():
                advance(self._take(work, report))
                self._give(work)

    def _start(self, worker: int) -> None:
        self._started.add(worker)
        self._workers.start(worker)

    def _give(self, work: "_Work") -> None:
        while work.waiting and self._idle:
            worker = self._idle.pop()
            self._workers.give(worker, work.stage, work.begin(worker))

    def _take(self, work: "_Work", report: Report) -> int:
        """The images that are done now and weren't before; negative where a worker's are lost with it."""
        worker = report.worker
        match report:
            case Advanced(images=images):
                work.done[worker] += images
                return images
            case Lost(how=how):
                return self._replace(work, worker, how)
            case Ready():
                del self._deaths[None]
            case Done():
                work.end(worker)
        self._idle.add(worker)
        return 0

    def _replace(self, work: "_Work", worker: int, how: str) -> int:
        self._idle.discard(worker)
        shard, lost = work.give_up(worker)
        self._deaths[shard] += 1
        LOG.warning("worker %d died, %s; its shard of %s: %s", worker, how, work.stage, shard)
        if self._deaths[shard] >= TRIES:
            what = "starting" if shard is None else f"at shard {shard} of {work.stage}"
            raise ValueError(
                f"{TRIES} workers died {what}, the last {how}; if memory ran out, ask for fewer --workers"
            )
        self._start(worker)
        return -lost


class _Work:
    """Of one stage: shards that wait, and those that workers are at, and their images that are done."""

    def __init__(self, stage: str, shards: Sequence[int]):
        self.stage, self.waiting = stage, deque(shards)
        self.at: dict[int, int] = {}
        self.done: Counter[int] = Counter()

    @property
    def is_left(self) -> bool:
        return bool(self.waiting or self.at)

    def begin(self, worker: int) -> int:
        self.at[worker], self.done[worker] = self.waiting.popleft(), 0
        return self.at[worker]

    def end(self, worker: int) -> None:
        del self.at[worker]

    def give_up(self, worker: int) -> tuple[int | None, int]:
        """The shard that the worker was at (None between two), next again, and its images that were done."""
        if worker not in self.at:
            return None, 0
        shard = self.at.pop(worker)
        self.waiting.appendleft(shard)
        return shard, self.done[worker]
