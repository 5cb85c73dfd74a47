"""Two runs over the same images, and all that is measured between them; what was made once is kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis import comparison, similarity
from compute.analysis.comparison import Accuracies, Match, Overlap
from compute.analysis.similarity import Alignment
from compute.reports.drawing.coloring import Coloring, coloring
from featurestore.files import vector_cache
from featurestore.reader import Run

CKA_IMAGES, CKA_WIDE_IMAGES, WIDE = 10_000, 2_000, 512
"""Images that CKA is measured on, and of features wider than WIDE; of more, an even sample is taken."""

PATCHES = 9
"""As many a channel are in the store."""

COLORS = ("label", "kind", "moved")
"""What aligned maps are coloured by."""

Made = TypeVar("Made")

PREDICTION_COLUMNS = ("image_id", "label", "predicted", "probability")


@dataclass(frozen=True)
class Moved:
    """The maps of one method of two runs, laid upon each other.

    ids: (n,) image ids of the first run, of the images that both maps show.
    here: (n, 2) where they lie on the first run's own map.
    aligned: where they lie on the other map after it is laid upon the first.
    """

    ids: np.ndarray
    here: np.ndarray
    aligned: Alignment

    @cached_property
    def farthest(self) -> pa.Table:
        """Return image_id and moved, the images that moved the most first."""
        order = np.lexsort([self.ids, -self.aligned.moved])
        return pa.table({"image_id": self.ids[order], "moved": self.aligned.moved[order]})


@dataclass(frozen=True)
class Cka:
    """Linear CKA (centered kernel alignment, 0 to 1) of the features of two runs.

    value, chance: None where a network gives all images the same features.
    images: on how many it was measured.
    """

    value: float | None
    chance: float | None
    images: int


@dataclass(frozen=True)
class Channels:
    """How far the channels of one layer agree between two runs.

    overlap: of each channel's strongest images; its share is NaN where the channel is dead in a run.
    partner: (C,) the other run's channel that shares most of its strongest images.
    partner_share: (C,) which share of them, 0 to 1.
    """

    overlap: Overlap
    partner: np.ndarray
    partner_share: np.ndarray

    @property
    def partner_mean(self) -> float | None:
        """Return the mean share of the best partners, 0 to 1; None where no channel has one."""
        known = self.partner_share[~np.isnan(self.partner_share)]
        return float(known.mean()) if len(known) else None


class Compared:
    """All that is measured between two runs; each measure is computed once.

    Rows of what is measured are those of `matched`; image ids are the first run's.
    """

    def __init__(self, run: Run, other: Run):
        self.run, self.other = run, other

    @property
    def runs(self) -> tuple[Run, Run]:
        """Return both runs, the first one first."""
        return self.run, self.other

    def _of_both(self, made: Callable[[Run], Made]) -> tuple[Made, Made]:
        """Make something of each run, side by side."""
        with ThreadPoolExecutor(2) as pool:
            first, other = pool.map(made, self.runs)
        return first, other

    def have(self, *tables: str) -> bool:
        """Return whether both runs have these tables."""
        return all(set(tables) <= set(run.tables()) for run in self.runs)

    @cached_property
    def matched(self) -> Match:
        """Match the images of the two runs by the SHA-256 of their files."""
        return comparison.match(*self._of_both(lambda run: run.table("images", ["sha256"])["sha256"]))

    @cached_property
    def predictions(self) -> pa.Table:
        """Return one row a shared image: what both networks predict, and what became of the prediction."""
        mine, theirs = self._of_both(_predictions)
        return comparison.compare_predictions(mine, theirs, self.matched, self._classes)

    @cached_property
    def accuracies(self) -> Accuracies:
        """Return how often each network is right, and whether the difference could be chance."""
        return comparison.accuracies(self.predictions, self._classes)

    @property
    def _classes(self) -> set[str]:
        return {name for run in self.runs for name in run.class_names}

    def changed(self, kind: str = "all", label: str = "") -> pa.Table:
        """Return the rows of `predictions` whose class changed, those the other network is surest of first.

        kind: what became of the prediction, "all" for any.
        label: a class, "" for any.
        """
        found = self.predictions.filter(pc.not_equal(self.predictions["kind"], "same"))
        for column, value, any_ in (("kind", kind, "all"), ("label", label, "")):
            found = found if value == any_ else found.filter(pc.equal(found[column], value))
        return found.sort_by([("other_probability", "descending"), ("image_id", "ascending")])

    @cached_property
    def neighbor_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each shared image's feature neighbours in both runs, as rows of the match."""
        matched = self.matched
        return self._of_both(
            lambda run: comparison.neighbor_rows(*_neighbor_lists(run), matched, run is self.other)
        )

    def neighbor_overlap(self, k: int) -> Overlap:
        """Return how many of the `k` nearest images of each shared image are the same in both runs."""
        return comparison.overlap(*self.neighbor_rows, k)

    @cached_property
    def layers(self) -> dict[str, int]:
        """Return the layers that both networks have, by name, with their numbers of channels."""
        return comparison.same_layers(*(each.table("layers", ["layer", "channels"]) for each in self.runs))

    def channels(self, layer: str) -> Channels:
        """Compare the channels of a layer; ValueError where the layer isn't the same in both networks."""
        if layer not in self.layers:
            raise ValueError(
                f"layer {layer!r} is not the same in both networks; choose from "
                f"{', '.join(self.layers) or 'none'}"
            )
        mine, theirs = self._channel_rows(self.run, layer), self._channel_rows(self.other, layer, True)
        return Channels(comparison.overlap(mine, theirs, PATCHES), *comparison.best_partners(mine, theirs))

    def _channel_rows(self, run: Run, layer: str, other: bool = False) -> np.ndarray:
        patches = run.select("top_patches", layer, columns=("channel", "rank", "image_id"))
        rows = comparison.channel_rows(patches, self.matched, self.layers[layer], other)
        # Places of a dead channel tie, so its images say nothing but the order of the image_ids.
        rows[run.select("channels", layer, columns=("dead",))["dead"].to_numpy()] = -1
        return rows

    @property
    def maps(self) -> list[str]:
        """Return the methods that both runs have a map by."""
        if not self.have("maps", "embeddings"):
            return []
        mine, theirs = (each.table("maps", ["method"])["method"].to_pylist() for each in self.runs)
        return [name for name in mine if name in theirs]

    def moved(self, method: str) -> Moved:
        """Lay the two maps of a method upon each other; ValueError where they share fewer than two images."""
        here, there = self._of_both(lambda run: _places(run, method))
        here, there = here[self.matched.ids], there[self.matched.other_ids]
        shown = np.isfinite(here).all(1) & np.isfinite(there).all(1)
        if shown.sum() < 2:
            raise ValueError(f"the maps by {method} show {shown.sum()} images in common; two are needed")
        return Moved(self.matched.ids[shown], here[shown], similarity.procrustes(here[shown], there[shown]))

    @cached_property
    def cka(self) -> Cka:
        """Measure linear CKA between the features of both runs."""
        mine, theirs = self._of_both(vector_cache.features)
        wide = max(mine.shape[1], theirs.shape[1]) > WIDE
        rows = similarity.spread_sample(len(self.matched), CKA_WIDE_IMAGES if wide else CKA_IMAGES)
        mine, theirs = mine[self.matched.ids[rows]], theirs[self.matched.other_ids[rows]]
        read = np.isfinite(mine).all(1) & np.isfinite(theirs).all(1)
        if read.sum() < 2:
            return Cka(None, None, int(read.sum()))
        pair = mine[read], theirs[read]
        return Cka(similarity.linear_cka(*pair), similarity.chance_cka(*pair), int(read.sum()))

    def kind_coloring(self) -> Coloring:
        """Return colors by what became of the prediction."""
        kinds = pc.index_in(self.predictions["kind"], pa.array(comparison.KINDS)).to_numpy()
        ids = self.predictions["image_id"].to_numpy()
        return Coloring("kind", self._by_image(ids, kinds), comparison.KINDS)

    def moved_coloring(self, found: Moved) -> Coloring:
        """Return colors by how far an image moved; they end at the 99th percentile."""
        moved = found.aligned.moved
        values = self._by_image(found.ids, moved)
        return Coloring("moved", values, high=float(np.quantile(moved, 0.99)), unit="spread")

    def coloring(self, color: str, found: Moved) -> Coloring:
        """Return colors by one of COLORS; ValueError for anything else."""
        if color not in COLORS:
            raise ValueError(f"no colours by {color!r}; choose one of {', '.join(COLORS)}")
        if color == "label":
            return coloring(self.run, color)
        return self.kind_coloring() if color == "kind" else self.moved_coloring(found)

    def _by_image(self, ids: np.ndarray, values: np.ndarray) -> np.ndarray:
        """By image_id, NaN for the others."""
        result = np.full(self.run.image_count, np.nan, "<f4")
        result[ids] = values
        return result


def judged(run: Run) -> pa.Table:
    """Return which images a run has right: image_id, label and right, of those whose label is a class.

    A row an image that the network could read and gave a class.
    """
    table = _predictions(run)
    labels = comparison.judged_labels(table["label"], run.class_names)
    known = table.filter(pc.and_(pc.is_valid(labels), pc.is_valid(table["predicted"])))
    right = pc.equal(known["predicted"], known["label"])
    return known.select(["image_id", "label"]).append_column("right", right)


def _predictions(run: Run) -> pa.Table:
    """A prediction can be right by one label, not by a list of them: those count as none."""
    table = run.table("images", PREDICTION_COLUMNS)
    if not run.manifest.labels_are_lists:
        return table
    column = table.schema.get_field_index("label")
    return table.set_column(column, "label", pa.nulls(len(table), pa.string()))


def _neighbor_lists(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the images that have neighbours in feature space, and the lists, as `ranked` does."""
    columns = ("rank", "neighbor_id")
    found = run.select("neighbors", "feature", columns=columns)
    lists = comparison.whole_lists(*(found[name].to_numpy() for name in columns))
    if lists is not None and len(lists) == run.image_count:
        return np.arange(run.image_count), lists  # a whole list for each: whose they are need not be read
    found = run.select("neighbors", "feature", columns=("image_id", *columns))
    return comparison.ranked(found, "image_id", "neighbor_id")


def _places(run: Run, method: str) -> np.ndarray:
    """(N, 2) by image_id, NaN for an image that is not on the map."""
    table = run.embedding(method)
    places = np.full((run.image_count, 2), np.nan)
    places[table["image_id"].to_numpy()] = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1)
    return places
