"""A question in SQL as a task for the queue: visitors wait their turn, and start as few as live jobs."""

import contextlib
import re
from collections.abc import Iterator

from dashboard.data import runs
from dashboard.jobs.one_step import Once
from dashboard.jobs.task import Task, key_of
from dashboard.views.definitions import OverviewView
from featurestore.query.asking import answering
from featurestore.reader import Run

CUT = re.compile(r"~[0-9a-f]{8}")
"""How the address of a page ends a text that it has no room for."""


def question_task(run: Run, view: OverviewView) -> Task:
    """Return the task that answers a view's question: an `Answer`, as the command line gives it.

    ValueError where questions are turned off, and where the address had no room for all of it.
    """
    if not runs.settings().live:
        raise ValueError(
            "questions in SQL are turned off on this server (--no-live); `python -m featurestore sql` "
            "answers them"
        )
    if CUT.fullmatch(view.sql[-9:]):
        raise ValueError(
            "the question is longer than the address of a page; `python -m featurestore sql` takes it"
        )
    store, sql = str(run.folder.parents[1]), view.sql

    def steps() -> Iterator[Once]:
        with contextlib.closing(answering(store, sql, run.fingerprint)) as running:
            for answer in running:  # nothing until it is there, so that Cancel ends it at once
                yield Once(answer, index=int(answer is not None))

    key = key_of("question in SQL", store, run.fingerprint, sql)
    return Task(key, "A question in SQL", lambda: steps, view)
