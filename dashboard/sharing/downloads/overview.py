"""Overview: the first layer's filters, and the layers."""

from compute.reports.filters import run_filters_report
from compute.reports.tables import table_report
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads.download import NUMBERS, Download, command_line
from dashboard.views.definitions import OverviewView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: OverviewView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    filters = Download(
        "filters",
        "First-layer filters",
        lambda: run_filters_report(run, view.scaling),
        command_line("filters", store, run, "filters.png", scaling=view.scaling),
    )
    layers = Download(
        "layers",
        "Layers",
        lambda: table_report(run, "layers"),
        command_line("table", store, run, "layers.csv", name="layers"),
        NUMBERS,
    )
    return (*((filters,) if "filters" in run.tables() else ()), layers)
