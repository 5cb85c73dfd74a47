"""What each page offers to download: made from its view and its run alone."""

from collections.abc import Callable

from dashboard.jobs.result import Result
from dashboard.sharing.downloads import (
    channels,
    compare,
    image,
    map,
    method_result,
    mistakes,
    neighbors,
    overview,
    triage,
)
from dashboard.sharing.downloads.download import Download
from dashboard.views.state import ViewState
from featurestore.places import Place
from featurestore.reader import Run

Downloads = tuple[Download, ...]

PAGES: dict[str, Callable[[ViewState, Run, Place, Result | None], Downloads]] = {
    "overview": overview.downloads,
    "map": map.downloads,
    "neighbors": neighbors.downloads,
    "channels": channels.downloads,
    "image": image.downloads,
    "mistakes": mistakes.downloads,
    "triage": triage.downloads,
    "compare": compare.downloads,
    "lab": method_result.downloads,
}


def downloads_of(view: ViewState, run: Run, store: Place, result: Result | None = None) -> Downloads:
    """Return what a page offers to download, its main picture first; empty where it has nothing.

    store: as the command line names it.
    result: the live result that the page shows.
    """
    make = PAGES.get(view.page)
    return () if make is None else make(view, run, store, result)


def main_download(view: ViewState, run: Run, store: Place, result: Result | None = None) -> Download | None:
    """Return the page's main picture; None where it has none."""
    return next(iter(downloads_of(view, run, store, result)), None)
