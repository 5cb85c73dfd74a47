"""Rules for operations that read a window of neighbouring units: convolutions, pooling, padding, resizing."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from compute.network.receptive_field.call import AxisView, Call

Taps = Callable[[int], tuple[int, int]]


def convolve(call: Call, view: AxisView) -> AxisView:
    kernel, stride, dilation = (
        _weight(call).shape[2:],
        call.argument("stride", 3, 1),
        call.argument("dilation", 5, 1),
    )
    padding = call.argument("padding", 4, 0)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        padding = [each * (size - 1) // 2 for each, size in zip(_pair(dilation), kernel, strict=True)]
    return _window(call, view, kernel, stride, padding, dilation)


def convolve_transposed(call: Call, view: AxisView) -> AxisView:
    """Unit i reads the units j with i = j * stride - padding + t * dilation."""
    stride, padding, dilation = (
        _along(call, view, call.argument(*each))
        for each in (("stride", 3, 1), ("padding", 4, 0), ("dilation", 7, 1))
    )
    reach = (_along(call, view, _weight(call).shape[2:]) - 1) * dilation
    return _resampled(
        call,
        view,
        lambda unit: (-((reach - padding - unit) // stride), (unit + padding) // stride),
        1 / stride,
    )


def max_pool(call: Call, view: AxisView) -> AxisView:
    return _pool(call, view, 1, call.argument("padding", 3, 0), call.argument("dilation", 4, 1))


def average_pool(call: Call, view: AxisView) -> AxisView:
    return _pool(call, view, 1, call.argument("padding", 3, 0))


def power_pool(call: Call, view: AxisView) -> AxisView:
    return _pool(call, view, 2)


def adaptive_pool(call: Call, view: AxisView) -> AxisView:
    before, after = call.before[view.dim], call.after[view.dim]
    if after == 1:
        return call.merged(view, view.dim)
    return _resampled(
        call,
        view,
        lambda unit: (unit * before // after, -(-(unit + 1) * before // after) - 1),
        before / after,
    )


def pad(call: Call, view: AxisView) -> AxisView:
    """Sizes are given from the last dimension on, before and after it; negative ones crop."""
    sizes = call.argument("padding", 1) if call.module is not None else call.argument("pad", 1)
    place = 2 * (len(call.before) - 1 - view.dim)
    return replace(view, field=view.field.window(1, padding=sizes[place] if place < len(sizes) else 0))


def unshuffle(call: Call, view: AxisView) -> AxisView:
    factor = call.argument("downscale_factor", 1)
    return _window(call, view, factor, factor)


def shuffle(call: Call, view: AxisView) -> AxisView:
    factor = call.argument("upscale_factor", 1)
    return _resampled(call, view, lambda unit: (unit // factor, unit // factor), 1 / factor)


def interpolate(call: Call, view: AxisView) -> AxisView:
    mode = call.argument("mode", 3, "nearest")
    if mode == "area":
        return adaptive_pool(call, view)
    if call.argument("antialias", 6, False):
        return call.merged(view, view.dim)
    before, after = call.before[view.dim], call.after[view.dim]
    if call.argument("align_corners", 4) and after > 1:
        ratio = (before - 1) / (after - 1)
        return _resampled(call, view, _neighbours(mode, ratio, 0.0), ratio)
    ratio = _sampling_ratio(call, view)
    return _resampled(call, view, _neighbours(mode, ratio, 0.0 if mode == "nearest" else 0.5), ratio)


def _neighbours(mode: str, ratio: float, centre: float) -> Taps:
    """The units around (unit + centre) * ratio - centre that each mode reads."""
    before, after = {"nearest": (0, 0), "nearest-exact": (0, 0), "bilinear": (0, 1), "bicubic": (-1, 2)}[mode]
    shift = 0.0 if mode.startswith("nearest") else centre

    def taps(unit: int) -> tuple[int, int]:
        position = math.floor((unit + centre) * ratio - shift + 1e-6)
        return position + before, position + after

    return taps


def _sampling_ratio(call: Call, view: AxisView) -> float:
    """Input units a unit of the result: where only the factor is given, PyTorch samples by it, not by the
    sizes."""
    factor = call.argument("scale_factor", 2)
    if factor is None or call.argument("recompute_scale_factor", 5):
        return call.before[view.dim] / call.after[view.dim]
    return 1 / _along(call, view, factor)


def _pool(call: Call, view: AxisView, position: int, padding: Any = 0, dilation: Any = 1) -> AxisView:
    """position: of the kernel among the arguments, with the stride behind it."""
    kernel = call.argument("kernel_size", position)
    return _window(call, view, kernel, call.argument("stride", position + 1) or kernel, padding, dilation)


def _window(
    call: Call, view: AxisView, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1
) -> AxisView:
    geometry = [int(_along(call, view, each)) for each in (kernel, stride, padding, dilation)]
    return replace(view, field=view.field.window(*geometry))


def _resampled(call: Call, view: AxisView, taps: Taps, ratio: float) -> AxisView:
    """taps: the first and last unit of the input that a unit of the result reads; may pass the border."""
    ends = [taps(unit) for unit in range(call.after[view.dim])]
    inside = [(max(first, 0), min(last, call.before[view.dim] - 1)) for first, last in ends]
    read = [each if each[0] <= each[1] else None for each in inside]
    return replace(view, field=view.field.reading(read, ratio))


def _weight(call: Call) -> torch.Tensor:
    return call.argument("weight", 1)


def _along(call: Call, view: AxisView, sizes: Any) -> Any:
    """The one of (height, width), or of one number for both, that belongs to the view's dimension."""
    return _pair(sizes)[view.dim - len(call.before)]


def _pair(sizes: Any) -> tuple:
    values = tuple(sizes) if isinstance(sizes, tuple | list) else (sizes,)
    return values * 2 if len(values) == 1 else values
