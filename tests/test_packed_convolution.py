"""A packed convolution is the convolution that it was made from, with its ReLU."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute import packed_convolution as packed

GEOMETRIES = {
    "stem": dict(kernel_size=7, stride=2, padding=3),
    "wide": dict(kernel_size=(1, 5), padding=(0, 2)),
    "dilated": dict(kernel_size=3, padding=2, dilation=2),
    "grouped": dict(kernel_size=3, padding=1, groups=4),
    "depthwise": dict(kernel_size=3, padding=1, stride=2, groups=8),
    "without bias": dict(kernel_size=1, bias=False),
}


@pytest.mark.parametrize("packs", [True, False], ids=["packed", "as elsewhere"])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_equals_the_convolution(geometry, relu, packs, monkeypatch):
    if not packs:
        monkeypatch.setattr(packed, "_can_pack", lambda weight: False)
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 16, **GEOMETRIES[geometry]).requires_grad_(False)
    maps = torch.randn(3, 8, 19, 23).contiguous(memory_format=torch.channels_last)
    convolve = packed.packed_convolution(convolution, convolution.weight, convolution.bias, relu)
    with torch.inference_mode():
        for padding in (convolution.padding, (0, 0), (1, 2)):
            plain = F.conv2d(
                maps, convolution.weight, convolution.bias, convolution.stride, padding,
                convolution.dilation, convolution.groups,
            )  # fmt: skip
            torch.testing.assert_close(convolve(maps, padding), plain.relu() if relu else plain)


def test_weights_are_taken_as_they_were():
    convolution = nn.Conv2d(3, 4, 3).requires_grad_(False)
    maps = torch.randn(1, 3, 9, 9)
    convolve = packed.packed_convolution(convolution, convolution.weight, convolution.bias, relu=False)
    before = convolution(maps)
    convolution.weight.zero_()
    torch.testing.assert_close(convolve(maps, (0, 0)), before)
