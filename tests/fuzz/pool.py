"""Worker processes with little memory that may die or hang: what each of them did is known all the same."""

import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

BLOCK = 250
"""Cases that are handed out together."""

Case = Callable[[int], str]
"""The number of a case to what became of it, in a word or two."""


@dataclass
class Outcome:
    """rows: how often each kind of answer came. deaths: case and exit code. hangs: cases."""

    rows: Counter = field(default_factory=Counter)
    deaths: list[tuple[int, int | None]] = field(default_factory=list)
    hangs: list[int] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.rows.total()


class _Worker:
    def __init__(self, make: Callable[[], Case], megabytes: int):
        self.start, self.stop = 0, 0
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, megabytes), daemon=True)
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()

    def hand(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.connection.send((start, stop))

    def end(self) -> int | None:
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


def run(make: Callable[[], Case], first: int, count: int, workers: int, megabytes: int, seconds: float) -> Outcome:
    """Cases first … first + count - 1. make: called in each worker. megabytes: that a worker may take on top of what
    it has after `make`. seconds: without an answer, after which it counts as hung."""
    outcome = Outcome()
    todo = [(start, min(start + BLOCK, first + count)) for start in range(first, first + count, BLOCK)][::-1]
    busy = {}
    while todo or busy:
        while todo and len(busy) < workers:
            worker = _Worker(make, megabytes)
            worker.hand(*todo.pop())
            busy[worker.connection] = worker
        for connection in wait(list(busy), timeout=1):
            _hear(busy, connection, outcome, todo)
        for connection, worker in list(busy.items()):
            if time.monotonic() - worker.heard > seconds:
                outcome.hangs.append(worker.start)
                _replace(busy, connection, todo)
    return outcome


def _hear(busy: dict[Connection, _Worker], connection: Connection, outcome: Outcome, todo: list) -> None:
    worker = busy[connection]
    try:
        outcome.rows[connection.recv()] += 1
    except (EOFError, ConnectionResetError):
        worker.process.join()
        outcome.deaths.append((worker.start, worker.process.exitcode))
        _replace(busy, connection, todo)
        return
    worker.heard = time.monotonic()
    worker.start += 1
    if worker.start == worker.stop and todo:
        worker.hand(*todo.pop())
    elif worker.start == worker.stop:
        busy.pop(connection).end()


def _replace(busy: dict[Connection, _Worker], connection: Connection, todo: list) -> None:
    """The rest of a lost worker's cases, without the one that it was lost on."""
    worker = busy.pop(connection)
    worker.end()
    if worker.start + 1 < worker.stop:
        todo.append((worker.start + 1, worker.stop))


def _serve(connection: Connection, make: Callable[[], Case], megabytes: int) -> None:
    case = make()
    # What libraries say of each damaged file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    limit = _address_space() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        while True:
            for number in range(*connection.recv()):
                connection.send(case(number))
    except EOFError:
        return


def _address_space() -> int:
    """Bytes that this process has mapped."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
