"""The queue in random order: no job is lost, run twice or mixed up; turns, limits and the budget are kept."""

import threading
from collections import OrderedDict
from queue import SimpleQueue

import numpy as np
import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dashboard.jobs.queue import JobQueue, State, size_of
from dashboard.jobs.rate_limit import TooManyJobs
from tests.support.machines import trying

pytestmark = pytest.mark.slow

SOON = 60
"""Seconds after which a job is lost."""
UNIT = 1000
EACH, ALL, BUDGET = 3, 5, 8 * UNIT
KEYS, OWNERS = some.sampled_from("abcdefgh"), some.sampled_from(("me", "you", "they"))
SIZES = some.integers(0, 10)
"""Of results, in units: a single one may be larger than the budget."""
ERRORS = (ValueError, RuntimeError, MemoryError, SystemExit, KeyboardInterrupt)


class Step:
    def __init__(self, index: int, total: int, units: int):
        self.index, self.total, self.data = index, total, np.zeros(units * UNIT, np.uint8)


class Work:
    """A job's work, which waits at every step for the machine's command; it says when it waits."""

    def __init__(self, units: int, running: list["Work"]):
        self.units, self.running = units, running
        self.begun, self.overlaps, self.last = 0, 0, None
        self.commands, self.waits, self.closed = SimpleQueue(), threading.Event(), threading.Event()

    def __call__(self):
        self.begun += 1
        self.overlaps += len(self.running)
        self.running.append(self)
        try:
            while True:
                self.waits.set()
                command = self.commands.get()
                if command not in ("step", "end"):
                    raise command
                self.last = Step(1, 2, self.units)
                yield self.last
                if command == "end":
                    return
        finally:
            self.running.remove(self)
            self.closed.set()

    def do(self, command: str | BaseException) -> None:
        self.waits.clear()
        self.commands.put(command)


class QueueMachine(RuleBasedStateMachine):
    """The model: whose turn it is, what runs, and what has ended, in the order in which it was asked for."""

    def __init__(self):
        super().__init__()
        self.queue = JobQueue(kept_bytes=BUDGET, waiting_each=EACH, waiting_all=ALL)
        self.lines: OrderedDict[str, list[str]] = OrderedDict()
        self.works: dict[str, Work] = {}
        self.states: dict[str, State] = {}
        self.ended: list[str] = []
        self.now: tuple[str, Work] | None = None
        self.cancelled = False
        self.active: list[Work] = []
        self.started: list[Work] = []
        self.given: list[Work] = []

    def teardown(self):
        for work in self.given:
            work.commands.put("end")
        self.queue.close()

    @rule(key=KEYS, owner=OWNERS, units=SIZES, anew=some.booleans())
    def submit(self, key, owner, units, anew):
        state, work = self.states.get(key), Work(units, self.active)
        self.given.append(work)
        is_dying = self.now is not None and self.now[1] is self.works.get(key) and self.cancelled
        starts = state in (None, State.FAILED, State.CANCELLED) or is_dying or (anew and state is State.DONE)
        full = len(self.lines.get(owner, ())) >= EACH or len(self.line()) >= ALL
        if starts and full:
            with pytest.raises(TooManyJobs):
                self.queue.submit(key, key, owner, work, anew)
            return
        job = self.queue.submit(key, key, owner, work, anew)
        if not starts:
            assert job.state is state
            self.touch(key)
            return
        assert job.state in (State.WAITING, State.RUNNING)
        self.forget(key)
        self.works[key], self.states[key] = work, State.WAITING
        self.lines.setdefault(owner, []).append(key)
        self.settle()

    @rule(key=KEYS, units=SIZES)
    def adopt(self, key, units):
        step = Step(2, 2, units)
        job = self.queue.adopt(key, key, step, 0.0)
        if self.states.get(key) in (None, State.FAILED, State.CANCELLED):
            work = Work(units, self.active)
            work.last = step
            self.forget(key)
            self.works[key] = work
            self.end(key, work, State.DONE)
            assert job.step is step
        else:
            assert job.step is self.works[key].last
            self.touch(key)

    @rule(key=KEYS)
    def find(self, key):
        job = self.queue.find(key)
        assert (job and job.state) == self.states.get(key)
        self.touch(key)

    @rule(key=KEYS)
    def cancel(self, key):
        self.queue.cancel(key)
        if self.states.get(key) is State.WAITING:
            owner = next(owner for owner, keys in self.lines.items() if key in keys)
            self.lines[owner].remove(key)
            if not self.lines[owner]:
                del self.lines[owner]
            self.end(key, self.works[key], State.CANCELLED)
        elif self.states.get(key) is State.RUNNING:
            self.cancelled = True

    @precondition(lambda self: self.now is not None)
    @rule(command=some.sampled_from(("step", "step", "end")))
    def go_on(self, command):
        work = self.now[1]
        work.do(command)
        if self.cancelled or command == "end":
            self.end_now(State.CANCELLED if self.cancelled else State.DONE)
        else:
            assert work.waits.wait(SOON)

    @precondition(lambda self: self.now is not None)
    @rule(error=some.sampled_from(ERRORS))
    def fail(self, error):
        self.now[1].do(error("no"))
        self.end_now(State.FAILED)

    @invariant()
    def what_is_pending_is_in_its_order(self):
        running = [key for key, state in self.states.items() if state is State.RUNNING]
        assert [job.key for job in self.queue.pending()] == running + self.line()
        assert [self.queue.position(key) for key in self.line()] == [
            len(running) + index for index in range(len(self.line()))
        ]

    @invariant()
    def each_work_has_run_once_and_alone(self):
        assert [work.begun for work in self.given] == [int(work in self.started) for work in self.given]
        assert not any(work.overlaps for work in self.given) and len(self.active) <= 1

    @invariant()
    def what_has_ended_is_kept_within_the_budget(self):
        entries = self.queue._entries
        kept = {key: entry.job for key, entry in entries.items() if entry.job.ended}
        assert list(kept) == self.ended and set(entries) == set(self.states)
        assert all(job.state is self.states[key] for key, job in kept.items())
        assert all(job.step is self.works[key].last for key, job in kept.items())
        assert all(entries[key].work is None for key in kept)
        sizes = [size_of(job.step) for job in kept.values()]
        assert sum(sizes) <= BUDGET or len(sizes) == 1

    def line(self) -> list[str]:
        """All that waits: the first of each owner, then the second of each."""
        longest = max(map(len, self.lines.values()), default=0)
        return [keys[turn] for turn in range(longest) for keys in self.lines.values() if turn < len(keys)]

    def settle(self) -> None:
        """Wait until the next one runs, where none does."""
        if self.now is None and self.lines:
            owner, keys = self.lines.popitem(last=False)
            key = keys.pop(0)
            if keys:
                self.lines[owner] = keys
            self.now, self.cancelled = (key, self.works[key]), False
            self.states[key] = State.RUNNING
            self.started.append(self.works[key])
            assert self.works[key].waits.wait(SOON), f"{key} is lost"

    def end_now(self, state: State) -> None:
        key, work = self.now
        self.now = None
        assert work.closed.wait(SOON)
        self.end(key, work, state)
        if self.lines:
            self.settle()
        else:
            job = self.queue.wait(key, SOON)
            assert job is not None and job.ended, f"the result of {key} is lost"

    def end(self, key: str, work: Work, state: State) -> None:
        """Unless its key was asked for again meanwhile."""
        if self.works.get(key) is not work:
            return
        self.states[key] = state
        self.ended.append(key)
        while sum(size_of(self.works[each].last) for each in self.ended) > BUDGET and len(self.ended) > 1:
            self.forget(self.ended[0])

    def touch(self, key: str) -> None:
        if key in self.ended:
            self.ended.remove(key)
            self.ended.append(key)

    def forget(self, key: str) -> None:
        if key in self.ended:
            self.ended.remove(key)
            del self.states[key], self.works[key]


TestQueue = QueueMachine.TestCase
TestQueue.settings = trying(30, 40)
