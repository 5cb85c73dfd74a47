"""A live method as a task for the queue: what it runs on, and the result that it leaves beside the store."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

from compute.methods.base import IMAGE, REFERENCES, SECOND, Step
from compute.models.model import Model
from compute.reports.drawing.film import Frames
from compute.reports.live.result import references
from compute.runtime.environment import environment
from dashboard.data import photographs, runs
from dashboard.jobs.lookup import kept, requested
from dashboard.jobs.queue import Work
from dashboard.jobs.request import Request
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import ResultCache, results
from dashboard.jobs.task import Task
from dashboard.text import reason
from dashboard.views.state import LiveView
from featurestore.reader import Run


class MethodUnavailable(ValueError):
    """The method is not defined for the run's network."""


def method_task(view: LiveView, run: Run) -> Task:
    """Return the task of a view's method. ValueError where its image, layer or parameters are not there.

    A result that is kept needs no network, nor that the user's code may run; all else checks both.
    """
    wanted = requested(view, run)

    def check() -> None:
        model, method = runs.model(run), type(wanted.method)
        if (why := method.unavailable_because(model)) is not None:
            raise MethodUnavailable(f"{method.title} is not available for {model.name}: {why}")

    def prepare() -> Work:
        return _keeping(work_of(wanted, view, run), view, wanted)

    opens_on = dataclasses.replace(view.alone(), live=True, proof="")
    return Task(wanted.key, wanted.title, prepare, opens_on, view.live, check, kept(view, wanted))


def work_of(wanted: Request, view: LiveView, run: Run) -> Work:
    """Return the work of a view's method, whose last step is a `Result`.

    It holds the names of its images, which are decoded when it runs: until then others may wait for long.
    ValueError where the network may not be loaded, or an image is gone.
    """
    model = runs.model(run)
    read = _reader(wanted, view, run, model)

    def steps() -> Iterator[Step]:
        started, frames = time.monotonic(), Frames()
        with contextlib.closing(wanted.steps(model, read)) as running:
            for step in running:
                frames.add(step)
                yield step
        seconds = time.monotonic() - started
        yield Result.of(step, seconds, environment(model.device), frames.all(step))

    return steps


def _reader(wanted: Request, view: LiveView, run: Run, model: Model) -> Callable[[str], object]:
    """Return what prepares images for the network: "image", "second" or "references".

    ValueError where one is gone.
    """
    images = {}
    if wanted.image is not None:
        images[IMAGE] = view.image, view.upload
    if wanted.second is not None:
        images[SECOND] = max(view.second, 0), view.second_upload
    for named in images.values():
        photographs.stored(run, *named)

    def read(which: str) -> object:
        if which == REFERENCES:
            return references(run, model, wanted.target, wanted.layer, wanted.channel, runs.original)
        with photographs.decoded(run, *images[which]) as photograph:
            return model.prepare(photograph, whole=wanted.whole)

    return read


def _keeping(work: Work, view: LiveView, wanted: Request) -> Work:
    """Return the work with its last step, a `Result`, kept beside the view's store."""
    cache = results(view.store)

    def steps() -> Iterator[Step]:
        with contextlib.closing(work()) as running:
            for step in running:
                if isinstance(step, Result):
                    step = dataclasses.replace(step, note=_keep(cache, view, wanted, step))
                yield step

    return steps


def _keep(cache: ResultCache, view: LiveView, wanted: Request, result: Result) -> str:
    """Return what went wrong, for people; a result that can't be kept is a result all the same."""
    if not cache.limit_bytes:
        return ""
    facts = {"method": wanted.method.name, "image": wanted.image[1] if wanted.image else ""}
    query = dataclasses.replace(view.alone(), live=True, proof="").to_query()
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
