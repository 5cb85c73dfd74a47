"""What the state machines share: how much they try, and calls at which a process is killed.

A machine takes random steps on real objects; after each it compares them with a plain model of them.
"""

import os
import signal
from collections.abc import Callable
from unittest import mock

from hypothesis import HealthCheck, settings

CALLS = ("fsync", "rename", "unlink", "mkdir")
"""Calls right before which a process is killed."""


def trying(examples: int, steps: int, derandomize: bool = True) -> settings:
    """Return settings: so many random sequences of so many steps; the same ones each time, or others."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def killed_at(call: str, number: int, act: Callable[[], object]) -> bool:
    """Run `act` in a process of its own, killed with SIGKILL right before its so-manyth such call.

    Return whether it came to that; else it has ended, with an error or without.
    """
    child = os.fork()
    if child == 0:
        try:
            _die_at(call, number)
            act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def without_waiting_for_the_disk() -> mock._patch:
    """Around what is killed but loses no power: nothing that it has written is lost."""
    return mock.patch.object(os, "fsync", lambda descriptor: None)


def _die_at(call: str, number: int) -> None:
    original, calls = getattr(os, call), [0]

    def counted(*arguments, **options):
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(os, call, counted)
