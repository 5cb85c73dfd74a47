"""Gaussian blur of images."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(images: Tensor, deviation: float) -> Tensor:
    """Blur images (C, H, W) or (N, C, H, W) by a Gaussian that is cut at three standard deviations.

    Gives the values of torchvision's `gaussian_blur`, to the last bit.

    deviation: standard deviation in pixels; 0 leaves the images as they are.
    """
    if deviation == 0:
        return images
    # Reflection at the border, which the blur uses, needs a radius below the shorter side.
    radius = min(math.ceil(3 * deviation), min(images.shape[-2:]) - 1)
    offsets = torch.linspace(-radius, radius, 2 * radius + 1, dtype=images.dtype, device=images.device)
    heights = torch.exp(-0.5 * (offsets / deviation).pow(2))
    row = (heights / heights.sum())[None]
    channels = images.shape[-3]
    kernel = torch.mm(row.T, row).expand(channels, 1, -1, -1)
    batch = images if images.ndim == 4 else images[None]
    found = F.conv2d(F.pad(batch, [radius] * 4, mode="reflect"), kernel, groups=channels)
    return found if images.ndim == 4 else found[0]
