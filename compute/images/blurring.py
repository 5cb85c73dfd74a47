"""Gaussian blur of images."""

import math

from torch import Tensor

from compute.runtime.vision import transforms


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Blur images (…, C, H, W) by a Gaussian that is cut at three standard deviations.

    deviation: standard deviation in pixels; 0 leaves the images as they are.
    """
    if deviation == 0:
        return images
    # Reflection at the border, which the blur uses, needs a radius below the shorter side.
    radius = min(math.ceil(3 * deviation), min(images.shape[-2:]) - 1)
    return transforms.functional.gaussian_blur(images, [2 * radius + 1] * 2, [deviation] * 2)
