"""When a task starts, and what is said where it doesn't."""

import dataclasses

import numpy as np
import pytest

from compute.methods.base import Step
from dashboard.jobs import one_step, task
from dashboard.jobs.one_step import Once, one_step_task, value_of
from dashboard.jobs.queue import JobQueue, State, size_of
from dashboard.jobs.result import Result
from dashboard.jobs.task import Task, advance, key_of
from dashboard.views.definitions import LabView

SOON = 30.0
RESULT = Result.of(Step(1, 1, "image", np.zeros((2, 2, 3), np.float32)), 1.5)


@pytest.fixture
def queue(monkeypatch):
    opened = JobQueue(jobs_per_minute=3)
    for module in (task, one_step):
        monkeypatch.setattr(module, "jobs", lambda: opened)
    yield opened
    opened.close()


def fails():
    raise ValueError("not like this")
    yield


def works():
    yield Once("done")


def of(work=works, **fields):
    return Task(key_of("a", 1), "A task", lambda: work, **fields)


def after(wanted, *, pressed=False, starts_itself=False, retries=False):
    """Where it stands, once what has been started has ended."""
    return advance(
        wanted, "me", None, pressed=pressed, starts_itself=starts_itself, retries=retries, seconds=SOON
    )


def test_nothing_starts_before_somebody_wants_it(queue):
    assert after(of()).job is None
    assert after(of(), starts_itself=True).job.step.value == "done"
    assert after(of()).job.state is State.DONE


@pytest.mark.parametrize("how", [{"pressed": True}, {"starts_itself": True}])
def test_what_was_pressed_and_what_starts_itself_is_computed(queue, how):
    assert after(of(), **how).job.state is State.DONE


def test_a_link_of_somebody_who_started_it_starts_it(queue):
    assert after(of(started=True)).job.state is State.DONE


def test_what_failed_is_started_again_only_when_asked_for(queue):
    assert after(of(fails), starts_itself=True).job.message == "not like this"
    for unasked in ({}, {"starts_itself": True}):
        assert after(of(started=True), **unasked).job.state is State.FAILED
    assert after(of(), retries=True).job.state is State.DONE


def test_a_finished_one_is_computed_again_only_when_asked_for(queue):
    first = after(of(), pressed=True).job
    assert after(of(), starts_itself=True, retries=True).job.step is first.step
    assert after(of(), pressed=True).job.step is not first.step


def test_what_is_kept_needs_no_check_and_no_work(queue):
    def refused():
        raise ValueError("no network here")

    kept = of(fails, check=refused, kept=lambda: RESULT)
    assert after(kept, starts_itself=True).job.step is RESULT
    with pytest.raises(ValueError, match="no network here"):
        after(kept, pressed=True)
    with pytest.raises(ValueError, match="no network here"):
        after(dataclasses.replace(kept, key=key_of("b"), kept=lambda: None))


def test_too_many_are_refused_in_words(queue):
    for turn in range(3):
        after(dataclasses.replace(of(), key=key_of(turn)), pressed=True)
    standing = after(of(), pressed=True)
    assert standing.job is None and "3 live jobs a minute" in standing.refused


def test_a_value_for_a_download_or_why_there_is_none(queue):
    view = LabView("store", "run", "saliency")

    def task_of(compute):
        return one_step_task("A value", compute, view, depends_on=("value", compute.__name__))

    def seven():
        return 7

    def nothing():
        raise ValueError("there is none")

    assert value_of(task_of(seven), "me") == 7
    with pytest.raises(ValueError, match="there is none"):
        value_of(task_of(nothing), "me")


def test_arrays_of_a_value_count_for_the_memory(queue):
    array = np.zeros(1000, np.float32)
    assert size_of(Once(array)) == size_of(Once({"a": array})) == size_of(Once("")) + array.nbytes
