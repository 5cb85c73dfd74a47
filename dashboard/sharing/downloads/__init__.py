"""What of each page can be taken along: made from its view and its run alone."""

from collections.abc import Callable

from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads import (
    channels,
    compare,
    image,
    map,
    method_result,
    mistakes,
    neighbors,
    overview,
)
from dashboard.sharing.downloads.download import Exhibit
from dashboard.views.state import ViewState
from featurestore.places import Place
from featurestore.reader import Run

Exhibits = tuple[Exhibit, ...]

PAGES: dict[str, Callable[[ViewState, Run, Place, Result | None], Exhibits]] = {
    "overview": overview.exhibits,
    "map": map.exhibits,
    "neighbors": neighbors.exhibits,
    "channels": channels.exhibits,
    "image": image.exhibits,
    "mistakes": mistakes.exhibits,
    "compare": compare.exhibits,
    "lab": method_result.exhibits,
}


def exhibits_of(view: ViewState, run: Run, store: Place, result: Result | None = None) -> Exhibits:
    """The page's main picture first; empty where it has none. result: the live one that it shows."""
    make = PAGES.get(view.page)
    return () if make is None else make(view, run, store, result)


def exhibit_of(view: ViewState, run: Run, store: Place, result: Result | None = None) -> Exhibit | None:
    """The page's main picture."""
    return next(iter(exhibits_of(view, run, store, result)), None)
