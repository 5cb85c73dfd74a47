"""The process in which one question is answered: python -m featurestore.query.child, spoken to by `asking`.

It reads a question as JSON and writes a line of JSON, then the answer's rows as an Arrow stream.
"""

import json
import resource
import signal
import sys
from typing import BinaryIO

import pyarrow as pa

from featurestore.query.answers import Limits
from featurestore.query.engine import answer
from featurestore.reader import Store

BESIDE = 2 << 30
"""Bytes of addresses that the libraries take, beside what the question may."""


def main(read: BinaryIO, write: BinaryIO) -> None:
    question = json.loads(read.read())
    limits = Limits(**question["limits"])
    try:
        run = Store(question["store"]).open(question["run"])
        _hold(limits)
        found = answer(run, question["sql"], limits)
        header, table = {"cut": found.cut}, found.table
    except MemoryError:
        header, table = {"error": f"it needs more than {limits.memory >> 20:,} MiB of memory"}, None
    except ValueError as error:
        header, table = {"error": str(error)}, None
    except Exception as error:  # of a store that is nobody's: any of its bytes may be anything
        header, table = {"error": f"the store can't be read: {type(error).__name__}: {error}"}, None
    write.write(json.dumps(header).encode() + b"\n")
    if table is not None:
        with pa.ipc.new_stream(write, table.schema) as stream:
            stream.write_table(table)
    write.flush()


def _hold(limits: Limits) -> None:
    """Let the system end this process once the time is up, and give it no more memory than it may have."""
    _limit(resource.RLIMIT_AS, _addresses() + limits.memory + BESIDE)
    _limit(resource.RLIMIT_CORE, 0)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)


def _limit(what: int, most: int) -> None:
    soft, hard = resource.getrlimit(what)
    bounds = [most, *(each for each in (soft, hard) if each != resource.RLIM_INFINITY)]
    resource.setrlimit(what, (min(bounds), hard))


def _addresses() -> int:
    """Return the bytes of addresses that this process has already, where the system says."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return BESIDE


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
