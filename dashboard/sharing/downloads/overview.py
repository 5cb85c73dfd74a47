"""Overview: the first layer's filters, and the layers; or the answer to a question in SQL."""

import shlex

from compute.reports.base import ReportInputs
from compute.reports.channels.filters import FiltersSpec
from compute.reports.drawing.formats import CSV
from compute.reports.drawing.report import Report
from compute.reports.tables import TableSpec
from dashboard.jobs import visitor
from dashboard.jobs.one_step import value_of
from dashboard.jobs.question import question_task
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import NUMBERS, Download, report_download
from dashboard.views.definitions import ASK, OverviewView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: OverviewView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the first layer's filters, where the run has them, and the layers; or a question's answer."""
    if view.show == ASK:
        return (_answer(view, run, store),) if view.sql.strip() else ()
    inputs = ReportInputs(run)
    filters = report_download(FiltersSpec(view.scaling), store, inputs, "filters", FiltersSpec.title)
    layers = report_download(TableSpec("layers"), store, inputs, "layers", "Layers")
    return (*((filters,) if "filters" in run.tables() else ()), layers)


def _answer(view: OverviewView, run: Run, store: Place) -> Download:
    asker = visitor.owner(), visitor.address()
    words = [str(store), view.sql, "--run", run.fingerprint, "--out", f"answer{CSV}"]
    return Download(
        "answer",
        "The answer",
        lambda: _report(view, run, asker),
        f"python -m featurestore sql {shlex.join(words)}",
        NUMBERS,
    )


def _report(view: OverviewView, run: Run, asker: visitor.Asker) -> Report:
    answer = value_of(question_task(run, view), *asker)
    numbers = {"rows": answer.table.num_rows, "cut": answer.cut}
    return Report({"sql": view.sql, "run": run.fingerprint}, numbers, tabulate=lambda: answer.table)
