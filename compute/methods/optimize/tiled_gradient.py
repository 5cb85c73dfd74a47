"""Gradients of images that are too large for one pass: tile by tile, with seams that move."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Generator, Tensor

from compute.methods.optimize.loop import Score, Slope, slope
from compute.methods.optimize.parameterizations import Parameterization, Pixels
from compute.methods.optimize.transforms import shifts

LARGEST_SHARE = 8


def tiled_slope(score: Score, tile: int, jitter: int, generator: Generator) -> Slope:
    """The gradient of the sum of `score` over tiles of at most `tile` pixels a side, of the image rolled at
    random.

    Along a side that fits one tile the roll is up to ±`jitter` pixels, at most an eighth of the side; along a
    longer one up to ± half a tile, so that no seam stays where it is. The roll is undone in the gradient.
    """

    def apply(parameterization: Parameterization) -> tuple[Tensor, float]:
        image = parameterization.image()
        most = (tile // 2 if side > tile else min(jitter, side // LARGEST_SHARE) for side in image.shape[2:])
        down, right = shifts(tuple(most), generator)
        image = torch.roll(image, (down, right), (2, 3))
        gradient, total = torch.zeros_like(image), 0.0
        for place in places(image.shape[2], image.shape[3], tile):
            gradient[place], value = slope(score)(Pixels(image[place]))
            total += value
        return torch.roll(gradient, (-down, -right), (2, 3)), total

    return apply


def tiled_score(score: Score, tile: int, image: Tensor) -> float:
    """Return the sum of `score` over the tiles of an image (1, C, H, W)."""
    with torch.inference_mode():
        return sum(float(score(image[place])) for place in places(image.shape[2], image.shape[3], tile))


def places(height: int, width: int, tile: int) -> Iterator[tuple]:
    """Yield indices into (N, C, height, width) that cut it into the fewest tiles of about equal size."""
    for rows in spans(height, tile):
        for columns in spans(width, tile):
            yield ..., rows, columns


def spans(length: int, tile: int) -> list[slice]:
    """Return slices that cut `length` pixels into the fewest parts of at most `tile`, of about equal size."""
    count = -(-length // tile)
    edges = [round(index * length / count) for index in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
