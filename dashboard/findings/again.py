"""A live view's result, computed in this process without a queue or a page."""

import time

from compute.environment import environment
from dashboard import data, photos
from dashboard.live_results import requested
from dashboard.results import Result
from dashboard.view_state import LiveView
from featurestore.reader import Run


def computed(view: LiveView, run: Run) -> Result:
    """ValueError where the network may not be loaded, or an image is gone."""
    wanted, model = requested(view, run), data.model(run)
    chosen = {"image": view.image, "second": view.second}

    def read(which: str):
        photograph = photos.photograph(run, chosen[which])
        return photos.whole_tensor(model, photograph) if wanted.whole else model.prepare(photograph)

    started = time.monotonic()
    for step in wanted.steps(model, read):
        last = step
    return Result(last, time.monotonic() - started, environment(model.device))
