"""A convolution's weights in the order in which oneDNN reads them.

PyTorch brings them into that order anew at each call: little beside a large batch, but as much work as the
convolution itself where one image's small maps meet many weights.
"""

from functools import cache

import torch
from torch import Tensor, nn


class PackedWeights:
    """A convolution as a function of its input (N, C, H, W), which no gradient passes."""

    def __init__(self, convolution: nn.Conv2d, shape: torch.Size):
        """shape: of an input; the order suits it best, and is right for all."""
        padding, stride, dilation = (list(each) for each in _per_axis(convolution))
        self._bias = convolution.bias
        self._settings = (padding, stride, dilation, convolution.groups)
        with torch.no_grad():
            plain = convolution.weight.detach().contiguous().to_mkldnn()
            self._weight = torch._C._nn.mkldnn_reorder_conv2d_weight(plain, *self._settings, list(shape))

    def __call__(self, inputs: Tensor) -> Tensor:
        # oneDNN could do a ReLU as well, but makes 0 of what is not a number, and nobody would notice it.
        call = torch.ops.mkldnn._convolution_pointwise
        return call(inputs, self._weight, self._bias, *self._settings, "none", [], "")


def can_be_packed(module: nn.Module) -> bool:
    """Whether it is a frozen, plain convolution of float32 on a CPU for which PyTorch has oneDNN's operations."""
    return (
        type(module) is nn.Conv2d
        and not module.weight.requires_grad
        and module.weight.dtype == torch.float32
        and module.weight.device.type == "cpu"
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and not (module._forward_hooks or module._forward_pre_hooks)
        and _is_available()
    )


def _per_axis(convolution: nn.Conv2d) -> tuple[tuple[int, int], ...]:
    return convolution.padding, convolution.stride, convolution.dilation


@cache
def _is_available() -> bool:
    """Whether the operations, which are PyTorch's own affair, are there and do what they do in torch 2.13."""
    probe = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    inputs = torch.linspace(-1, 1, 3 * 5 * 5).view(1, 3, 5, 5)
    try:
        found = PackedWeights(probe, inputs.shape)(inputs)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found, probe(inputs), atol=1e-5)
