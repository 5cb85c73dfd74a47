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
from pathlib import Path

BLOCK = 250
"""Cases that are handed out together."""

STALLED = 10
"""Times the limit of work, by the clock, after which a worker that does nothing counts as hung."""

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
        self.ready = False
        self.heard()

    def hand(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        self.connection.send((start, stop))

    def heard(self) -> None:
        self._since = time.monotonic(), _seconds_run(self.process.pid)

    def hangs(self, seconds: float) -> bool:
        """No answer after so many seconds of its own work, or many more by the clock (a busy machine)."""
        clock, run = self._since
        late = time.monotonic() - clock > STALLED * seconds
        return late or (self.ready and _seconds_run(self.process.pid) - run > seconds)

    def end(self) -> int | None:
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


def run(
    make: Callable[[], Case], first: int, count: int, workers: int, megabytes: int, seconds: float
) -> Outcome:
    """Cases first … first + count - 1. make: called in each worker. megabytes: that a worker may take on top
    of what it has after `make`. seconds: of work without an answer, after which it counts as hung."""
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
            if worker.hangs(seconds):
                outcome.hangs.append(worker.start)
                _replace(busy, connection, todo)
    return outcome


def _hear(busy: dict[Connection, _Worker], connection: Connection, outcome: Outcome, todo: list) -> None:
    worker = busy[connection]
    try:
        answer = connection.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        outcome.deaths.append((worker.start, worker.process.exitcode))
        _replace(busy, connection, todo)
        return
    worker.heard()
    if not worker.ready:
        worker.ready = True
        return
    outcome.rows[answer] += 1
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
        connection.send("ready")
        while True:
            for number in range(*connection.recv()):
                connection.send(case(number))
    except EOFError:
        return


def _seconds_run(pid: int) -> float:
    """Of a processor, so far; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _address_space() -> int:
    """Bytes that this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
