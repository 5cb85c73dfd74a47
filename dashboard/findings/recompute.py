"""A live view's result, computed in this process without a queue or a page."""

from dashboard.jobs.lookup import requested
from dashboard.jobs.method_task import work_of
from dashboard.jobs.result import Result
from dashboard.views.state import LiveView
from featurestore.reader import Run


def computed(view: LiveView, run: Run) -> Result:
    """Return the result. ValueError where the network may not be loaded, or an image is gone."""
    for step in work_of(requested(view, run), view, run)():
        last = step
    return last
