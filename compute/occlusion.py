"""Occlusion: cover one square patch of the image after the other and watch the scores (Zeiler & Fergus 2014,
§4.2).

    map[r, c] = score_target(image with pixels ys[r] … ys[r]+P-1, xs[c] … xs[c]+P-1 replaced by the baseline)

Dense and exact: every position is one forward pass of the whole network, in float32, many positions a batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from compute.batches import in_batches
from compute.graph import LOGITS
from compute.vision import transforms

LEVELS = {"black": 0.0, "grey": 0.5, "white": 1.0}
BASELINES = ("mean", *LEVELS, "blurred")
BATCH = 32
BLUR = 1 / 20


@dataclass(frozen=True)
class OcclusionMaps:
    """Scores of one class at every patch position, and without a patch.

    ys, xs: first row and column of the patches, in pixels. probability (after softmax), logit (before it):
    float32 (rows, cols). argmax: int32 (rows, cols), the index of the class that wins there. done: how many
    positions, row-major, are computed; the others still hold the unoccluded values.
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
    done: int

    @property
    def total(self) -> int:
        return len(self.ys) * len(self.xs)


def windows(size: int, patch: int, stride: int) -> tuple[int, ...]:
    """First pixels of the patches along one axis: 0, S, 2S, … and always size - P, so that the border is
    reached."""
    if patch < 1 or stride < 1:
        raise ValueError(f"patch {patch} and stride {stride} must both be at least 1 pixel")
    if patch > size:
        raise ValueError(f"a patch of {patch} pixels is larger than the image, which has {size}")
    starts = list(range(0, size - patch + 1, stride))
    return tuple(starts if starts[-1] == size - patch else [*starts, size - patch])


def baseline_image(model, image: torch.Tensor, baseline: str = "mean") -> torch.Tensor:
    """What stands in for hidden pixels: (C, H, W) in [0, 1].

    "mean" is the normalisation mean (0 after normalisation), "black", "grey" and "white" are constant 0, 0.5
    and 1, "blurred" is the image under a Gaussian whose standard deviation is 1/20 of the shorter side (10
    pixels at 224: Fong & Vedaldi 2017).
    """
    if baseline == "mean":
        return image.new_tensor(model.preprocessing.mean).view(-1, 1, 1).expand_as(image)
    if baseline == "blurred":
        return _blurred(image)
    if baseline not in LEVELS:
        raise ValueError(f"baseline is {baseline!r}; choose from {', '.join(BASELINES)}")
    return torch.full_like(image, LEVELS[baseline])


def occlusion_maps(
    model,
    image: torch.Tensor,
    target: int,
    patch: int,
    stride: int,
    baseline: str = "mean",
    batch: int = BATCH,
) -> OcclusionMaps:
    """The complete maps for `image` (C, H, W) in [0, 1] and class index `target`; see
    `occlusion_progress`."""
    *_, maps = occlusion_progress(model, image, target, patch, stride, baseline, batch)
    return maps


def occlusion_progress(
    model,
    image: torch.Tensor,
    target: int,
    patch: int,
    stride: int,
    baseline: str = "mean",
    batch: int = BATCH,
) -> Iterator[OcclusionMaps]:
    """The maps so far, after each batch of at most `batch` positions; the last ones are complete.

    patch, stride: pixels. Where memory runs out, the batch is halved and the work goes on. Raises ValueError
    for a patch that is larger than the image and for an unknown baseline or class.
    """
    if not 0 <= target < len(model.classes):
        raise ValueError(f"class {target} is not one of the {len(model.classes)} classes")
    height, width = image.shape[1:]
    ys, xs = windows(height, patch, stride), windows(width, patch, stride)
    corners = [(y, x) for y in ys for x in xs]
    occluder = _Occluder(model, image, patch, baseline)
    clean = _scores(occluder.logits([]), target)
    scores = [np.repeat(values, len(corners)) for values in clean]
    for start, done, logits in in_batches(len(corners), batch, lambda a, b: occluder.logits(corners[a:b])):
        for values, found in zip(scores, _scores(logits, target), strict=True):
            values[start:done] = found
        probability, logit, argmax = (values.copy().reshape(len(ys), len(xs)) for values in scores)
        unoccluded = float(clean[0][0]), float(clean[1][0]), int(clean[2][0])
        yield OcclusionMaps(patch, stride, ys, xs, probability, logit, argmax, *unoccluded, done)


class _Occluder:
    """Normalised copies of one image in one buffer, whose patches are drawn in and taken out again."""

    def __init__(self, model, image: torch.Tensor, patch: int, baseline: str):
        self.network, self.patch = model.network, patch
        with torch.inference_mode():
            self.clean = model.normalize(image[None])
            self.hidden = model.normalize(baseline_image(model, image, baseline)[None])[0]
        self.buffer: torch.Tensor | None = None

    def logits(self, corners: list[tuple[int, int]]) -> torch.Tensor:
        """(len(corners), classes) on the CPU, one patch an image; of the image as it is, where there is no
        corner."""
        with torch.inference_mode():
            if not corners:
                return self._run(self.clean)
            if self.buffer is None or len(self.buffer) < len(corners):
                self.buffer = self.clean.repeat(len(corners), 1, 1, 1)
            try:
                self._draw(corners, self.hidden)
                return self._run(self.buffer[: len(corners)])
            finally:
                self._draw(corners, self.clean[0])

    def _draw(self, corners: list[tuple[int, int]], source: torch.Tensor) -> None:
        for copy, (y, x) in zip(self.buffer, corners, strict=False):
            area = (slice(None), slice(y, y + self.patch), slice(x, x + self.patch))
            copy[area] = source[area]

    def _run(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.network.run(inputs, {LOGITS})[LOGITS].float().cpu()


def _scores(logits: torch.Tensor, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) each: the target's probability and logit, and the index of the winning class."""
    probability = logits.softmax(1)[:, target]
    return probability.numpy(), logits[:, target].numpy(), logits.argmax(1).to(torch.int32).numpy()


def _blurred(image: torch.Tensor) -> torch.Tensor:
    shorter = min(image.shape[1:])
    sigma = BLUR * shorter
    radius = min(math.ceil(3 * sigma), shorter - 1)
    return transforms.functional.gaussian_blur(image, [2 * radius + 1] * 2, [sigma, sigma])
