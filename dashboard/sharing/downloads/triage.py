"""Triage: the suspects that the page lists, judged or not."""

from compute.reports.base import ReportInputs
from compute.reports.suspects import SuspectsSpec
from dashboard.data import comparison, runs
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import Download, path_said, report_download
from dashboard.views.definitions import TriageView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: TriageView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return the suspects; ValueError where the second network's store is gone."""
    other, named = None, {}
    if view.other_store:
        other = comparison.open_other(view)
        named = {
            "other_store": path_said(runs.stores()[comparison.other_store(view)]),
            "other_run": other.fingerprint,
        }
    spec = SuspectsSpec(kind=view.kind, split=view.split, least=view.least)
    inputs = ReportInputs(run, other)
    return (report_download(spec, store, inputs, "suspects", "The suspects, judged or not", **named),)
