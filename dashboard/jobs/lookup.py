"""What a live view asks for, and the result of it, where there is one."""

from collections.abc import Callable

from dashboard.data.uploads import uploads
from dashboard.jobs.queue import State
from dashboard.jobs.request import Request, request
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import results
from dashboard.jobs.task import find
from dashboard.views.state import LiveView, ViewState
from featurestore.reader import Run


def result_of(view: ViewState, run: Run) -> Result | None:
    """Return the finished result that the page of `view` shows, if there is one. Starts nothing."""
    if not (isinstance(view, LiveView) and view.shows_result):
        return None
    try:
        wanted = requested(view, run)
    except ValueError:
        # The page itself says what is wrong with its method or its image.
        return None
    job = find(wanted.key, wanted.title, kept(view, wanted))
    return job.step if job is not None and job.state is State.DONE and isinstance(job.step, Result) else None


def requested(view: LiveView, run: Run) -> Request:
    """Return what the view asks for. ValueError where its image, layer or parameters are not there."""
    image = _uploaded(view.upload) or _of_store(run, view.image)
    second = _uploaded(view.second_upload) or _of_store(run, view.second)
    return request(view, run.manifest.model["weights_hash"], image, second)


def kept(view: LiveView, wanted: Request) -> Callable[[], Result | None]:
    """Return what looks for the result beside the view's store."""
    return lambda: results(view.store).get(wanted.key)


def _uploaded(upload: str) -> tuple[str, str] | None:
    return (upload, uploads().name_of(upload)) if upload else None


def _of_store(run: Run, image_id: int) -> tuple[str, str] | None:
    if image_id < 0:
        return None
    row = run.image(image_id)
    return row["sha256"] or "", row["path"]
