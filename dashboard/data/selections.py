"""Images chosen with the lasso or by a search: their ids under the hash that a link carries."""

import dataclasses

import numpy as np

from dashboard.data import runs
from dashboard.views.binding import View
from dashboard.views.query_text import Notes
from featurestore.reader import Run


def keep(store: str, image_ids: np.ndarray) -> str:
    """The name of a selection in a view; "" for none of the images."""
    ids = np.unique(np.asarray(image_ids, "<i8"))
    return runs.selections(store).add(ids.tobytes()) if len(ids) else ""


def read(store: str, run: Run, name: str) -> np.ndarray:
    """The image_ids (n,) int64, sorted, that the run has. ValueError where it is not kept any more."""
    if not name:
        return np.empty(0, np.int64)
    ids = np.frombuffer(runs.selections(store).read(name), "<i8")
    return ids[(ids >= 0) & (ids < run.image_count)]


def held(view: View, run: Run) -> tuple[View, Notes]:
    """The view, without a selection that is not kept any more: the rest of it can be shown."""
    try:
        read(view.store, run, getattr(view, "selection", ""))
    except ValueError as error:
        return dataclasses.replace(view, selection=""), (str(error),)
    return view, ()
