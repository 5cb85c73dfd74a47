"""A question in SQL to a run, answered by a process of its own, which is ended when its time is up."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from featurestore.places import Place
from featurestore.query.answers import Answer, Limits

USUAL = Limits()
STARTING = 10.0
"""Seconds beyond the question's own, in which the process starts and opens the store."""


def ask(store: str | os.PathLike | Place, sql: str, run: str | None = None, limits: Limits = USUAL) -> Answer:
    """Return the rows that one SELECT over the tables of a run gives.

    store: a folder or s3://bucket/prefix
    run: its fingerprint; the current one without
    ValueError where it can't be answered: no SELECT, an unknown table, too long, too much memory, damage.
    """
    question = {"store": str(store), "run": run, "sql": sql, "limits": asdict(limits)}
    header, newline, rows = _spoken_to(json.dumps(question).encode(), limits).partition(b"\n")
    if not newline:
        raise ValueError(f"it needs more than {limits.memory >> 20:,} MiB of memory")
    said = json.loads(header)
    if "error" in said:
        raise ValueError(said["error"])
    with pa.ipc.open_stream(rows) as stream:
        return Answer(stream.read_all(), said["cut"])


def _spoken_to(question: bytes, limits: Limits) -> bytes:
    """Return what the process writes: less than a line where its memory was used up."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    too_long = f"it takes longer than {limits.seconds:g} s"
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "featurestore.query.child"],
            input=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.seconds + STARTING,
            # Arrow's own pool takes addresses by the gigabyte, which are counted here.
            env={**os.environ, "PYTHONPATH": path, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(too_long) from error
    if ended.returncode == -signal.SIGALRM:
        raise ValueError(too_long)
    return ended.stdout
