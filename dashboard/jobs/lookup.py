"""Where a live view's result is: in the queue, kept beside the store, or still to be made."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator

import torch

from compute.runtime.environment import environment
from dashboard.jobs.queue import LiveJob, State, Work, jobs
from dashboard.jobs.request import Request, request
from dashboard.jobs.result_store import Result, ResultCache, results
from dashboard.text import reason
from dashboard.views.state import LiveView, ViewState
from featurestore.reader import Run


def result_of(view: ViewState, run: Run) -> Result | None:
    """The finished result that the page of `view` shows; None where it shows or has none. Starts nothing."""
    if not (isinstance(view, LiveView) and view.shows_result):
        return None
    try:
        job = find(view.store, requested(view, run))
    except ValueError:
        # The page itself says what is wrong with its method or its image.
        return None
    return job.step if job is not None and job.state is State.DONE and isinstance(job.step, Result) else None


def requested(view: LiveView, run: Run) -> Request:
    """What the view asks for. ValueError where its image, layer or parameters are not there."""
    second = _of_store(run, view.second)
    image = (view.upload, "uploaded image") if view.upload else _of_store(run, view.image)
    return request(view, run.manifest.model["weights_hash"], image, second)


def find(store: str, wanted: Request) -> LiveJob | None:
    """The job of this request; one whose result is kept comes back into the queue as finished."""
    job = jobs().find(wanted.key)
    if job is not None and job.state not in (State.FAILED, State.CANCELLED):
        return job
    kept = results(store).get(wanted.key)
    return job if kept is None else jobs().adopt(wanted.key, wanted.title, kept, kept.seconds)


def keeping(work: Work, view: LiveView, wanted: Request, device: torch.device | str) -> Work:
    """`work` whose last step is a `Result`, kept beside the view's store."""
    cache = results(view.store)

    def steps() -> Iterator:
        started = time.monotonic()
        with contextlib.closing(work()) as running:
            for step in running:
                yield step
        result = Result(step, time.monotonic() - started, environment(device))
        yield dataclasses.replace(result, note=_keep(cache, view, wanted, result))

    return steps


def _keep(cache: ResultCache, view: LiveView, wanted: Request, result: Result) -> str:
    """What went wrong, for people; a result that can't be kept is a result all the same."""
    if not cache.limit_bytes:
        return ""
    facts = {"method": wanted.method.name, "image": wanted.image[1] if wanted.image else ""}
    query = dataclasses.replace(view, live=True, proof="").to_query()
    try:
        cache.put(wanted.key, wanted.title, result, page=view.page, query=query, facts=facts)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return (
            f"this result could not be kept beside the store ({reason(error)}), so that it is gone "
            "once the server ends. Free some space or make the store's folder writable, or start the "
            "dashboard with --results-mb 0, which keeps none"
        )
    return ""


def _of_store(run: Run, image_id: int) -> tuple[str, str] | None:
    if image_id < 0:
        return None
    row = run.image(image_id)
    return row["sha256"] or "", row["path"]
