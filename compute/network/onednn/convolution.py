"""Frozen convolutions of a traced network, packed; all else stays as it is."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

from compute.network.onednn.input_gradient import InputGradient
from compute.network.onednn.weights import PackedWeights, can_be_packed


class PackedConvolution(nn.Module):
    """A frozen convolution, (N, C, H, W) -> (N, D, H', W'); differentiable once, by its input."""

    def __init__(self, convolution: nn.Conv2d, shape: torch.Size):
        """shape: of an input; others work too."""
        super().__init__()
        self._plain = convolution
        self._weights = PackedWeights.of(convolution, shape)
        self._gradient = InputGradient(convolution)

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):  # which oneDNN's operations are not part of
            return self._plain(inputs)
        if torch.is_grad_enabled() and inputs.requires_grad:
            return _Differentiable.apply(inputs, self._weights, self._gradient)
        return self._weights(inputs)


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: PackedWeights, gradient: InputGradient) -> Tensor:
        ctx.shape, ctx.gradient = inputs.shape, gradient
        return weights(inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.gradient(gradient, ctx.shape), None, None


def packed(graph: fx.Graph, modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """`modules` by their names in `graph`, those convolutions packed that can be. Each node's `meta["val"]`
    has its value's shape."""
    calls = [node for node in graph.nodes if node.op == "call_module" and can_be_packed(modules[node.target])]
    return modules | {
        node.target: PackedConvolution(modules[node.target], node.args[0].meta["val"].shape)
        for node in calls
        if node.args and len(node.args[0].meta["val"].shape) == 4
    }
