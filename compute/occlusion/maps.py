"""Occlusion: cover one square patch of the image after the other and watch the scores (Zeiler & Fergus 2014,
§4.2).

    map[r, c] = score_target(image with pixels ys[r] … ys[r]+P-1, xs[c] … xs[c]+P-1 replaced by the baseline)

Exact: every position is a forward pass, in float32, many positions a batch; of the network only what the
patch can change is computed again where that saves work (`compute.occlusion.passes`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from compute.images.blurring import blurred
from compute.models.model import Model
from compute.network.outputs import Output
from compute.network.traced import LOGITS
from compute.occlusion.coarse_to_fine import Stage, interpolated, new_grids, stages
from compute.occlusion.passes import choose_pass

LEVELS = {"black": 0.0, "grey": 0.5, "white": 1.0}
BASELINES = ("mean", *LEVELS, "blurred")
BLUR = 1 / 20
"""Standard deviation of the baseline "blurred", as a share of the image's shorter side."""


@dataclass(frozen=True)
class OcclusionMaps:
    """Scores of one class at every patch position, and without a patch.

    ys, xs: first row and column of the patches, in pixels. probability (after softmax or sigmoid), logit
    (before it): float32 (rows, cols). argmax: int32 (rows, cols), the index of the class that wins there.
    exact: bool (rows, cols), which positions are computed; the others are interpolated from the last stage
    that is complete, and hold the unoccluded values before that. stages: in which order the positions come.
    way: how they are run.
    """

    patch: int
    stride: int
    ys: tuple[int, ...]
    xs: tuple[int, ...]
    probability: np.ndarray
    logit: np.ndarray
    argmax: np.ndarray
    unoccluded_probability: float
    unoccluded_logit: float
    unoccluded_argmax: int
    exact: np.ndarray
    stages: tuple[Stage, ...] = ()
    way: str = ""

    @property
    def done(self) -> int:
        return int(self.exact.sum())

    @property
    def total(self) -> int:
        return len(self.ys) * len(self.xs)

    @property
    def complete_stages(self) -> int:
        """How many stages are all exact."""
        return sum(bool(self.exact[np.ix_(each.rows, each.cols)].all()) for each in self.stages)


def windows(size: int, patch: int, stride: int) -> tuple[int, ...]:
    """Return the first pixel of each patch along one axis: 0, S, 2S, … and always size - P.

    size: of the image along the axis
    patch, stride: P and S, in pixels
    The last one makes sure that the border is reached. ValueError for a patch that is larger than the image.
    """
    if patch < 1 or stride < 1:
        raise ValueError(f"patch {patch} and stride {stride} must both be at least 1 pixel")
    if patch > size:
        raise ValueError(f"a patch of {patch} pixels is larger than the image, which has {size}")
    starts = list(range(0, size - patch + 1, stride))
    return tuple(starts if starts[-1] == size - patch else [*starts, size - patch])


def centers(starts: Sequence[int], patch: int) -> np.ndarray:
    """Return where patches that begin at `starts` are centred; the centre of the first pixel is at 0."""
    return np.asarray(starts) + (patch - 1) / 2


def baseline_image(model: Model, image: torch.Tensor, baseline: str = "mean") -> torch.Tensor:
    """Return what stands in for hidden pixels: (C, H, W) in [0, 1].

    image: (C, H, W) in [0, 1]
    baseline: what the pixels are
        "mean": the normalisation mean, which is 0 after normalisation
        "black", "grey", "white": constant 0, 0.5, 1
        "blurred": the image under a Gaussian whose standard deviation is 1/20 of the shorter side (10 pixels
            at 224: Fong & Vedaldi 2017)
    ValueError for any other baseline.
    """
    if baseline == "mean":
        return image.new_tensor(model.preprocessing.mean).view(-1, 1, 1).expand_as(image)
    if baseline == "blurred":
        return blurred(image, BLUR * min(image.shape[1:]))
    if baseline not in LEVELS:
        raise ValueError(f"baseline is {baseline!r}; choose from {', '.join(BASELINES)}")
    return torch.full_like(image, LEVELS[baseline])


def occlusion_maps(
    model: Model,
    image: torch.Tensor,
    target: int,
    patch: int,
    stride: int,
    baseline: str = "mean",
    batch: int | None = None,
) -> OcclusionMaps:
    """Return the complete maps of `image` (C, H, W) in [0, 1] for class index `target`.

    The other arguments are those of `occlusion_progress`.
    """
    *_, maps = occlusion_progress(model, image, target, patch, stride, baseline, batch)
    return maps


def occlusion_progress(
    model: Model,
    image: torch.Tensor,
    target: int,
    patch: int,
    stride: int,
    baseline: str = "mean",
    batch: int | None = None,
) -> Iterator[OcclusionMaps]:
    """The maps so far, after each batch of positions: coarse first, refined in place, the last ones exact.

    patch, stride: pixels. batch: most positions at once; left out, what suits the device. Where memory runs
    out, it is halved and the work goes on. Raises ValueError for a patch that is larger than the image and
    for an unknown baseline or class.
    """
    if not model.classes:
        raise ValueError(f"{model.name} gives no class scores, so there is none to watch")
    if not 0 <= target < len(model.classes):
        raise ValueError(f"class {target} is not one of the {len(model.classes)} classes")
    ys, xs = (windows(size, patch, stride) for size in image.shape[1:])
    levels = stages(len(ys), len(xs))
    with torch.inference_mode():
        clean, hidden = (
            model.normalize(each[None]) for each in (image, baseline_image(model, image, baseline))
        )
        unoccluded = _scores(model.output, model.network.run(clean, {LOGITS})[LOGITS].float().cpu(), target)
    way = choose_pass(model, image.shape[1:], (ys, xs), patch, new_grids(levels), batch)
    known = [np.full((len(ys), len(xs)), each.item(), each.dtype) for each in unoccluded]
    probability, logit, argmax = known
    exact = np.zeros((len(ys), len(xs)), bool)
    for rows, cols, logits in way.steps(clean, hidden):
        for values, found in zip(known, _scores(model.output, logits[0], target), strict=True):
            values[rows, cols] = found
        exact[rows, cols] = True
        yield _refined(
            OcclusionMaps(
                patch=patch,
                stride=stride,
                ys=ys,
                xs=xs,
                probability=probability,
                logit=logit,
                argmax=argmax,
                unoccluded_probability=unoccluded[0].item(),
                unoccluded_logit=unoccluded[1].item(),
                unoccluded_argmax=unoccluded[2].item(),
                exact=exact.copy(),
                stages=levels,
                way=way.way,
            )
        )


def _refined(maps: OcclusionMaps) -> OcclusionMaps:
    """A copy in which positions that are not yet exact are interpolated from the last complete stage."""
    count = maps.complete_stages

    def fill(values: np.ndarray) -> np.ndarray:
        if count == 0:
            return values.copy()
        return np.where(maps.exact, values, interpolated(values, maps.stages[count - 1], maps.ys, maps.xs))

    filled = fill(maps.probability), fill(maps.logit), fill(maps.argmax)
    return replace(maps, probability=filled[0], logit=filled[1], argmax=filled[2])


def _scores(output: Output, logits: torch.Tensor, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) each: the target's probability and logit, and the index of the winning class."""
    probability, score = output.probabilities(logits)[:, target], output.score(logits, target)
    return probability.numpy(), score.numpy(), output.winning(logits).to(torch.int32).numpy()
