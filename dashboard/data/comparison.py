"""What pages read of two runs at once, cached for all sessions; runs never change, so neither do these.

Arguments `run` and `other` are the first and the second run; rows are those of their match.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.analysis.comparison import Accuracies, Match, Overlap
from compute.reports.compare.measures import Channels, Cka, Compared, Moved
from compute.reports.drawing.coloring import Coloring
from dashboard.components import Frame
from dashboard.data import runs
from dashboard.data.runs import BY_FOLDER
from dashboard.views.definitions import CompareView
from dashboard.views.query_text import resolved
from dashboard.views.state import ViewState
from featurestore.reader import Run, Store


@dataclass(frozen=True)
class Pair:
    """Two runs and the page's view of them."""

    view: CompareView
    run: Run
    other: Run

    @property
    def matched(self) -> Match:
        return match(self.run, self.other)

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.run, self.other

    @property
    def itself(self) -> bool:
        return self.run.folder.resolve() == self.other.folder.resolve()

    def have(self, *tables: str) -> bool:
        return all(set(tables) <= set(run.tables()) for run in self.runs)


def other_store(view: CompareView) -> str:
    """Return the listed name of the other store, which an address says or abbreviates."""
    return resolved(view.other_store, runs.stores())


def open_other(view: CompareView) -> Run:
    """Open the other run: the one that the view names, else its store's current one.

    ValueError where it is not there.
    """
    store = other_store(view)
    path = runs.stores().get(store)
    fingerprint = view.other_run or (Store(path).current() if path else "")
    return runs.open_run(store, fingerprint)


def second_run(view: ViewState) -> Run | None:
    """Return the other run of a view of two; None for other views, and where that run is not there."""
    if not isinstance(view, CompareView):
        return None
    try:
        return open_other(view)
    except ValueError:
        return None


@st.cache_resource(max_entries=8, hash_funcs=BY_FOLDER, show_spinner=False)
def compared(run: Run, other: Run) -> Compared:
    return Compared(run, other)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Matching the images …")
def match(run: Run, other: Run) -> Match:
    return compared(run, other).matched


@st.cache_resource(max_entries=512, hash_funcs=BY_FOLDER, show_spinner="Looking for the same images …")
def in_common(run: Run, other: Run) -> bool:
    """Whether any image is in both."""
    hashes, others = (runs.table(each, "images", ("sha256",))["sha256"] for each in (run, other))
    return bool(pc.any(pc.is_in(hashes.drop_null(), others.drop_null())).as_py())


def predictions(run: Run, other: Run) -> pa.Table:
    return compared(run, other).predictions


def accuracies(run: Run, other: Run) -> Accuracies:
    return compared(run, other).accuracies


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def changed(run: Run, other: Run, kind: str, label: str) -> pa.Table:
    """Sorted as they are shown."""
    return compared(run, other).changed(kind, label)


@st.cache_resource(max_entries=8, hash_funcs=BY_FOLDER, show_spinner="Comparing the neighbours …")
def neighbor_rows(run: Run, other: Run) -> tuple[np.ndarray, np.ndarray]:
    """Feature neighbours of each shared image as rows of the match, in the one run and in the other."""
    return compared(run, other).neighbor_rows


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def neighbor_overlap(run: Run, other: Run, k: int) -> Overlap:
    neighbor_rows(run, other)
    return compared(run, other).neighbor_overlap(k)


def layers(run: Run, other: Run) -> dict[str, int]:
    return compared(run, other).layers


@st.cache_resource(max_entries=256, hash_funcs=BY_FOLDER, show_spinner=False)
def channels(run: Run, other: Run, layer: str) -> Channels:
    return compared(run, other).channels(layer)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Laying the maps upon each other …")
def moved(run: Run, other: Run, method: str) -> Moved:
    """ValueError where the two maps show fewer than two images in common."""
    return compared(run, other).moved(method)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def frames(run: Run, other: Run, method: str) -> tuple[Frame, Frame]:
    """Of the one map, and of the other one laid upon it."""
    found = moved(run, other, method)
    return Frame.of(found.here), Frame.of(found.aligned.points)


@st.cache_resource(max_entries=8, hash_funcs=BY_FOLDER, show_spinner="Comparing the features …")
def cka(run: Run, other: Run) -> Cka:
    return compared(run, other).cka


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def coloring(run: Run, other: Run, method: str, column: str) -> Coloring:
    """Colours by the first run's image_id: `kind` of the prediction, `moved` on the maps, or a column."""
    if column == "kind":
        return compared(run, other).kind_coloring()
    if column == "moved":
        return compared(run, other).moved_coloring(moved(run, other, method))
    return runs.coloring(run, column)
