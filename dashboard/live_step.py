"""A live method's result for a page that draws it in its own way: started by itself, shared by its key with
the Lab and with everybody's links."""

from typing import Any

from dashboard import data, live, photos
from dashboard.header import Opened
from dashboard.live_request import request
from dashboard.photos import Subject
from dashboard.view_state import LiveView
from featurestore.reader import Run


def finished_step(opened: Opened, view: LiveView, subject: Subject | None = None) -> Any | None:
    """The result of `view`'s method; None while it is made (progress is drawn).

    ValueError where the method is not available, failed, or its network may not be loaded.
    """
    model, method = data.model(opened.run), type(view.built())
    if (reason := method.unavailable_because(model)) is not None:
        raise ValueError(f"{method.title} is not available for {model.name}: {reason}")
    named = subject and (subject.sha256, subject.name)
    wanted = request(view, model.weights_hash, named, None)
    # Read here, where an image that is gone is said at once, and not in the queue.
    photograph = subject and photos.photograph(opened.run, subject.image_id or 0, subject.upload)

    def prepared(_: str) -> Any:
        return model.prepare(photograph)

    job = live.attach(wanted.key, wanted.title, lambda: wanted.steps(model, prepared))
    return None if job is None else job.step


def refusal(run: Run) -> str | None:
    """Why the run's network can't be used here, saying what to do about it; None where it can."""
    try:
        data.model(run)
    except ValueError as error:
        return str(error)
    return None
