"""Two runs over the same images, and all that is measured between them; what was made once is kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis import comparison, similarity
from compute.analysis.comparison import Accuracies, Match, Overlap
from compute.analysis.similarity import Alignment
from compute.reports.drawing.coloring import Coloring, coloring
from featurestore import vector_cache
from featurestore.reader import Run

CKA_IMAGES, CKA_WIDE_IMAGES, WIDE = 10_000, 2_000, 512
"""Images that CKA is measured on, and of features wider than WIDE; of more, an even sample is taken."""

PATCHES = 9
"""As many a channel are in the store."""

COLORS = ("label", "kind", "moved")
"""What aligned maps are coloured by."""

PREDICTION_COLUMNS = ("image_id", "label", "predicted", "probability")


@dataclass(frozen=True)
class Moved:
    """The maps of one method, laid upon each other. ids (n,): the first run's images that both maps show.

    here (n, 2): where they lie in its own map.
    """

    ids: np.ndarray
    here: np.ndarray
    aligned: Alignment

    @cached_property
    def farthest(self) -> pa.Table:
        """image_id and moved, those that moved the most first."""
        order = np.lexsort([self.ids, -self.aligned.moved])
        return pa.table({"image_id": self.ids[order], "moved": self.aligned.moved[order]})


@dataclass(frozen=True)
class Cka:
    """value, chance: None where a network has one feature for all. images: on how many it was measured."""

    value: float | None
    chance: float | None
    images: int


@dataclass(frozen=True)
class Channels:
    """One layer: overlap of each channel's strongest images, NaN share where the channel is dead in a run;
    partner: the other run's channel with most in common; partner_share: how much."""

    overlap: Overlap
    partner: np.ndarray
    partner_share: np.ndarray

    @property
    def partner_mean(self) -> float | None:
        known = self.partner_share[~np.isnan(self.partner_share)]
        return float(known.mean()) if len(known) else None


class Compared:
    """Rows of what is measured are those of `matched`; image_ids are the first run's."""

    def __init__(self, run: Run, other: Run):
        self.run, self.other = run, other

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.run, self.other

    def have(self, *tables: str) -> bool:
        return all(set(tables) <= set(run.tables()) for run in self.runs)

    @cached_property
    def matched(self) -> Match:
        return comparison.match(*(each.table("images", ["sha256"])["sha256"] for each in self.runs))

    @cached_property
    def predictions(self) -> pa.Table:
        tables = (each.table("images", PREDICTION_COLUMNS) for each in self.runs)
        return comparison.compare_predictions(*tables, self.matched)

    @cached_property
    def accuracies(self) -> Accuracies:
        return comparison.accuracies(self.predictions)

    def changed(self, kind: str = "all", label: str = "") -> pa.Table:
        """Rows of `predictions` whose class changed, those the other network is most sure of first."""
        found = self.predictions.filter(pc.not_equal(self.predictions["kind"], "same"))
        for column, value, any_ in (("kind", kind, "all"), ("label", label, "")):
            found = found if value == any_ else found.filter(pc.equal(found[column], value))
        return found.sort_by([("other_probability", "descending"), ("image_id", "ascending")])

    @cached_property
    def neighbor_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Feature neighbours of each shared image as rows of the match, in the one run and in the other."""
        columns = ("image_id", "rank", "neighbor_id")
        mine, theirs = (each.select("neighbors", "feature", columns=columns) for each in self.runs)
        return (
            comparison.neighbor_rows(mine, self.matched),
            comparison.neighbor_rows(theirs, self.matched, True),
        )

    def neighbor_overlap(self, k: int) -> Overlap:
        return comparison.overlap(*self.neighbor_rows, k)

    @cached_property
    def layers(self) -> dict[str, int]:
        """Channels by name of the layers that both networks have."""
        return comparison.same_layers(*(each.table("layers", ["layer", "channels"]) for each in self.runs))

    def channels(self, layer: str) -> Channels:
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
        """Methods that both runs have a map by."""
        if not self.have("maps", "embeddings"):
            return []
        mine, theirs = (each.table("maps", ["method"])["method"].to_pylist() for each in self.runs)
        return [name for name in mine if name in theirs]

    def moved(self, method: str) -> Moved:
        """ValueError where the two maps show fewer than two images in common."""
        here = _places(self.run, method)[self.matched.ids]
        there = _places(self.other, method)[self.matched.other_ids]
        shown = np.isfinite(here).all(1) & np.isfinite(there).all(1)
        if shown.sum() < 2:
            raise ValueError(f"the maps by {method} show {shown.sum()} images in common; two are needed")
        return Moved(self.matched.ids[shown], here[shown], similarity.procrustes(here[shown], there[shown]))

    @cached_property
    def cka(self) -> Cka:
        mine, theirs = (vector_cache.features(each) for each in self.runs)
        wide = max(mine.shape[1], theirs.shape[1]) > WIDE
        rows = similarity.spread_sample(len(self.matched), CKA_WIDE_IMAGES if wide else CKA_IMAGES)
        mine, theirs = mine[self.matched.ids[rows]], theirs[self.matched.other_ids[rows]]
        read = np.isfinite(mine).all(1) & np.isfinite(theirs).all(1)
        if read.sum() < 2:
            return Cka(None, None, int(read.sum()))
        pair = mine[read], theirs[read]
        return Cka(similarity.linear_cka(*pair), similarity.chance_cka(*pair), int(read.sum()))

    def kind_coloring(self) -> Coloring:
        """By what became of the prediction."""
        kinds = pc.index_in(self.predictions["kind"], pa.array(comparison.KINDS)).to_numpy()
        ids = self.predictions["image_id"].to_numpy()
        return Coloring("kind", self._by_image(ids, kinds), comparison.KINDS)

    def moved_coloring(self, found: Moved) -> Coloring:
        """By how far the image moved; the colours end at the 99th percentile."""
        moved = found.aligned.moved
        values = self._by_image(found.ids, moved)
        return Coloring("moved", values, high=float(np.quantile(moved, 0.99)), unit="spread")

    def coloring(self, color: str, found: Moved) -> Coloring:
        """By one of COLORS."""
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


def _places(run: Run, method: str) -> np.ndarray:
    """(N, 2) by image_id, NaN for an image that is not on the map."""
    table = run.embedding(method)
    places = np.full((run.image_count, 2), np.nan)
    places[table["image_id"].to_numpy()] = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1)
    return places
