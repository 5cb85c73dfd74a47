"""How far a job is, in words: its place in the queue, its steps, the time left."""

from dashboard.jobs.queue import LiveJob, State

LONG = 120
"""Seconds from which on minutes are said."""


def progress(job: LiveJob, position: int, running: LiveJob | None = None) -> str:
    """Return how far a job is.

    position: how many jobs run before it does
    running: the one that runs now
    """
    if job.state is State.WAITING:
        return f"Waiting, {position} before this one{_left(running)}" if position else "Starting"
    if job.seconds_left is None:
        return f"Running, {job.seconds:.0f} s"
    score = "" if (value := getattr(job.step, "score", None)) is None else f", score {value:.4g}"
    return f"Step {job.step.index} of {job.step.total}, about {_spoken(job.seconds_left)} left{score}"


def _left(running: LiveJob | None) -> str:
    """Return how long the device is taken by the job that runs, where that is known."""
    seconds = None if running is None else running.seconds_left
    return "" if seconds is None else f"; the running one has about {_spoken(seconds)} left"


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < LONG else f"{seconds / 60:.0f} min"
