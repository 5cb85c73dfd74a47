"""Map: the points, or the grid."""

import numpy as np

from compute.reports.base import ReportInputs
from compute.reports.maps.clusters import ClustersSpec
from compute.reports.maps.grid import GridSpec
from compute.reports.maps.map import MapSpec
from compute.reports.tables import images_report
from dashboard.data import runs, selections
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import NUMBERS, Download, report_download
from dashboard.views.definitions import MapView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: MapView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the points or the grid, and the selected images where there are some."""
    if not view.map:
        return ()
    plane = _points(view, run, store) if view.show == "points" else _grid(view, run, store)
    more = (_clusters(view, run, store),) if view.show == "points" and view.clusters else ()
    return (plane, *more, _selection(view, run)) if view.selection else (plane, *more)


def _selection(view: MapView, run: Run) -> Download:
    """The images within the lasso that the search finds; no command line knows them."""
    ids = selections.read(view.store, run, view.selection)
    if view.search.strip():
        ids = np.intersect1d(ids, runs.hits(run, view.search))
    name = f"selection-{view.selection[:12]}"
    return Download(name, "The selected images", lambda: images_report(run, ids), None, NUMBERS)


def _points(view: MapView, run: Run, store: Place) -> Download:
    spec = MapSpec(view.map, view.color, view.pictures == "always", view.search.strip())
    return report_download(spec, store, ReportInputs(run), f"map-{view.map}-{view.color}", "The map")


def _clusters(view: MapView, run: Run, store: Place) -> Download:
    spec = ClustersSpec(view.map, view.color, filter=view.search.strip())
    return report_download(
        spec, store, ReportInputs(run), f"clusters-{view.map}-{view.color}", "The clusters"
    )


def _grid(view: MapView, run: Run, store: Place) -> Download:
    spec = GridSpec(view.map, view.kind, view.seams, view.search.strip())
    return report_download(spec, store, ReportInputs(run), f"grid-{view.map}-{view.kind}", "The grid")
