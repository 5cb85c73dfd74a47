"""Neighbours: both spaces in one sheet, of one of the run's images."""

from compute.reports.base import ReportInputs
from compute.reports.neighbors import NeighborsSpec, stored_neighbors_report
from dashboard.data import runs
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import Download, report_download
from dashboard.views.definitions import ImageView, NeighborsView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: NeighborsView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the image's neighbours; nothing of an upload, whose file is not the store's."""
    return () if view.upload else (of_image(view, run, store, view.count),)


def of_image(view: NeighborsView | ImageView, run: Run, store: Place, count: int) -> Download:
    """Return the neighbours of one of the run's images.

    Without how many neighbours of all images share their label, which would read the whole table.
    """
    return report_download(
        NeighborsSpec(count),
        store,
        ReportInputs(run, image_id=view.image),
        f"neighbors-{view.image}",
        "The nearest images",
        lambda: stored_neighbors_report(run, view.image, count, read=runs.original, of_all=False),
    )
