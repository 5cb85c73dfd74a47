"""Compare: what the tab shows of two runs."""

from compute.reports.compare.report import Asked, compare_report
from dashboard.data import comparison, runs
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads.download import Download, command_line, path_said
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
    """None without another run; ValueError where it is gone."""
    if not view.other_store:
        return ()
    other = comparison.open_other(view)
    compared = comparison.compared(run, other)
    asked = _asked(view, compared)
    if asked is None:
        return ()
    name = "-".join(filter(None, ("compare", view.tab, asked.layer, asked.method)))
    shown = {"show": view.tab} | {option: getattr(asked, option) for option in USED[view.tab]}
    other_store = path_said(runs.stores()[comparison.other_store(view)])
    where = {"other_store": other_store, "other_run": other.fingerprint}
    command = command_line("compare", store, run, f"{name}.png", **where, **shown)
    return (Download(name, TITLES[view.tab], lambda: compare_report(compared, asked), command),)


USED = {
    "summary": ("k",),
    "predictions": ("kind", "label"),
    "neighbors": ("k",),
    "channels": ("layer",),
    "maps": ("method", "color"),
}


def _asked(view: CompareView, compared) -> Asked | None:
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
    return Asked(**asked)
