"""A question in SQL to a run, answered by a process of its own, which is ended when its time is up."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import cast

import pyarrow as pa

from featurestore.places import Place
from featurestore.query.answers import Answer, Limits

USUAL = Limits()
LOOK = 0.1
"""Seconds between two looks whether anybody still waits."""
STARTING = 10.0
"""Seconds beyond the question's own, in which the process starts and opens the store."""


def ask(store: str | os.PathLike | Place, sql: str, run: str | None = None, limits: Limits = USUAL) -> Answer:
    """Return the rows that one SELECT over the tables of a run gives.

    store: a folder or s3://bucket/prefix
    run: its fingerprint; the current one without
    ValueError where it can't be answered: no SELECT, an unknown table, too long, too much memory, damage.
    """
    (answer,) = deque(answering(store, sql, run, limits), maxlen=1)
    return cast(Answer, answer)


def answering(
    store: str | os.PathLike | Place, sql: str, run: str | None = None, limits: Limits = USUAL
) -> Generator[Answer | None, None, None]:
    """Yield None every now and then while the question is answered, then the answer.

    Closed before that, the question is given up at once. The arguments and errors are those of `ask`.
    """
    question = {"store": str(store), "run": run, "sql": sql, "limits": asdict(limits)}
    written = b""
    for part in _spoken_to(json.dumps(question).encode(), limits):
        written = part or written
        yield None
    header, newline, rows = written.partition(b"\n")
    if not newline:
        raise ValueError(f"it needs more than {limits.memory >> 20:,} MiB of memory")
    said = json.loads(header)
    if "error" in said:
        raise ValueError(said["error"])
    with pa.ipc.open_stream(rows) as stream:
        yield Answer(stream.read_all(), said["cut"])


def _spoken_to(question: bytes, limits: Limits) -> Generator[bytes, None, None]:
    """Yield b"" while the process works, then what it has written: no whole line where its memory ran out."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    too_long = f"it takes longer than {limits.seconds:g} s"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "featurestore.query.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Arrow's own pool takes addresses by the gigabyte, which are counted here.
        env={**os.environ, "PYTHONPATH": path, "ARROW_DEFAULT_MEMORY_POOL": "system"},
    )
    end = time.monotonic() + limits.seconds + STARTING
    unsaid: bytes | None = question
    with process:
        try:
            while time.monotonic() < end:
                try:
                    written, _ = process.communicate(unsaid, timeout=LOOK)
                except subprocess.TimeoutExpired:
                    unsaid = None  # it is being written
                    yield b""
                    continue
                if process.returncode == -signal.SIGALRM:
                    raise ValueError(too_long)
                yield written
                return
            raise ValueError(too_long)
        finally:
            process.kill()
