"""Mistakes: the confusion matrix and the errors behind the chosen cell; the images that their neighbours
outvote; the classes.

Of a selection there is no command line: it lies in the dashboard's own folder beside the store.
"""

import numpy as np
import pyarrow.compute as pc

from compute.reports.mistakes import classes_report, confusion_report, mistakes_report, outvoted_report
from dashboard.data import runs, selections
from dashboard.jobs.result_store import Result
from dashboard.sharing.downloads.download import NUMBERS, Download, command_line
from dashboard.views.definitions import MistakesView
from featurestore.places import Place
from featurestore.reader import Run


def downloads(view: MistakesView, run: Run, store: Place, result: Result | None) -> tuple[Download, ...]:
    images = runs.table(run, "images", ("label", "split"))
    if images["label"].null_count == len(images):
        return ()
    split = view.split if view.split in pc.unique(images["split"]).to_pylist() else ""
    ids = selections.read(view.store, run, view.selection) if view.selection else None
    if view.tab == "classes":
        return (_classes(run, store, split, ids),)
    if view.tab == "neighbors":
        return (_outvoted(view, run, store, split, ids),) if "neighbors" in run.tables() else ()
    return _matrix(run, store, split, ids), _errors(view, run, store, split, ids)


def _matrix(run: Run, store: Place, split: str, ids: np.ndarray | None) -> Download:
    return Download(
        "confusion",
        "The confusion matrix",
        lambda: confusion_report(run, split, ids),
        _command("confusion", store, run, ids, split=split),
    )


def _errors(view: MistakesView, run: Run, store: Place, split: str, ids: np.ndarray | None) -> Download:
    asked = {"split": split, "label": view.label, "predicted": view.predicted}
    return Download(
        "mistakes",
        "Images of the chosen cell" if view.label or view.predicted else "The errors, most confident first",
        lambda: mistakes_report(run, **asked, ids=ids),
        _command("mistakes", store, run, ids, **asked),
    )


def _outvoted(view: MistakesView, run: Run, store: Place, split: str, ids: np.ndarray | None) -> Download:
    asked = {"count": view.k, "split": split, "label": view.label, "majority": view.predicted}
    return Download(
        "outvoted",
        "Images that their neighbours outvote",
        lambda: outvoted_report(run, **asked, ids=ids),
        _command("outvoted", store, run, ids, **asked),
    )


def _classes(run: Run, store: Place, split: str, ids: np.ndarray | None) -> Download:
    return Download(
        "classes",
        "Recall and precision of each class",
        lambda: classes_report(run, split, ids),
        _command("classes", store, run, ids, suffix=".csv", split=split),
        NUMBERS,
    )


def _command(
    name: str, store: Place, run: Run, ids: np.ndarray | None, suffix: str = ".png", **asked: str | int
) -> str | None:
    return None if ids is not None else command_line(name, store, run, f"{name}{suffix}", **asked)
