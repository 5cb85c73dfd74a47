"""What the queue is asked to compute, and where that stands, which a page shows until there is a result.

A task is looked for in the queue, then among the results that are kept; it is submitted where it is to be
started, and waited for. All of this is free of Streamlit; `dashboard.widgets.live.run` draws it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from dashboard.jobs.queue import LiveJob, Work, jobs
from dashboard.jobs.rate_limit import TooManyJobs
from dashboard.jobs.result import Result
from dashboard.views.state import ViewState


@dataclass(frozen=True)
class Task:
    """Something for the queue to compute.

    key: names all that the result depends on; tasks of the same key are one job
    title: for people
    prepare: returns the work; it may load the network and read images, so that what is missing is said at
        once, by a ValueError
    view: what the list of jobs opens
    started: somebody has started it before, as its link says; it is then started where there is no job
    check: raises a ValueError where this can't be computed here; a result that is kept needs no check
    kept: returns the result that is kept from before, if there is one
    """

    key: str
    title: str
    prepare: Callable[[], Work]
    view: ViewState | None = None
    started: bool = False
    check: Callable[[], None] = lambda: None
    kept: Callable[[], Result | None] = lambda: None


@dataclass(frozen=True)
class Standing:
    """Where a task stands.

    job: None where nobody has started it
    refused: why the queue does not take it now, or ""
    """

    job: LiveJob | None
    refused: str = ""


def key_of(*facts: object) -> str:
    """Return the key of a task whose result depends on these facts alone."""
    return hashlib.sha256(" ".join(map(str, facts)).encode()).hexdigest()


def find(key: str, title: str, kept: Callable[[], Result | None]) -> LiveJob | None:
    """Return the job of this key; one whose result is kept comes back into the queue as finished."""
    job = jobs().find(key)
    if job is not None and not job.ended_badly:
        return job
    result = kept()
    return job if result is None else jobs().adopt(key, title, result, result.seconds)


def advance(
    task: Task,
    owner: str,
    address: str | None,
    *,
    pressed: bool,
    starts_itself: bool,
    retries: bool,
    seconds: float,
) -> Standing:
    """Start a task where it is to be started, and return where it stands, after `seconds` at most.

    owner, address: whose job it is, see `dashboard.jobs.visitor`
    pressed: somebody asks for it now; a finished one is computed again
    starts_itself: it is started where there is no job
    retries: it is started where its job has ended badly

    ValueError where it would have to be computed and can't be.
    """
    job = find(task.key, task.title, task.kept)
    if pressed or job is None or job.ended_badly:
        task.check()
        if pressed or (starts_itself or task.started if job is None else retries):
            try:
                jobs().submit(task.key, task.title, owner, task.prepare(), pressed, address, task.view)
            except TooManyJobs as error:
                return Standing(job, str(error))
    return Standing(jobs().wait(task.key, seconds))
