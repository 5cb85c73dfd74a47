"""How a worker process begins: watching its parent, before it imports what takes seconds."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

KILLED_WITH_PARENT = 1
"""Linux's PR_SET_PDEATHSIG: the signal that a process is sent once the thread that started it has ended."""


def packed(work: Callable[..., None], *arguments: object) -> bytes:
    """Return a call for `begin`; `work` takes a connection first."""
    return pickle.dumps((work, arguments))


def begin(connection: Connection, call: bytes) -> None:
    """Do what `packed` says, with this end of a pipe; the whole of a worker's life.

    The call comes as bytes, since its modules are imported with it.
    """
    if sys.platform == "linux":
        # At once, also in the midst of a long call that lets no other thread run.
        ctypes.CDLL(None).prctl(KILLED_WITH_PARENT, signal.SIGKILL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # bandit warns of pickles from others; this one the parent has made.
    work, arguments = pickle.loads(call)  # nosec B301
    work(connection, *arguments)


def _end_with_parent() -> None:
    """End this process once the one that started it is gone: in the midst of a shard no pipe tells of it.

    What is half written has a temporary name, which the next writer removes.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
