"""Occlusion, live: the map of a class's score under a patch, coarse first and refined batch by batch
(numerics: `compute.occlusion.maps`)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compute.images.pictures import RESULT
from compute.methods.attribution.explained_class import explained_class
from compute.methods.base import IMAGE, TARGET, Inputs, Method, Step
from compute.methods.requirements import no_classes_because
from compute.models.model import Model
from compute.occlusion.coarse_to_fine import stage_error
from compute.occlusion.drawing import ARGMAX, LOGIT, PROBABILITY, Shading, at_pixels
from compute.occlusion.maps import BASELINES, OcclusionMaps, centers, occlusion_progress
from compute.runtime.parameters import parameter

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
    version: ClassVar[int] = 2

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

    def window(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the side of the patch and its stride, in pixels, on an image of `size` (H, W)."""
        patch = self.patch or max(1, min(size) // PATCH_SHARE)
        return patch, self.stride or max(1, patch // STRIDE_SHARE)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        explained = explained_class(model, inputs.image, inputs.target)
        patch, stride = self.window((inputs.image.shape[1], inputs.image.shape[2]))
        shown = model.preprocessing.shown(inputs.image)
        size = (shown.shape[0], shown.shape[1])
        for maps in occlusion_progress(model, inputs.image, explained.index, patch, stride, self.baseline):
            shading = shading_of(maps, self.value)
            data = at_pixels(shading.values, shading.ys, shading.xs, size)
            yield Step(
                maps.done,
                maps.total,
                self.output,
                data.astype(np.float32),
                explained.logit,
                explained.numbers() | _numbers(model, maps, shading),
                {RESULT: shading.picture(size), "overlay": shading.picture(size, shown)},
            )


def shading_of(maps: OcclusionMaps, value: str) -> Shading:
    """Return what of the maps is drawn: the probability, the logit or the class that wins."""
    ys, xs = (centers(starts, maps.patch) for starts in (maps.ys, maps.xs))
    return Shading(value, getattr(maps, value), getattr(maps, f"unoccluded_{value}"), ys, xs)


def _numbers(model: Model, maps: OcclusionMaps, shading: Shading) -> dict:
    lowest = np.unravel_index(maps.probability.argmin(), maps.probability.shape)
    scale = shading.scale
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
        **({} if scale is None else {"least_change": scale.least, "greatest_change": scale.greatest}),
        **stage_numbers(maps, shading.value),
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
