"""A convolution whose weights never change again, made ready once: packed as oneDNN reads them, its ReLU fused.

PyTorch's own call brings the weights into oneDNN's order anew every time, which for a few small blocks costs a
deep layer as much as a fifth of its multiplications. The sums are the same, to the last bit.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

Convolve = Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]
"""Maps (N, C, H, W) and zero padding (down, across) to (N, channels, H', W')."""


def packed_convolution(
    convolution: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor | None, relu: bool
) -> Convolve:
    """The geometry of `convolution` with `weight` and `bias` (float, detached) in place of its own; not
    differentiable.

    relu: whether a ReLU follows. On devices and types that oneDNN doesn't pack for, PyTorch's own convolution.
    """
    stride, dilation, groups = convolution.stride, convolution.dilation, convolution.groups
    if not _can_pack(weight):
        weight = weight.to(memory_format=torch.channels_last)

        def convolve(maps: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
            result = F.conv2d(maps, weight, bias, stride, padding, dilation, groups)
            return result.relu_() if relu else result

        return convolve
    with torch.inference_mode():
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, (0, 0), stride, dilation, groups)
    fused = "relu" if relu else "none"

    def convolve_packed(maps: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            maps, packed, bias, padding, stride, dilation, groups, fused, [], ""
        )

    return convolve_packed


def _can_pack(weight: torch.Tensor) -> bool:
    here = weight.device.type == "cpu" and weight.dtype == torch.float32
    return (
        here and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )
