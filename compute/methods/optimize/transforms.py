"""How a picture is perturbed before the network sees it, so that an ascent can't rely on exact pixel
positions.

Transformation robustness (Mordvintsev, Olah & Tyka 2015; Olah, Mordvintsev & Schubert 2017, "Feature
Visualization"; numbers from Lucid's `standard_transforms`). Each transform maps (N, C, H, W) to (N, C, H',
W') and is differentiable; random ones draw from the generator they were made with.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from compute.runtime.vision import transforms

Transform = Callable[[Tensor], Tensor]
LUCID_SIZE = 224
BILINEAR = transforms.InterpolationMode.BILINEAR


def unchanged(images: Tensor) -> Tensor:
    """Return the images as they are."""
    return images


def composed(steps: Iterable[Transform]) -> Transform:
    """Return the transform that applies these one after the other."""
    steps = tuple(steps)
    return lambda images: reduce(lambda value, step: step(value), steps, images)


def rolled(pixels: int, generator: Generator) -> Transform:
    """Return the lecture's jitter: roll by up to ±`pixels` along each axis, around the border (CS231n)."""
    if pixels == 0:
        return unchanged
    return lambda images: torch.roll(images, shifts((pixels, pixels), generator), (2, 3))


def padded(pixels: int) -> Transform:
    """Return the transform that puts `pixels` of 0 around the images."""
    return lambda images: F.pad(images, [pixels] * 4)


def jittered(pixels: int, generator: Generator) -> Transform:
    """Return Lucid's jitter: a random part of the image, smaller by `pixels` along each axis."""

    def apply(images: Tensor) -> Tensor:
        height, width = (side - pixels for side in images.shape[2:])
        top, left = (int(torch.randint(pixels + 1, (), generator=generator)) for _ in range(2))
        return images[:, :, top : top + height, left : left + width]

    return apply


def turned(scale: float, degrees: float, generator: Generator) -> Transform:
    """Return the transform that scales by 1 ± `scale` and rotates by ±`degrees` about the centre.

    What comes in from outside is 0.
    """

    def apply(images: Tensor) -> Tensor:
        factor, angle = 1 + scale * _uniform(generator), degrees * _uniform(generator)
        return transforms.functional.affine(images, angle, [0, 0], factor, [0.0], BILINEAR)

    return unchanged if scale == degrees == 0 else apply


def cropped(size: tuple[int, int]) -> Transform:
    """Return the transform that cuts out the centre of the network's input size: some take no other."""
    return lambda images: transforms.functional.center_crop(images, list(size))


def around(fill: tuple[float, ...], transform: Transform) -> Transform:
    """`transform` with a colour instead of 0 for what lies outside the picture. fill: one value a channel."""

    def apply(images: Tensor) -> Tensor:
        color = images.new_tensor(fill).view(1, -1, 1, 1)
        return transform(images - color) + color

    return apply


def robust(
    size: tuple[int, int],
    fill: tuple[float, ...],
    generator: Generator,
    pad: int = 12,
    jitter: int = 8,
    scale: float = 0.1,
    rotate: float = 10.0,
) -> Transform:
    """Lucid's pad, jitter, scale, rotate, and jitter by half as much again, from and to `size` (H, W).

    pad, jitter: pixels of a picture of 224, in proportion in others. scale: share. rotate: degrees. 0
    switches a term off. fill: the colour around the picture, one value a channel.
    """
    pad, first, second = (in_proportion(pixels, size) for pixels in (pad, jitter, jitter / 2))
    steps = (
        padded(pad),
        jittered(first, generator),
        turned(scale, rotate, generator),
        jittered(second, generator),
        cropped(size),
    )
    return around(fill, composed(steps))


def in_proportion(pixels: float, size: tuple[int, int]) -> int:
    """Scale a length given for a picture of 224 pixels to one of `size`: at least 1, unless it is 0."""
    return max(int(pixels > 0), round(pixels * min(size) / LUCID_SIZE))


def resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resample (N, C, H, W) to `size` (H, W) by antialiased bicubic interpolation."""
    if tuple(images.shape[2:]) == tuple(size):
        return images
    return F.interpolate(images, size=tuple(size), mode="bicubic", antialias=True)


def enlarged_size(size: Sequence[int], longer: int) -> tuple[int, int]:
    """Return (H, W) of the same aspect ratio whose longer side is at least `longer` pixels."""
    factor = max(1.0, longer / max(size))
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def shifts(most: Sequence[int], generator: Generator) -> tuple[int, int]:
    """Draw random whole pixels (down, right), each up to ± `most`."""
    down, right = (int(torch.randint(-pixels, pixels + 1, (), generator=generator)) for pixels in most)
    return down, right


def _uniform(generator: Generator) -> float:
    return 2 * float(torch.rand((), generator=generator)) - 1
