"""The blur gives torchvision's values, bit by bit: results that were kept with it stay what they are."""

import math

import pytest
import torch

from compute.images.blurring import blurred
from compute.runtime.vision import transforms


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 31, 40), (2, 3, 64, 64), (1, 1, 17, 9), (5, 2, 33, 60)])
@pytest.mark.parametrize("deviation", [0.3, 1.0, 2.5, 7.0])
def test_it_is_torchvisions(shape, dtype, deviation):
    images = torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))
    radius = min(math.ceil(3 * deviation), min(shape[-2:]) - 1)
    expected = transforms.functional.gaussian_blur(images, [2 * radius + 1] * 2, [deviation] * 2)
    assert torch.equal(blurred(images, deviation), expected)


def test_no_deviation_blurs_nothing():
    images = torch.rand(1, 3, 8, 8)
    assert blurred(images, 0) is images
