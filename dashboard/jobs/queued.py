"""What a file to take along needs of the network, through the queue like everything that runs it."""

from typing import Any

from dashboard.jobs.queue import State, Work, jobs
from dashboard.views.state import ViewState

PATIENCE = 120.0
"""Seconds that a download waits for its turn in the queue."""


def finished(key: str, title: str, work: Work, view: ViewState, owner: str) -> Any:
    """The last step of the work. owner: whose download it is, for the queue.

    ValueError where it fails, or its turn doesn't come in time.
    """
    jobs().submit(key, title, owner, work, view=view)
    job = jobs().wait(key, PATIENCE)
    if job is None or job.state is not State.DONE:
        raise ValueError((job and job.message) or "the queue is long; try again later")
    return job.step
