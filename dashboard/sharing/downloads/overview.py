"""Overview: the first layer's filters, and the layers."""

from compute.reports.base import ReportInputs
from compute.reports.filters import FiltersSpec
from compute.reports.tables import TableSpec
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import Download, report_download
from dashboard.views.definitions import OverviewView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: OverviewView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the first layer's filters, where the run has them, and the layers."""
    inputs = ReportInputs(run)
    filters = report_download(FiltersSpec(view.scaling), store, inputs, "filters", FiltersSpec.title)
    layers = report_download(TableSpec("layers"), store, inputs, "layers", "Layers")
    return (*((filters,) if "filters" in run.tables() else ()), layers)
