"""Occlusion, live: the map of a class's score under a patch, coarse first and refined batch by batch
(numerics: `compute.occlusion.maps`)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import matplotlib
import numpy as np

from compute.images.pictures import RESULT, heatmap, overlay
from compute.methods.attribution.explained_class import explained_class
from compute.methods.base import IMAGE, TARGET, Inputs, Method, Step
from compute.methods.requirements import no_classes_because
from compute.models.model import Model
from compute.occlusion.coarse_to_fine import stage_error
from compute.occlusion.maps import BASELINES, OcclusionMaps, centers, occlusion_progress
from compute.runtime.parameters import parameter

PROBABILITY, LOGIT, ARGMAX = "probability", "logit", "argmax"
PATCH_SHARE = 4
STRIDE_SHARE = 4


@dataclass(frozen=True)
class Occlusion(Method):
    name: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    theory: ClassVar[str] = (
        "A patch slides over the image, and the network is asked again at every place: where the score of "
        "the class falls, the network was looking. Nothing but the network's own answers is used."
    )
    reference: ClassVar[str] = "Zeiler & Fergus 2014, arXiv:1311.2901, §4.2"
    output: ClassVar[str] = "heatmap"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE})
    takes: ClassVar[frozenset[str]] = frozenset({TARGET})

    patch: int = parameter(
        0,
        "side of the patch",
        special={0: f"1/{PATCH_SHARE} of the shorter side"},
        unit="pixels",
        low=0,
        high=4096,
        source="chosen here, as in the store; Zeiler & Fergus: a grey square",
    )
    stride: int = parameter(
        0,
        "from one patch to the next",
        special={0: f"1/{STRIDE_SHARE} of the patch"},
        unit="pixels",
        low=0,
        high=4096,
        source="chosen here: smooth enough to read, 169 passes",
    )
    baseline: str = parameter(
        "mean",
        "what covers the pixels (mean: of the normalisation)",
        choices=BASELINES,
        source="Zeiler & Fergus 2014",
    )
    value: str = parameter(
        PROBABILITY,
        "what is drawn: the class's probability, its logit, or which class wins",
        choices=(PROBABILITY, LOGIT, ARGMAX),
        source="Zeiler & Fergus 2014, figure 6 d and e",
    )

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        return no_classes_because(model)

    @property
    def unit(self) -> str:
        return {PROBABILITY: "probability", LOGIT: "logits", ARGMAX: "class"}[self.value]

    @property
    def of_classes(self) -> bool:
        return self.value == ARGMAX

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        explained = explained_class(model, inputs.image, inputs.target)
        patch = self.patch or max(1, min(inputs.image.shape[1:]) // PATCH_SHARE)
        stride = self.stride or max(1, patch // STRIDE_SHARE)
        for maps in occlusion_progress(model, inputs.image, explained.index, patch, stride, self.baseline):
            data = at_pixels(getattr(maps, self.value), maps, inputs.image.shape[1:])
            numbers = explained.numbers() | _numbers(model, maps, self.value)
            yield Step(
                maps.done,
                maps.total,
                self.output,
                data,
                explained.logit,
                numbers,
                self._pictures(model, inputs, data),
            )

    def _pictures(self, model: Model, inputs: Inputs, data: np.ndarray) -> dict[str, np.ndarray]:
        if self.value == ARGMAX:
            return {RESULT: class_colors(data)}
        # The colder end of the scale is where the score stays: colour marks what the class depends on.
        return {
            "overlay": overlay(model.preprocessing.shown(inputs.image), data.max() - data),
            RESULT: heatmap(data),
        }


def at_pixels(values: np.ndarray, maps: OcclusionMaps, size: Sequence[int]) -> np.ndarray:
    """Spread values (rows, cols) over pixels (H, W) float32: each takes that of the nearest patch centre."""
    rows, cols = (
        nearest(centers(starts, maps.patch), length)
        for starts, length in zip((maps.ys, maps.xs), size, strict=True)
    )
    return np.ascontiguousarray(values[np.ix_(rows, cols)], np.float32)


def nearest(centres: np.ndarray, length: int) -> np.ndarray:
    """Return, for each of `length` pixels, which of the rising centres is nearest; of two, the first."""
    return np.abs(np.arange(length)[:, None] - centres[None]).argmin(1)


def class_colors(classes: np.ndarray) -> np.ndarray:
    """(H, W) of class indices to (H, W, 3) in [0, 1]: the commonest classes there get colours of their
    own."""
    palette = matplotlib.colormaps["tab10"](np.arange(10))[:, :3].astype(np.float32)
    places = {
        index: place for place, (index, _) in enumerate(Counter(classes.ravel().tolist()).most_common())
    }
    return palette[np.vectorize(places.__getitem__)(classes) % len(palette)]


def _numbers(model: Model, maps: OcclusionMaps, value: str) -> dict:
    lowest = np.unravel_index(maps.probability.argmin(), maps.probability.shape)
    winners = Counter(maps.argmax[maps.exact].tolist()).most_common()
    return {
        "unoccluded_probability": maps.unoccluded_probability,
        "unoccluded_logit": maps.unoccluded_logit,
        "patch": maps.patch,
        "stride": maps.stride,
        "rows": len(maps.ys),
        "cols": len(maps.xs),
        "computed": maps.way,
        "exact_positions": f"{maps.done} of {maps.total}",
        "lowest_probability": float(maps.probability[lowest]),
        "lowest_at": [maps.ys[lowest[0]], maps.xs[lowest[1]]],
        "winning_classes": {model.classes[index]: count / maps.done for index, count in winners},
        **stage_numbers(maps, value),
    }


def stage_numbers(maps: OcclusionMaps, value: str) -> dict[str, dict]:
    """Of every coarse stage that is complete: its share of the positions, and how far it was from the exact
    map.

    Before all is exact, that is measured at the positions that have become exact since.
    """
    coarse = maps.stages[: min(maps.complete_stages, len(maps.stages) - 1)]
    numbers = {}
    for stage in coarse:
        known = maps.exact.copy()
        if maps.done < maps.total:
            known[np.ix_(stage.rows, stage.cols)] = False
        if known.any():
            error = stage_error(getattr(maps, value), stage, maps.ys, maps.xs, known)
            numbers[f"{len(stage)} positions"] = {"share": len(stage) / maps.total, **error}
    name = "stages_against_exact" if maps.done == maps.total else "stages_against_exact_so_far"
    return {name: numbers} if numbers else {}
