"""The gradient of a convolution with respect to its input, the only one that frozen weights leave, as a
convolution with packed weights. Along each axis, with the output's gradient y' and 0 <= r < s,

    y[i] = sum_k w[k] x[s i + k - p]    =>    x'[s q + r - p] = sum_t w[s t + r] y'[q - t]

so that a stride s makes s^2 convolutions of stride 1, one for each residue r of both axes: side by side as
channels, and then shuffled into their places.
"""

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compute.network.onednn.weights import Geometry, PackedWeights

CHANNELS_AT_ONCE = 16
"""oneDNN computes channels by 16. Residues come for free where a strided convolution's own gradient would
leave most of these empty, as for a photograph's 3."""


class InputGradient:
    """(N, D, H', W') -> (N, C, H, W) of one convolution."""

    def __init__(self, convolution: nn.Conv2d):
        self._convolution = convolution
        self._stride = max(convolution.stride)
        self._weights: PackedWeights | None = None
        self._pays = _pays(convolution)

    def __call__(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """shape: (N, C, H, W)."""
        layer = self._convolution
        if not self._pays:
            return nn.grad.conv2d_input(
                shape, layer.weight, gradient, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        if self._weights is None:
            self._weights = PackedWeights(*_transposed(layer), gradient.shape)
        found = self._weights(gradient)
        return found if self._stride == 1 else _in_place(found, self._stride, layer.padding, shape)


def _pays(convolution: nn.Conv2d) -> bool:
    padding, reach = convolution.padding, _reach(convolution)
    if convolution.groups != 1 or padding[0] > reach[0] or padding[1] > reach[1]:
        return False
    if convolution.stride == (1, 1):
        return True
    stride = convolution.stride[0]
    channels = convolution.in_channels * stride**2
    return (
        convolution.stride == (stride, stride)
        and convolution.dilation == (1, 1)
        and channels <= CHANNELS_AT_ONCE
    )


def _reach(convolution: nn.Conv2d) -> tuple[int, ...]:
    """Along each axis, how far the last weight lies behind the first."""
    return tuple(
        dilation * (size - 1)
        for dilation, size in zip(convolution.dilation, convolution.kernel_size, strict=True)
    )


def _transposed(convolution: nn.Conv2d) -> tuple[Tensor, None, Geometry]:
    """Weight, bias and geometry of the convolution of stride 1 from an output's gradient to the input's, by
    residues."""
    stride = convolution.stride[0]
    weight = _by_residue(convolution.weight.detach(), stride)
    if stride == 1:
        padding = tuple(a - b for a, b in zip(_reach(convolution), convolution.padding, strict=True))
    else:
        padding = tuple(size - 1 for size in weight.shape[2:])
    return weight, None, Geometry(padding, (1, 1), convolution.dilation, 1)


def _by_residue(weight: Tensor, stride: int) -> Tensor:
    """(D, C, h, w) -> (C * stride^2, D, ceil(h / stride), ceil(w / stride)), turned around."""
    height, width = (ceil(size / stride) for size in weight.shape[2:])
    filled = F.pad(weight, (0, stride * width - weight.shape[3], 0, stride * height - weight.shape[2]))
    residues = filled.unflatten(3, (width, stride)).unflatten(2, (height, stride))
    return residues.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2).contiguous()


def _in_place(found: Tensor, stride: int, padding: tuple[int, int], shape: torch.Size) -> Tensor:
    """Residues among each other, without the padding, and with the zeros of what no window reached."""
    whole = F.pixel_shuffle(found, stride)
    (top, left), (height, width) = padding, whole.shape[2:]
    return F.pad(whole, (-left, left + shape[3] - width, -top, top + shape[2] - height))
