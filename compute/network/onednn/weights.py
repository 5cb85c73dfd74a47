"""A convolution's weights in the order in which oneDNN reads them.

PyTorch brings them into that order anew at each call: little beside a large batch, but as much work as the
convolution itself where one image's small maps meet many weights.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Geometry(NamedTuple):
    """Of a convolution, each down and across; in oneDNN's order."""

    padding: Sequence[int]
    stride: Sequence[int]
    dilation: Sequence[int]
    groups: int

    @classmethod
    def of(cls, convolution: nn.Conv2d) -> "Geometry":
        return cls(convolution.padding, convolution.stride, convolution.dilation, convolution.groups)


class PackedWeights:
    """A convolution as a function of its input (N, C, H, W), which no gradient passes."""

    def __init__(self, weight: Tensor, bias: Tensor | None, geometry: Geometry, shape: Sequence[int]):
        """shape: of an input; the order suits it best, and is right for all."""
        self._bias, self._geometry = bias, geometry
        with torch.no_grad():
            plain = weight.detach().contiguous().to_mkldnn()
            self._weight = torch._C._nn.mkldnn_reorder_conv2d_weight(plain, *geometry, list(shape))

    @classmethod
    def of(cls, convolution: nn.Conv2d, shape: Sequence[int]) -> "PackedWeights":
        return cls(convolution.weight, convolution.bias, Geometry.of(convolution), shape)

    def __call__(self, inputs: Tensor, padding: Sequence[int] | None = None) -> Tensor:
        """padding: zeros down and across; left out, the geometry's."""
        geometry = self._geometry if padding is None else self._geometry._replace(padding=padding)
        # oneDNN could do a ReLU as well, but makes 0 of what is not a number, and nobody would notice it.
        call = torch.ops.mkldnn._convolution_pointwise
        return call(inputs, self._weight, self._bias, *geometry, "none", [], "")


def can_be_packed(module: nn.Module) -> bool:
    """Whether it is a frozen, plain convolution whose weights can be packed."""
    return (
        type(module) is nn.Conv2d
        and not module.weight.requires_grad
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and not (module._forward_hooks or module._forward_pre_hooks)
        and can_pack(module.weight)
    )


def can_pack(weight: Tensor) -> bool:
    """Whether weights are of float32 on a CPU for which PyTorch has oneDNN's operations."""
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and _is_available()


@cache
def _is_available() -> bool:
    """Whether the operations, which are PyTorch's own affair, are there and do what they do in torch 2.13."""
    weight, inputs = (torch.linspace(-1, 1, n * 3 * k * k).view(n, 3, k, k) for n, k in ((4, 3), (1, 5)))
    try:
        found = PackedWeights(weight, None, Geometry((1, 1), (1, 1), (1, 1), 1), inputs.shape)(inputs)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found, F.conv2d(inputs, weight, padding=1), atol=1e-5)
