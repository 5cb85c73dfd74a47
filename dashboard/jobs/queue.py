"""The queue in front of a device: one worker thread, owners served in turn, results kept for others.

A job is named by a key that says all that its result depends on. Whoever asks for a key that is waiting,
running or finished attaches to that job instead of starting another.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import streamlit as st

from compute.runtime.batches import is_out_of_memory
from dashboard.data import runs
from dashboard.jobs.rate_limit import RateLimit, TooManyJobs
from dashboard.text import logged
from dashboard.views.state import ViewState

KEPT_BYTES = 256 * 1024 * 1024
"""Of the results of ended jobs together."""
WAITING_EACH = 16
"""Jobs that one owner may have waiting."""
WAITING_ADDRESS = 64
"""Jobs that all owners at one address may have waiting, where it is known: a cookie is dropped at will."""
WAITING_ALL = 256
"""Jobs that all owners together may have waiting."""

OUT_OF_MEMORY = (
    "the device's memory is used up; try a smaller batch or image, or run on the cpu (--device cpu)"
)


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})


class Stepped(Protocol):
    """What a work yields: `compute.methods.base.Step`, or anything with these."""

    index: int
    total: int


Work = Callable[[], Iterator[Stepped]]


@dataclass(frozen=True)
class LiveJob:
    """A job of the queue as it is at one moment.

    key: names all that its result depends on
    title: for people
    view: what the list of jobs opens
    step: the latest one; the result once the job is done
    seconds: that it has run so far, or in all
    message: why it failed, for people; of a result from elsewhere, why computing it again here did
    unwatched: seconds since anybody asked for it
    """

    key: str
    title: str
    view: ViewState | None = None
    state: State = State.WAITING
    step: Any = None
    seconds: float = 0.0
    message: str = ""
    unwatched: float = 0.0

    @property
    def share(self) -> float:
        """Return how much is done, 0 to 1."""
        if self.state is State.DONE:
            return 1.0
        return 0.0 if self.step is None else min(self.step.index / max(self.step.total, 1), 1.0)

    @property
    def seconds_left(self) -> float | None:
        """Return the time left at the rate so far; None before the first step is done."""
        return self.seconds * (1 / self.share - 1) if self.share > 0 else None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def ended_badly(self) -> bool:
        """Return whether it has ended without a result."""
        return self.state in (State.FAILED, State.CANCELLED)


@dataclass
class _Entry:
    """What the queue holds of a job; guarded by the queue's lock."""

    job: LiveJob
    work: Work | None
    address: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    started: float = 0.0
    asked: float = field(default_factory=time.monotonic)

    @property
    def ends_badly(self) -> bool:
        """Whether it has ended without a result, or is cancelled and about to."""
        return self.job.ended_badly or (self.cancelled.is_set() and not self.job.ended)

    def now(self) -> LiveJob:
        if self.job.ended:
            return self.job
        now = time.monotonic()
        seconds = now - self.started if self.job.state is State.RUNNING else 0.0
        return replace(self.job, seconds=seconds, unwatched=now - self.asked)


@st.cache_resource(show_spinner=False)
def jobs() -> "JobQueue":
    """Return the queue of this server; all sessions share it."""
    known = runs.settings()
    return JobQueue(known.share("results"), jobs_per_minute=known.jobs_per_minute)


class JobQueue:
    """Runs one job at a time. Its methods may be called from any thread; all but `wait` return at once."""

    def __init__(
        self,
        kept_bytes: int = KEPT_BYTES,
        waiting_each: int = WAITING_EACH,
        waiting_all: int = WAITING_ALL,
        waiting_address: int = WAITING_ADDRESS,
        jobs_per_minute: int = 0,
    ):
        """Start the worker thread.

        kept_bytes: of the results of ended jobs together
        waiting_each, waiting_address, waiting_all: how many jobs of an owner, an address, of all may wait
        jobs_per_minute: that one owner, and one address, may start; 0 for no limit
        """
        self._kept_bytes, self._waiting_each, self._waiting_all = kept_bytes, waiting_each, waiting_all
        self._waiting_address = waiting_address
        self._rate_limit = RateLimit(jobs_per_minute)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._waiting: OrderedDict[str, deque[str]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._serve, name="jobs", daemon=True)
        self._worker.start()

    def submit(
        self,
        key: str,
        title: str,
        owner: str,
        work: Work,
        anew: bool = False,
        address: str | None = None,
        view: ViewState | None = None,
    ) -> LiveJob:
        """Queue `work`, or attach to the job of this key; one that has failed or was cancelled starts again,
        also where it is only about to end.

        anew: a finished one starts again too
        address: the owner's, where it is known; it counts what all owners there start

        TooManyJobs, a ValueError, where too many wait or the owner has started too many; attaching to a job
        is always possible.
        """
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or entry.ends_badly or (anew and entry.job.state is State.DONE):
                entry = self._add(LiveJob(key, title, view), owner, work, address)
            self._entries.move_to_end(key)
            return entry.now()

    def adopt(self, key: str, title: str, step: Stepped, seconds: float) -> LiveJob:
        """Take in a result from elsewhere as a finished job, unless one waits, runs or is finished here.

        Where it failed here, the job says why.
        """
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or entry.job.ended_badly:
                why = "" if entry is None else entry.job.message
                job = LiveJob(key, title, state=State.DONE, step=step, seconds=seconds, message=why)
                entry = self._entries[key] = _Entry(job, None)
            self._entries.move_to_end(key)
            self._forget()
            return entry.now()

    def find(self, key: str) -> LiveJob | None:
        """Return the job of this key and note that somebody watches it; None where there is none."""
        with self._changed:
            entry = self._entries.get(key)
            if entry is None:
                return None
            entry.asked = time.monotonic()
            self._entries.move_to_end(key)
            return entry.now()

    def pending(self) -> list[LiveJob]:
        """Return all that has not ended, in the order of running. This doesn't count as watching them."""
        with self._changed:
            running = [key for key, entry in self._entries.items() if entry.job.state is State.RUNNING]
            return [self._entries[key].now() for key in running + self._order()]

    def running(self) -> LiveJob | None:
        """Return the job that runs now."""
        with self._changed:
            entries = self._entries.values()
            return next((entry.now() for entry in entries if entry.job.state is State.RUNNING), None)

    def wait(self, key: str, seconds: float) -> LiveJob | None:
        """Return the job once it has ended, or as it is after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._entries or self._entries[key].job.ended, seconds)
            return self.find(key)

    def position(self, key: str) -> int:
        """Return how many jobs run before this one does; 0 where it does not wait."""
        with self._changed:
            if key not in self._entries or self._entries[key].job.state is not State.WAITING:
                return 0
            running = any(entry.job.state is State.RUNNING for entry in self._entries.values())
            return running + self._order().index(key)

    def cancel(self, key: str) -> None:
        """End a job before its next step, for all who watch it; nothing where it has ended."""
        with self._changed:
            entry = self._entries.get(key)
            if entry is None or entry.job.ended:
                return
            entry.cancelled.set()
            if entry.job.state is State.WAITING:
                self._drop_waiting(key)
                self._end(entry, State.CANCELLED)

    def close(self) -> None:
        """Cancel all and end the worker."""
        with self._changed:
            self._closed = True
            for entry in self._entries.values():
                entry.cancelled.set()
            self._changed.notify_all()
        self._worker.join()

    def _add(self, job: LiveJob, owner: str, work: Work, address: str | None) -> _Entry:
        own, everyone = len(self._waiting.get(owner, ())), sum(map(len, self._waiting.values()))
        if own >= self._waiting_each:
            raise TooManyJobs(f"you have {own} jobs waiting; cancel one, or wait until one has ended")
        if address and self._waiting_at(address) >= self._waiting_address:
            raise TooManyJobs(
                f"{self._waiting_address} jobs of your address are waiting; try again in some minutes"
            )
        if everyone >= self._waiting_all:
            raise TooManyJobs(f"{everyone} jobs of all visitors are waiting; try again in some minutes")
        self._rate_limit.take(owner, *([f"address {address}"] if address else []))
        self._waiting.setdefault(owner, deque()).append(job.key)
        self._entries[job.key] = entry = _Entry(job, work, address)
        self._changed.notify_all()
        return entry

    def _waiting_at(self, address: str) -> int:
        """Return how many jobs of an address wait, whoever's they are."""
        waiting = (self._entries[key] for keys in self._waiting.values() for key in keys)
        return sum(entry.address == address for entry in waiting)

    def _serve(self) -> None:
        while (entry := self._take()) is not None:
            self._run(entry)

    def _take(self) -> _Entry | None:
        """Return the next job of the owner whose turn it is, who then goes to the end of the line."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            owner, keys = self._waiting.popitem(last=False)
            entry = self._entries[keys.popleft()]
            if keys:
                self._waiting[owner] = keys
            entry.started = time.monotonic()
            entry.job = replace(entry.job, state=State.RUNNING)
            return entry

    def _run(self, entry: _Entry) -> None:
        try:
            state, message = self._follow(entry), ""
        except ValueError as error:
            state, message = State.FAILED, str(error)
        except BaseException as error:
            # Also what ends a program, such as a network's own sys.exit(): it ends this job, not the queue.
            state, message = State.FAILED, _explain(error)
        with self._changed:
            self._end(entry, state, message)

    def _follow(self, entry: _Entry) -> State:
        steps = entry.work()
        try:
            for step in steps:
                with self._changed:
                    entry.job = replace(entry.job, step=step)
                if entry.cancelled.is_set():
                    return State.CANCELLED
        finally:
            steps.close()
        return State.DONE

    def _end(self, entry: _Entry, state: State, message: str = "") -> None:
        entry.job = replace(entry.now(), state=state, message=message)
        # The work holds its inputs; what is kept is the result alone.
        entry.work = None
        # Who waits for it shall find it, whatever was asked for meanwhile.
        if self._entries.get(entry.job.key) is entry:
            self._entries.move_to_end(entry.job.key)
        self._forget()
        self._changed.notify_all()

    def _forget(self) -> None:
        """Drop the results asked for longest ago until the rest fits."""
        ended = [key for key, entry in self._entries.items() if entry.job.ended]
        kept = sum(size_of(self._entries[key].job.step) for key in ended)
        for key in ended[:-1]:
            if kept <= self._kept_bytes:
                return
            kept -= size_of(self._entries.pop(key).job.step)

    def _drop_waiting(self, key: str) -> None:
        owner = next(owner for owner, keys in self._waiting.items() if key in keys)
        self._waiting[owner].remove(key)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _order(self) -> list[str]:
        """Return the waiting keys in the order in which they will run."""
        lines = [list(keys) for keys in self._waiting.values()]
        longest = max(map(len, lines), default=0)
        return [line[turn] for turn in range(longest) for line in lines if turn < len(line)]


def size_of(step: Any) -> int:
    """Return the bytes of a step's arrays or table, and a little for the rest."""
    value = getattr(step, "value", None)
    arrays = [getattr(step, "data", None), value]
    for named in (getattr(step, "pictures", None), value):
        arrays += named.values() if isinstance(named, Mapping) else ()
    frames = sum(map(len, getattr(step, "frames", ())))
    table = getattr(getattr(value, "table", None), "nbytes", 0)
    return 1024 + frames + table + sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def _explain(error: BaseException) -> str:
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return logged("job")
