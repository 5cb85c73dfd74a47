"""Images chosen with the lasso or by a search: their ids under the hash that a link carries."""

import dataclasses
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard.data import runs
from dashboard.data.content_store import ContentStore, KeptBytes
from dashboard.views.binding import View
from dashboard.views.query_text import Notes
from featurestore.files.disk_cache import DiskCache
from featurestore.reader import Run

FOLDER = "selections"
DISK_BYTES, MOST_ON_DISK, SLACK = 256 * 1024 * 1024, 10_000, 0.1
"""Of all selections of a store together; those shown longest ago go first, a tenth at a time."""


def selections(store: str) -> ContentStore:
    """Return the image ids, as little-endian int64, that are kept beside the store of this listed name."""
    return _selections(str(runs.folder_beside(store)))


@st.cache_resource(show_spinner=False)
def _selections(folder: str) -> ContentStore:
    disk = DiskCache(Path(folder) / FOLDER, DISK_BYTES, slack=SLACK, most_files=MOST_ON_DISK, beside=True)
    return ContentStore("the selection", _in_memory(), disk)


@st.cache_resource(show_spinner=False)
def _in_memory() -> KeptBytes[bytes]:
    """Return the selections of all stores that are in memory; a name says what it names."""
    return KeptBytes(runs.settings().share("selections"))


def keep(store: str, image_ids: np.ndarray) -> str:
    """Keep a selection and return its name in a view; "" for no image."""
    ids = np.unique(np.asarray(image_ids, "<i8"))
    return selections(store).add(ids.tobytes()) if len(ids) else ""


def is_kept(store: str, name: str) -> bool:
    """Return whether the selection of a view can be read; "" is the one of no image."""
    try:
        return not name or selections(store).read(name) is not None
    except ValueError:
        return False


def read(store: str, run: Run, name: str) -> np.ndarray:
    """Return the selected image_ids (n,) int64, sorted, that the run has.

    ValueError where the selection is not kept any more.
    """
    if not name:
        return np.empty(0, np.int64)
    ids = np.frombuffer(selections(store).read(name), "<i8")
    return ids[(ids >= 0) & (ids < run.image_count)]


def held(view: View, run: Run) -> tuple[View, Notes]:
    """Return the view without a selection that is not kept any more, with a note: its rest can be shown."""
    try:
        read(view.store, run, getattr(view, "selection", ""))
    except ValueError as error:
        return dataclasses.replace(view, selection=""), (str(error),)
    return view, ()
