"""Jobs on pages: the list of all that run or wait, and those that a page starts by itself."""

import threading

import pytest
import torch

from compute.methods import METHODS
from compute.models import zoo
from dashboard.jobs.queue import OUT_OF_MEMORY, State, jobs
from dashboard.views.definitions import LabView
from tests.support.page_app import button, fine, settled, show, unescaped, words

pytestmark = pytest.mark.slow

SOON = 10
"""Seconds after which a test has failed."""


@pytest.fixture
def served(store, serve):
    serve(store)


class Held:
    """A work that takes one step, and then waits until it is let go on."""

    index, total, score, kind = 1, 2, None, "mask"

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self):
        yield self
        self.begun.set()
        assert self.go_on.wait(SOON)
        yield self


def test_what_runs_and_waits_is_listed_and_can_be_cancelled(served):
    assert "Nothing runs or waits" in words(fine(show("results")))
    held, view = Held(), LabView("digits", method="fool")
    jobs().submit("running", "A *starred* title", "a", held, view=view)
    assert held.begun.wait(SOON)
    jobs().submit("waiting", "Waits", "b", Held(), view=view)
    app = fine(show("results"))
    assert "**A *starred* title**" in words(app) and "store digits" in words(app)
    step, wait = (bar.proto.text for bar in app.get("progress"))
    assert step.startswith("Step 1 of 2, about ")
    assert wait.startswith("Waiting, 1 before this one; the running one has about ")
    fine(app.button(key="listed waiting").click().run())
    assert jobs().find("waiting").state is State.CANCELLED
    fine(app.button(key="listed running").click().run())
    held.go_on.set()
    assert jobs().wait("running", SOON).state is State.CANCELLED
    assert "Nothing runs or waits" in words(app.run())


@pytest.mark.parametrize("error", [ValueError("out of sorts"), MemoryError()])
def test_what_a_page_starts_by_itself_fails_once_and_is_started_again_on_demand(error, served, monkeypatch):
    tried = []

    def failing(self, model, inputs):
        tried.append(self.name)
        raise error
        yield

    monkeypatch.setattr(METHODS["segment"], "steps", failing)
    app = show("image", {"store": "digits", "image": 3})
    settled(app.run())
    assert tried == ["segment"]
    (said,) = app.error
    assert (
        unescaped(said.value)
        .lower()
        .startswith(OUT_OF_MEMORY if isinstance(error, MemoryError) else "out of sorts")
    )
    monkeypatch.undo()
    app = settled(button(app, "Start again").click().run())
    assert not app.error and not any(each.label == "Start again" for each in app.button)


def test_a_network_that_does_not_fit_the_device_is_a_message(served, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(zoo, "load", full)
    app = show("lab", {"store": "digits", "method": "saliency", "live": 1})
    assert [unescaped(each.value).lower().startswith(OUT_OF_MEMORY) for each in app.error] == [True]


def test_what_a_page_starts_by_itself_stays_cancelled(served, monkeypatch):
    held = Held()
    monkeypatch.setattr(METHODS["segment"], "steps", lambda *_: held())
    app = show("image", {"store": "digits", "image": 3})
    assert held.begun.wait(SOON)
    job = next(each for each in jobs().pending() if each.state is State.RUNNING)
    app = app.button(key=f"cancel {job.key}").click().run()
    held.go_on.set()
    jobs().wait(job.key, SOON)
    app = settled(app.run())
    assert jobs().pending() == [] and "This was cancelled" in words(app)
