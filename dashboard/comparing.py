"""What pages read of two runs at once, cached for all sessions; runs never change, so neither do these.

Arguments `run` and `other` are the first and the second run; rows are those of their match.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from compute.exhibits.coloring import Coloring
from dashboard import data
from dashboard.data import BY_FOLDER
from dashboard.views import CompareView
from featurestore import comparison, similarity
from featurestore.comparison import Accuracies, Match, Overlap
from featurestore.reader import Run
from featurestore.similarity import Alignment

CKA_IMAGES, CKA_WIDE_IMAGES, WIDE = 10_000, 2_000, 512
"""Images that CKA is measured on, and of features wider than WIDE; of more, an even sample is taken."""

PATCHES = 9
"""As many a channel are in the store."""


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


@dataclass(frozen=True)
class Moved:
    """The maps of one method, laid upon each other. ids (n,): the first run's images that both maps show.

    here (n, 2): where they lie in its own map.
    """

    ids: np.ndarray
    here: np.ndarray
    aligned: Alignment


@dataclass(frozen=True)
class Cka:
    """value, chance: None where a network has one feature for all. images: on how many it was measured."""

    value: float | None
    chance: float | None
    images: int


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Matching the images …")
def match(run: Run, other: Run) -> Match:
    return comparison.match(*(each.table("images", ["sha256"])["sha256"] for each in (run, other)))


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def predictions(run: Run, other: Run) -> pa.Table:
    columns = ["image_id", "label", "predicted", "probability"]
    return comparison.compare_predictions(
        run.table("images", columns), other.table("images", columns), match(run, other)
    )


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def accuracies(run: Run, other: Run) -> Accuracies:
    return comparison.accuracies(predictions(run, other))


@st.cache_resource(max_entries=4, hash_funcs=BY_FOLDER, show_spinner="Comparing the neighbours …")
def neighbor_rows(run: Run, other: Run) -> tuple[np.ndarray, np.ndarray]:
    """Feature neighbours of each shared image as rows of the match, in the one run and in the other."""
    columns = ("image_id", "rank", "neighbor_id")
    found = [each.select("neighbors", "feature", columns=columns) for each in (run, other)]
    matched = match(run, other)
    return comparison.neighbor_rows(found[0], matched), comparison.neighbor_rows(found[1], matched, True)


@st.cache_resource(max_entries=64, hash_funcs=BY_FOLDER, show_spinner=False)
def neighbor_overlap(run: Run, other: Run, k: int) -> Overlap:
    return comparison.overlap(*neighbor_rows(run, other), k)


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner=False)
def layers(run: Run, other: Run) -> dict[str, int]:
    return comparison.same_layers(*(each.table("layers", ["layer", "channels"]) for each in (run, other)))


@dataclass(frozen=True)
class Channels:
    """One layer: overlap of each channel's strongest images, NaN share where the channel is dead in a run;
    partner: the other run's channel with most in common; partner_share: how much."""

    overlap: Overlap
    partner: np.ndarray
    partner_share: np.ndarray


@st.cache_resource(max_entries=256, hash_funcs=BY_FOLDER, show_spinner=False)
def channels(run: Run, other: Run, layer: str) -> Channels:
    count, matched = layers(run, other)[layer], match(run, other)
    lists = [
        comparison.channel_rows(
            each.select("top_patches", layer, columns=("channel", "rank", "image_id")), matched, count, second
        )
        for each, second in ((run, False), (other, True))
    ]
    # Places of a dead channel tie, so its images say nothing but the order of the image_ids.
    for rows, each in zip(lists, (run, other), strict=True):
        rows[each.select("channels", layer, columns=("dead",))["dead"].to_numpy()] = -1
    return Channels(comparison.overlap(*lists, PATCHES), *comparison.best_partners(*lists))


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Laying the maps upon each other …")
def moved(run: Run, other: Run, method: str) -> Moved:
    """ValueError where the two maps show fewer than two images in common."""
    matched = match(run, other)
    here, there = _places(run, method)[matched.ids], _places(other, method)[matched.other_ids]
    shown = np.isfinite(here).all(1) & np.isfinite(there).all(1)
    if shown.sum() < 2:
        raise ValueError(f"the maps by {method} show {shown.sum()} images in common; two are needed")
    return Moved(matched.ids[shown], here[shown], similarity.procrustes(here[shown], there[shown]))


@st.cache_resource(max_entries=16, hash_funcs=BY_FOLDER, show_spinner="Comparing the features …")
def cka(run: Run, other: Run) -> Cka:
    matched, mine, theirs = match(run, other), data.features(run), data.features(other)
    wide = max(mine.shape[1], theirs.shape[1]) > WIDE
    rows = similarity.spread_sample(len(matched), CKA_WIDE_IMAGES if wide else CKA_IMAGES)
    mine, theirs = mine[matched.ids[rows]], theirs[matched.other_ids[rows]]
    read = np.isfinite(mine).all(1) & np.isfinite(theirs).all(1)
    if read.sum() < 2:
        return Cka(None, None, int(read.sum()))
    pair = mine[read], theirs[read]
    return Cka(similarity.linear_cka(*pair), similarity.chance_cka(*pair), int(read.sum()))


def coloring(run: Run, other: Run, method: str, column: str) -> Coloring:
    """Colours by the first run's image_id: `kind` of the prediction, `moved` on the maps, or a column."""
    if column == "kind":
        table = predictions(run, other)
        values = _blank(run)
        kinds = pc.index_in(table["kind"], pa.array(comparison.KINDS))
        values[table["image_id"].to_numpy()] = kinds.to_numpy()
        return Coloring(column, values, comparison.KINDS)
    if column == "moved":
        found = moved(run, other, method)
        values = _blank(run)
        values[found.ids] = found.aligned.moved
        return Coloring(column, values, high=float(np.quantile(found.aligned.moved, 0.99)), unit="spread")
    return data.coloring(run, column)


def _blank(run: Run) -> np.ndarray:
    return np.full(run.image_count, np.nan, "<f4")


def _places(run: Run, method: str) -> np.ndarray:
    """(N, 2) by image_id, NaN for an image that is not on the map."""
    table = run.embedding(method)
    places = np.full((run.image_count, 2), np.nan)
    places[table["image_id"].to_numpy()] = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1)
    return places
