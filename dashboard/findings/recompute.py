"""A live view's result, computed in this process without a queue or a page."""

import time

from compute.runtime.environment import environment
from dashboard.data import photographs, runs
from dashboard.jobs.lookup import requested
from dashboard.jobs.result_store import Result
from dashboard.views.state import LiveView
from featurestore.reader import Run


def computed(view: LiveView, run: Run) -> Result:
    """ValueError where the network may not be loaded, or an image is gone."""
    wanted, model = requested(view, run), runs.model(run)
    chosen = {"image": view.image, "second": view.second}

    def read(which: str):
        photograph = photographs.photograph(run, chosen[which])
        return photographs.whole_tensor(model, photograph) if wanted.whole else model.prepare(photograph)

    started = time.monotonic()
    for step in wanted.steps(model, read):
        last = step
    return Result(last, time.monotonic() - started, environment(model.device))
