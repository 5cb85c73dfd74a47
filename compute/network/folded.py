"""The network as it runs fastest with the same values: batch norms folded into the convolutions before them,
maps with their channels last in memory.

    s (W * x + b - m) + t  =  (s W) * x + s (b - m) + t,      s = g / sqrt(v + eps)

(g, t: the norm's weight and bias; m, v: its running mean and variance.) A layer's value before its
nonlinearity is the folded convolution's own, so that every site stays, equal but for rounding.
"""

import copy
from collections.abc import Collection, Iterable
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from compute.network.onednn.convolution import packed
from compute.network.outputs import Output
from compute.network.self_test import deviation, tolerance
from compute.network.traced import FEATURES, LOGITS, PRE, TracedNetwork
from compute.runtime.vision_layers import FrozenBatchNorm2d

CHANNELS_LAST_DEVICES = ("cpu", "cuda")


class FoldedNetwork(TracedNetwork):
    """A `TracedNetwork` whose own graph and modules are folded copies; `module` and what `convolution` gives
    are the network's as they were.

    Raises ValueError where the folded network gives other scores, features or layers' values for the example.
    """

    def __init__(self, module: nn.Module, example: Tensor, output: Output = Output()):
        super().__init__(module, example, output)
        with torch.no_grad():
            expected = TracedNetwork.run(self, example, self._checked_sites())
        self._programs.clear()
        self._originals = {name: super(FoldedNetwork, self).convolution(name) for name in self.convolutions}
        for name in self.convolutions:
            self._fold(name)
        self._forget_nodes()
        self._allow_any_layout()
        self.fast_modules = packed(self.graph, self.modules)
        self._check(example, expected)

    def run(self, inputs: Tensor, sites: Iterable[str]) -> dict[str, Tensor]:
        return super().run(channels_last(inputs), sites)

    def convolution(self, name: str) -> nn.Conv2d:
        return self._originals[name] if name in self._originals else super().convolution(name)

    def layer_module(self, name: str) -> nn.Module | None:
        return self._originals[name] if name in self._originals else super().layer_module(name)

    def _fold(self, name: str) -> None:
        """The layer's convolution as a copy of its own, with its norm where it has one that can be folded."""
        site = self.sites[name]
        convolution = self._originals[name]
        follows = site.end is site.computed and site.pre is not site.computed
        norm = self.module_of(site.pre) if follows else None
        folded = _with_norm(convolution, norm if is_fixed(norm) else None)
        site.computed.target = _unused_target(site.computed.target, self.modules)
        self.modules[site.computed.target] = folded
        if is_fixed(norm):
            self._skip(site.pre)

    def _skip(self, norm: fx.Node) -> None:
        before = norm.args[0]
        norm.replace_all_uses_with(before)
        self.graph.erase_node(norm)
        if self.logits_node is norm:
            self.logits_node = before
        for name, site in self.sites.items():
            changed = {field: before for field in ("end", "pre", "post") if getattr(site, field) is norm}
            self.sites[name] = replace(site, **changed)

    def _allow_any_layout(self) -> None:
        """`view` insists on one order in memory, `reshape` gives the same values in any."""
        for node in self.graph.nodes:
            if node.op == "call_method" and node.target == "view" and not _changes_type(node):
                node.target = "reshape"

    def _checked_sites(self) -> set[str]:
        """All that the folded network is compared with the graph on."""
        scores = set() if self.logits_node is None else {LOGITS}
        return {*scores, FEATURES, *self.convolutions, *(name + PRE for name in self.convolutions)}

    def _check(self, example: Tensor, expected: dict[str, Tensor]) -> None:
        name = type(self.module).__name__
        try:
            with torch.no_grad():
                found = self.run(example, self._checked_sites())
        except RuntimeError as error:
            raise ValueError(f"{name} doesn't run with channels last: {error}") from error
        for site, value in expected.items():
            off = deviation(found[site], value)
            if off > tolerance(value.dtype):
                what = "scores" if site == LOGITS else "features" if site == FEATURES else f"values of {site}"
                raise ValueError(
                    f"{name} gives {what} that differ by {off:.2g} of their spread once it is folded"
                )


def channels_last(images: Tensor) -> Tensor:
    """(N, C, H, W) with channels last in memory, on a device that is known to be no slower that way."""
    if images.ndim != 4 or images.device.type not in CHANNELS_LAST_DEVICES:
        return images
    return images.contiguous(memory_format=torch.channels_last)


def _with_norm(convolution: nn.Conv2d, norm: nn.Module | None) -> nn.Conv2d:
    """A frozen copy of a convolution with the norm's scale and shift in its weights, computed in float64."""
    weight, bias = convolution.weight.detach(), convolution.bias
    if norm is not None:
        weight, bias = folded_weights(weight, bias, norm)
    folded = copy.copy(convolution)
    folded._parameters = dict(convolution._parameters)
    folded.weight = nn.Parameter(channels_last(weight), requires_grad=False)
    folded.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return folded


def folded_weights(weight: Tensor, bias: Tensor | None, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return a convolution's weight and bias with the scale and shift of the norm behind it in them.

    weight: (D, C, h, w)
    bias: (D,), None for none
    norm: one that `is_fixed`
    """
    scale, shift = _scale_and_shift(norm)
    before = torch.zeros_like(shift) if bias is None else bias.detach().double()
    scaled = weight.detach().double() * scale.view(-1, 1, 1, 1)
    return scaled.to(weight.dtype), (before * scale + shift).to(weight.dtype)


def _scale_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """What a norm multiplies by and what it adds then, (channels,) each, float64."""
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach().double()


def is_fixed(norm: nn.Module | None) -> bool:
    """Whether a norm is the same affine map for every input."""
    if isinstance(norm, FrozenBatchNorm2d):
        return True
    return isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None


def _changes_type(node: fx.Node) -> bool:
    return any(isinstance(each, torch.dtype) for each in (*node.args, *node.kwargs.values()))


def _unused_target(target: str, taken: Collection[str]) -> str:
    """A module name beside `target`: a convolution that runs twice may be folded with two norms."""
    names = (f"{target}_folded{call or ''}" for call in range(len(taken) + 1))
    return next(name for name in names if name not in taken)
