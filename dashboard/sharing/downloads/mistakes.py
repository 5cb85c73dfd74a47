"""Mistakes: the confusion matrix and the errors behind the chosen cell; the images that their neighbours
outvote; the classes.

Of a selection there is no command line: it lies in the dashboard's own folder beside the store.
"""

import pyarrow.compute as pc

from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.mistakes import ClassesSpec, ConfusionSpec, MistakesSpec, OutvotedSpec
from dashboard.data import runs, selections
from dashboard.data.labelled_images import condition, images_where
from dashboard.jobs.result import Result
from dashboard.sharing.downloads.download import Download, report_download
from dashboard.views.definitions import MistakesView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: MistakesView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    """Return what the tab shows; nothing where no image has a label."""
    images = runs.table(run, "images", ("label", "split"))
    if images["label"].null_count == len(images):
        return ()
    split = view.split if view.split in pc.unique(images["split"]).to_pylist() else ""
    ids = selections.read(view.store, run, view.selection) if view.selection else None
    inputs = ReportInputs(run, ids=ids)
    where = _understood(run, condition(run, view))
    return tuple(
        report_download(spec, store, inputs, spec.name, title)
        for spec, title in _shown(view, run, split, where)
    )


def _understood(run: Run, where: str) -> str:
    """A condition, or "" for one that the page has passed over with a warning."""
    try:
        return where if where and len(images_where(run, where)) >= 0 else ""
    except ValueError:
        return ""


def _shown(view: MistakesView, run: Run, split: str, where: str) -> tuple[tuple[ReportSpec, str], ...]:
    """The reports of the tab and what they are called on the page."""
    if view.tab == "classes":
        return ((ClassesSpec(split, where), "Recall and precision of each class"),)
    if view.tab == "neighbors":
        outvoted = OutvotedSpec(view.k, split, view.label, view.predicted, where)
        return ((outvoted, OutvotedSpec.title),) if "neighbors" in run.tables() else ()
    all_errors = not (view.label or view.predicted)
    title = "The errors, most confident first" if all_errors else "Images of the chosen cell"
    return (
        (ConfusionSpec(split, where), "The confusion matrix"),
        (MistakesSpec(split, view.label, view.predicted, where), title),
    )
