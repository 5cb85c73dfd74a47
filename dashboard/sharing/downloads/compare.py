"""Compare: what the tab shows of two runs."""

from compute.reports.base import ReportInputs
from compute.reports.compare.measures import Compared
from compute.reports.compare.report import CompareSpec, compare_report
from compute.reports.compare.series import SHORT
from compute.reports.compare.series_report import SeriesSpec, series_report
from dashboard.data import comparison, partners, runs
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import Download, path_said, report_download
from dashboard.sharing.downloads.explained import explained
from dashboard.views.definitions import CompareView
from featurestore.places import Place
from featurestore.reader import Run

TITLES = {
    "summary": "All measures",
    "predictions": "The changed predictions",
    "neighbors": "How many neighbours each image keeps",
    "channels": "The channels' strongest images in common",
    "maps": "The maps laid upon each other",
}


def downloads(view: CompareView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return what the tab shows of two runs: nothing without another run, ValueError where it is gone."""
    if not view.other_store:
        return ()
    if view.tab == "series":
        return _series(view, run, store)
    other = comparison.open_other(view)
    compared = comparison.compared(run, other)
    spec, beside = _spec(view, compared), explained(view, compared, store) if view.explain else ()
    if spec is None:
        return beside
    name = "-".join(filter(None, ("compare", view.tab, spec.layer, spec.method)))
    return (
        report_download(
            spec,
            store,
            ReportInputs(run, other),
            name,
            TITLES[view.tab],
            lambda: compare_report(compared, spec),
            other_store=path_said(runs.stores()[comparison.other_store(view)]),
            other_run=other.fingerprint,
        ),
        *beside,
    )


def _series(view: CompareView, run: Run, store: Place) -> tuple[Download, ...]:
    """The series that the tab shows: nothing of fewer than two runs."""
    taking_part = partners.series(view, run)
    others = [(place, other) for place, other in taking_part.values() if other.fingerprint != run.fingerprint]
    if not others:
        return ()
    reference = view.reference if view.reference in taking_part else run.fingerprint[:SHORT]
    spec = SeriesSpec(order=view.order, reference=reference, k=view.k)
    inputs = ReportInputs(run, other_runs=tuple(other for _, other in others))
    listed = runs.stores()
    return (
        report_download(
            spec,
            store,
            inputs,
            "compare-series",
            "The series of runs",
            lambda: series_report(inputs, spec, comparison.KeptMeasures()),
            other_stores=tuple(_unlike_options(path_said(listed[name])) for (name, _), _ in others),
            other_runs=tuple(other.fingerprint for _, other in others),
        ),
    )


def _unlike_options(store: Place) -> str:
    """A path as a command line has it among several: one that looks like an option would be taken for one."""
    return f"./{store}" if str(store).startswith("-") else str(store)


def _spec(view: CompareView, compared: Compared) -> CompareSpec | None:
    """What the tab shows, its defaults filled in; None where it shows nothing of these runs."""
    asked = {"show": view.tab, "k": view.k, "kind": view.kind, "label": view.label, "color": view.color}
    if not len(compared.matched) or (view.tab == "neighbors" and not compared.have("neighbors")):
        return None
    if view.tab == "channels":
        if not compared.have("layers", "channels", "top_patches") or not compared.layers:
            return None
        asked["layer"] = view.layer if view.layer in compared.layers else next(iter(compared.layers))
    if view.tab == "maps":
        if not compared.maps:
            return None
        asked["method"] = view.map if view.map in compared.maps else compared.maps[0]
    return CompareSpec(**asked)
