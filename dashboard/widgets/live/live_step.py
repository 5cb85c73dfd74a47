"""A live method's result for a page that draws it in its own way: started by itself, shared by its key with
the Lab and with everybody's links, and kept like theirs."""

from typing import Any

from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs.lookup import find, keeping
from dashboard.jobs.queue import LiveJob, State
from dashboard.jobs.request import Request, request
from dashboard.views.state import LiveView
from dashboard.widgets.header import Opened
from dashboard.widgets.live.attached import attach


def finished_step(opened: Opened, view: LiveView, subject: ChosenImage | None = None) -> Any | None:
    """The result of `view`'s method; None while it is made, or where it could not be (which is drawn).

    ValueError where the method is not available, or its network may not be loaded. A result that is kept
    needs no network.
    """
    named = subject and (subject.sha256, subject.name)
    wanted = request(view, opened.run.manifest.model["weights_hash"], named, None)
    job = find(view.store, wanted)
    if job is not None and job.state is State.DONE:
        return job.step
    job = _attached(opened, view, wanted, subject)
    return None if job is None else job.step


def _attached(opened: Opened, view: LiveView, wanted: Request, subject: ChosenImage | None) -> LiveJob | None:
    model, method = runs.model(opened.run), type(wanted.method)
    if (reason := method.unavailable_because(model)) is not None:
        raise ValueError(f"{method.title} is not available for {model.name}: {reason}")
    # Read here, where an image that is gone is said at once, and not in the queue.
    photograph = subject and photographs.photograph(opened.run, subject.image_id or 0, subject.upload)

    def steps():
        return wanted.steps(model, lambda _: model.prepare(photograph))

    return attach(wanted.key, wanted.title, keeping(steps, view, wanted, model.device), view)
