"""Tasks of one step, which yields one value; one of them finds each channel's strongest unit in an image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from compute.reports.channels.picture_box import PictureBox
from compute.reports.channels.responses import Peaks, peaks_of
from dashboard.data import photographs, runs
from dashboard.data.photographs import ChosenImage
from dashboard.jobs.queue import State, jobs
from dashboard.jobs.task import Task, key_of
from dashboard.views.state import ViewState
from featurestore.reader import Run

PATIENCE = 120.0
"""Seconds that a download waits for its turn in the queue."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Once(Generic[Value]):
    """The only step of a job that says nothing on its way; before it, index 0 and nothing yet."""

    value: Value
    index: int = 1
    total: int = 1


def one_step_task(
    title: str, compute: Callable[[], Value], view: ViewState, depends_on: tuple[object, ...]
) -> Task:
    """Return the task that computes one value, which depends on what is named alone."""

    def steps() -> Iterator[Once[Value]]:
        yield Once(compute())

    return Task(key_of(*depends_on), title, lambda: steps, view)


def value_of(task: Task, owner: str, address: str | None = None) -> Any:
    """Return the value of a task of one step, as `step_of`."""
    return step_of(task, owner, address).value


def step_of(task: Task, owner: str, address: str | None = None) -> Any:
    """Return the last step of a task, for a download.

    owner, address: whose download it is, see `dashboard.jobs.visitor`; it counts as a job of theirs.
    ValueError where it fails, or its turn in the queue doesn't come in time.
    """
    jobs().submit(task.key, task.title, owner, task.prepare(), address=address, view=task.view)
    job = jobs().wait(task.key, PATIENCE)
    if job is None or job.state is not State.DONE:
        raise ValueError((job and job.message) or "the queue is long; try again later")
    return job.step


def strongest_units(run: Run, image: ChosenImage, view: ViewState, box: PictureBox | None = None) -> Task:
    """Return the task that finds every channel's strongest unit in an image: by layer, its `Peaks`.

    box: in which units count, see `peaks_of`.
    ValueError where the network may not be used, or the image is gone.
    """
    model, named = runs.model(run), (image.image_id or 0, image.upload)
    photographs.stored(run, *named)

    def compute() -> dict[str, Peaks]:
        with photographs.decoded(run, *named) as photograph:
            return peaks_of(run, model, photograph, box)

    depends_on = ("strongest channels", run.fingerprint, model.weights_hash, image.sha256)
    if box is None:
        return one_step_task(f"Channels that respond to {image.name}", compute, view, depends_on)
    title = f"Channels that respond to a box in {image.name}"
    return one_step_task(title, compute, view, (*depends_on, box.to_text()))
