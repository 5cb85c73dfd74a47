"""What pages read of two runs at once, cached for all sessions; runs never change, so neither do these.

`run` is the first run, `other` the one that it is compared with. Where something is said of each image, the
images are those that both runs have.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.analysis.comparison import Match, Overlap
from compute.reports.compare.measures import Channels, Compared, Moved
from compute.reports.drawing.coloring import Coloring
from dashboard.components import Frame
from dashboard.data import runs
from dashboard.data.runs import BY_FOLDER
from dashboard.views.definitions import CompareView, TriageView
from dashboard.views.query_text import resolved
from dashboard.views.state import ViewState
from featurestore.reader import Run, Store


@dataclass(frozen=True)
class Pair:
    """The two runs of the Compare page and its view of them."""

    view: CompareView
    run: Run
    other: Run

    @property
    def compared(self) -> Compared:
        """All that is measured between the two."""
        return compared(self.run, self.other)

    @property
    def matched(self) -> Match:
        """The images that are in both runs."""
        return self.compared.matched

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.run, self.other

    @property
    def names(self) -> tuple[str, str]:
        """What tells the two apart: their networks, their stores, or when they were made."""
        networks = tuple(str(run.manifest.model.get("name", "network")) for run in self.runs)
        stores = self.view.store, other_store(self.view)
        times = tuple(f"the {runs.spoken(run)}" for run in self.runs)
        numbers = tuple(f"run {run.fingerprint}" for run in self.runs)
        different = (pair for pair in (networks, stores, times, numbers) if pair[0] != pair[1])
        first, other = next(different, networks)
        return first, other

    @property
    def stores(self) -> tuple[str, str]:
        """The names of both stores; of one store's two runs, which one it is."""
        names = self.view.store, other_store(self.view)
        return names if names[0] != names[1] else ("the first run", "the other one")

    @property
    def itself(self) -> bool:
        """Whether a run is compared with itself."""
        return self.run.folder.resolve() == self.other.folder.resolve()


def other_store(view: CompareView | TriageView) -> str:
    """Return the listed name of the other store, which an address says or abbreviates."""
    return resolved(view.other_store, runs.stores())


def open_other(view: CompareView | TriageView) -> Run:
    """Open the other run: the one that the view names, else its store's current one.

    ValueError where it is not there.
    """
    store = other_store(view)
    path = runs.stores().get(store)
    fingerprint = getattr(view, "other_run", "") or (Store(path).current() if path else "")
    return runs.open_run(store, fingerprint)


def second_run(view: ViewState) -> Run | None:
    """Return the other run of a view of two; None for other views, and where that run is not there."""
    if not isinstance(view, CompareView | TriageView) or not view.other_store:
        return None
    try:
        return open_other(view)
    except ValueError:
        return None


@st.cache_resource(max_entries=8, hash_funcs=BY_FOLDER, show_spinner=False)
def compared(run: Run, other: Run) -> Compared:
    """Return all that is measured between two runs; each measure is made when it is first asked for."""
    return Compared(run, other)


@st.cache_resource(max_entries=512, hash_funcs=BY_FOLDER, show_spinner="Looking for the same images …")
def in_common(run: Run, other: Run) -> bool:
    """Return whether any image is in both runs."""
    hashes, others = (runs.table(each, "images", ("sha256",))["sha256"] for each in (run, other))
    if hashes.equals(others):  # two networks over one set of images, the usual case, needs no look-up
        return hashes.null_count < len(hashes)
    return bool(pc.any(pc.is_in(hashes.drop_null(), others.drop_null())).as_py())


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def changed(run: Run, other: Run, kind: str, label: str) -> pa.Table:
    """Return the images whose predicted class changed, sorted as they are shown.

    kind: "all", "fixed", "broken", "both wrong" or "changed" (without a label). label: "" for any.
    """
    return compared(run, other).changed(kind, label)


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner="Comparing the neighbours …")
def neighbor_overlap(run: Run, other: Run, k: int) -> Overlap:
    """Return how many of its k nearest images each image has in common in both runs."""
    return compared(run, other).neighbor_overlap(k)


@st.cache_resource(max_entries=256, hash_funcs=BY_FOLDER, show_spinner=False)
def channels(run: Run, other: Run, layer: str) -> Channels:
    """Return how many of its strongest images each channel of a layer has in common in both runs."""
    return compared(run, other).channels(layer)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Laying the maps upon each other …")
def moved(run: Run, other: Run, method: str) -> Moved:
    """Return the two maps by `method`, the other one laid upon the first.

    ValueError where the two maps show fewer than two images in common.
    """
    return compared(run, other).moved(method)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def frames(run: Run, other: Run, method: str) -> tuple[Frame, Frame]:
    """Return where a plot puts the first map, and where it puts the other one laid upon it."""
    maps = moved(run, other, method)
    return Frame.of(maps.here), Frame.of(maps.aligned.points)


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def coloring(run: Run, other: Run, method: str, column: str) -> Coloring:
    """Return what the two maps are colored by, one value for each of the first run's images.

    column: "kind" (what became of the prediction), "moved" (how far on the map), or a column of `images`.
    """
    if column == "kind":
        return compared(run, other).kind_coloring()
    if column == "moved":
        return compared(run, other).moved_coloring(moved(run, other, method))
    return runs.coloring(run, column)
