"""kill -9 of a writer at each of its calls and at random moments; the next one ends with the same bytes."""

import io
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from featurestore.files import atomic
from tests.torture.outcome import Outcome
from tests.torture.stores import FORKS, contents, half_visible, small_groups, write

CALLS = ("write", "fsync", "rename", "mkdir")
RESUMED_AFTER = 4
"""Kills, one after the other, that a store sees at random moments before it is finished."""


@small_groups()
def at_each_call(work: Path, stride: int = 1) -> Outcome:
    """One kill right before every write (half of which is done), fsync, rename and mkdir of a run.

    stride: only every `stride`-th one.
    """
    whole = _whole(work)
    counts = _count(work / "counted")
    moments = [(call, number) for call in CALLS for number in range(1, counts[call] + 1)][::stride]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda moment: _killed_at(work, moment, whole), moments)
        failures = tuple(failure for each in found for failure in each)
    said = ", ".join(f"{counts[call]} {call}s" for call in CALLS)
    return Outcome("kill -9 at each call of a run", len(moments), failures, f"One run makes {said}.")


@small_groups()
def at_random_moments(work: Path, kills: int, seed: int = 0) -> Outcome:
    """So many real kills, spread evenly over a writer's time; stores are finished after every few of them."""
    whole = _whole(work)
    started = time.monotonic()
    _child(_write_quickly, work / "timed")
    duration = time.monotonic() - started
    shares = [kills // os.cpu_count() + (worker < kills % os.cpu_count()) for worker in range(os.cpu_count())]

    def work_off(worker):
        folder, dice = work / f"random{worker}", random.Random(f"{seed} {worker}")
        return _random_kills(folder, shares[worker], duration, whole, dice)

    with ThreadPoolExecutor(len(shares)) as pool:
        found = list(pool.map(work_off, range(len(shares))))
    failures = tuple(failure for each, _ in found for failure in each)
    finished = sum(number for _, number in found)
    said = f"{finished} stores were finished from them."
    return Outcome("kill -9 at random moments", kills, failures, said)


def _whole(work):
    write(work / "whole")
    return contents(work / "whole")


def _killed_at(work, moment, whole):
    path = work / "-".join(map(str, moment))
    if _child(_write_and_die, path, moment) != -signal.SIGKILL:
        return [f"the writer outlived {moment}"]
    return [*_visible(path, whole, moment), *_finished(path, whole, moment)]


def _random_kills(folder, kills, duration, whole, dice):
    """Failures, and how many stores were finished. A writer that ends before it is hit does not count."""
    failures, done, stores = [], 0, 0
    while done < kills:
        path = folder / str(stores)
        hits = min(RESUMED_AFTER, kills - done)
        while hits:
            hit = _child(_write_quickly, path, kill_after=dice.uniform(0, duration)) == -signal.SIGKILL
            done, hits = done + hit, hits - hit
            failures += _visible(path, whole, f"random moments, store {path.name}")
        failures += _finished(path, whole, f"random moments, store {path.name}")
        stores += 1
    return failures, stores


def _visible(path, whole, when):
    return [f"{when}: run {run} is visible and not whole" for run in half_visible(path, whole)]


def _finished(path, whole, when):
    write(path)
    return [] if contents(path) == whole else [f"{when}: resumed, the store has other bytes"]


def _child(target, *arguments, kill_after=None):
    child = FORKS.Process(target=target, args=arguments)
    child.start()
    if kill_after is not None:
        time.sleep(kill_after)
        child.kill()
    child.join()
    return child.exitcode


def _write_quickly(path):
    """Without waiting for the disk: a killed process loses nothing that it has written."""
    os.fsync = lambda descriptor: None
    write(path)


def _write_and_die(path, moment):
    with _counted(moment):
        write(path)


def _count(path):
    with _counted(None) as counts:
        write(path)
    return counts


@contextmanager
def _counted(moment):
    """Counts the calls in `CALLS`; with a moment (call, number), that call is the process's last."""
    counts = dict.fromkeys(CALLS, 0)

    def is_last(call):
        counts[call] += 1
        return (call, counts[call]) == moment

    def counting(call, original):
        def counted(*arguments, **options):
            if is_last(call):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return counted

    class File(io.FileIO):
        def write(self, data):
            if is_last("write"):
                super().write(data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return super().write(data)

    def opened(*arguments):
        return io.BufferedWriter(File(*arguments)) if "x" in arguments[1] else open(*arguments)

    with (
        mock.patch.object(atomic, "open", opened, create=True),
        mock.patch.multiple(os, **{call: counting(call, getattr(os, call)) for call in CALLS[1:]}),
    ):
        yield counts
