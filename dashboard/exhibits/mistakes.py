"""Mistakes: the confusion matrix, and the errors behind the chosen cell.

Of a selection there is no command line: it lies in the dashboard's own folder beside the store.
"""

from pathlib import Path

import pyarrow.compute as pc

from compute.exhibits.matrix import confusion_drawing, errors_drawing
from dashboard import data, selection
from dashboard.exhibits.exhibit import Exhibit, command_line
from dashboard.results import Result
from dashboard.views import MistakesView
from featurestore.reader import Run


def exhibits(view: MistakesView, run: Run, store: Path, result: Result | None) -> tuple[Exhibit, ...]:
    images = data.table(run, "images", ("label", "split"))
    if images["label"].null_count == len(images):
        return ()
    split = view.split if view.split in pc.unique(images["split"]).to_pylist() else ""
    ids = selection.read(view.store, run, view.selection) if view.selection else None
    asked = {"split": split, "label": view.label, "predicted": view.predicted}
    matrix = Exhibit(
        "confusion",
        "The confusion matrix",
        lambda: confusion_drawing(run, split, ids),
        None if view.selection else command_line("confusion", store, run, "confusion.png", split=split),
    )
    errors = Exhibit(
        "mistakes",
        "Images of the chosen cell" if view.label or view.predicted else "The errors, most confident first",
        lambda: errors_drawing(run, **asked, ids=ids),
        None if view.selection else command_line("mistakes", store, run, "mistakes.png", **asked),
    )
    return matrix, errors
