"""Neighbours: both spaces in one sheet, of one of the run's images."""

from compute.reports.neighbors import stored_neighbors_report
from dashboard.data import runs
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads.download import Download, command_line
from dashboard.views.definitions import ImageView, NeighborsView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: NeighborsView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """None of an uploaded image: its neighbours are found live, and its file is not the store's."""
    return () if view.upload else (of_image(view, run, store, view.count),)


def of_image(view: NeighborsView | ImageView, run: Run, store: Place, count: int) -> Download:
    name = f"neighbors-{view.image}"
    return Download(
        name,
        "The nearest images",
        lambda: stored_neighbors_report(run, view.image, count, read=runs.original, of_all=False),
        command_line("neighbors", store, run, f"{name}.png", image_id=view.image, count=count),
    )
