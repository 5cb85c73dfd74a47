"""How a picture is perturbed before the network sees it, so that an ascent can't rely on exact pixel
positions.

Transformation robustness (Mordvintsev, Olah & Tyka 2015; Olah, Mordvintsev & Schubert 2017, "Feature
Visualization"; numbers from Lucid's `standard_transforms`). Each transform maps (N, C, H, W) to (N, C, H',
W') and is differentiable; random ones draw from the generator they were made with.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

Transform = Callable[[Tensor], Tensor]
LUCID_SIZE = 224


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
        return F.grid_sample(images, _turned_grid(images, factor, angle), "bilinear", "zeros", False)

    return unchanged if scale == degrees == 0 else apply


def cropped(size: tuple[int, int]) -> Transform:
    """Return the transform that cuts out the centre of the network's input size: some take no other."""

    def apply(images: Tensor) -> Tensor:
        below, right = (max(0, wanted - side) for wanted, side in zip(size, images.shape[2:], strict=True))
        if below or right:
            images = F.pad(images, [right // 2, (right + 1) // 2, below // 2, (below + 1) // 2])
        top, left = (round((side - wanted) / 2) for wanted, side in zip(size, images.shape[2:], strict=True))
        return images[:, :, top : top + size[0], left : left + size[1]]

    return apply


def _turned_grid(images: Tensor, factor: float, angle: float) -> Tensor:
    """(N, H, W, 2): where each pixel of a scaled and turned picture comes from, as `grid_sample` takes it.

    angle: degrees, clockwise. Computed in the order of torchvision's `affine`, for the same last bits.
    """
    count, _, height, width = images.shape
    cosine, sine = (wave(math.radians(angle)) / factor for wave in (math.cos, math.sin))
    back = images.new_tensor([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    places = images.new_ones(1, height, width, 3)
    places[..., 0] = _centres(width, images.device)
    places[..., 1] = _centres(height, images.device)[:, None]
    ends = images.new_tensor([0.5 * width, 0.5 * height])
    found = places.view(1, -1, 3).bmm(back[None].transpose(1, 2) / ends)
    return found.view(1, height, width, 2).expand(count, -1, -1, -1)


def _centres(side: int, device: torch.device) -> Tensor:
    """Of the pixels along a side, in pixels from its middle."""
    return torch.linspace((1 - side) / 2, (side - 1) / 2, side, device=device)


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


def canvas_size(size: Sequence[int], side: int, least: int, most: int) -> tuple[int, int]:
    """Return (H, W) of a canvas of the aspect ratio of an image of `size`.

    side: of 0 the longer side lies between `least` and `most`; else it is at least `side`, see
        `enlarged_size`
    """
    if side:
        return enlarged_size(size, side)
    factor = min(1.0, most / max(size))
    height, width = (max(1, round(each * factor)) for each in size)
    return enlarged_size((height, width), least)


def check_pixels(method: str, size: Sequence[int], most: int, taking: str) -> None:
    """Raise ValueError for a canvas (H, W) of more pixels than a method may be asked for.

    most: pixels
    taking: what the memory is for, for people
    """
    if size[0] * size[1] > most:
        raise ValueError(
            f"{method} of {size[1]} x {size[0]} pixels would take too much memory ({taking}); it is made of "
            f"at most {most / 1e6:g} megapixels: choose side 0, or a smaller picture"
        )


def covering(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale (N, C, H, W) so that it just covers `size` (H, W), and cut out the centre."""
    factor = max(wanted / side for wanted, side in zip(size, images.shape[2:], strict=True))
    scaled = tuple(
        max(wanted, round(side * factor)) for wanted, side in zip(size, images.shape[2:], strict=True)
    )
    return cropped(size)(resized(images, scaled)).clamp(0, 1)


def shifts(most: Sequence[int], generator: Generator) -> tuple[int, int]:
    """Draw random whole pixels (down, right), each up to ± `most`."""
    down, right = (int(torch.randint(-pixels, pixels + 1, (), generator=generator)) for pixels in most)
    return down, right


def _uniform(generator: Generator) -> float:
    return 2 * float(torch.rand((), generator=generator)) - 1
