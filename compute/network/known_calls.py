"""Functions called with fixed weights, as the modules of PyTorch that compute the same.

A convolution that is a subclass of its own, standardises or normalises its weights, pads its input itself or
is no module at all ends in `F.conv2d(x, weight, …)`, with a weight that is the same for every image. Such a
call is replaced by a plain `nn.Conv2d` of that weight, so that all that is known of convolutions holds.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F


def called_name(node: fx.Node) -> str | None:
    """The name of the function or tensor method that a node calls."""
    if node.op == "call_method":
        return node.target
    return getattr(node.target, "__name__", None) if node.op == "call_function" else None


def with_known_modules(
    graph: fx.Graph,
    modules: dict[str, nn.Module],
    values: dict[fx.Node, Any],
    fixed: set[fx.Node],
    owner_of: dict[fx.Node, str],
) -> dict[fx.Node, fx.Node]:
    """Puts plain modules into `graph` and `modules` in the place of functions with fixed weights.

    Returns the new node of each that was replaced.

    values: of the nodes, for the example.
    fixed: nodes whose values are the same for every image.
    owner_of: the module in whose code a node's call stands, after which it is named.
    """
    replaced: dict[fx.Node, fx.Node] = {}
    for node in list(graph.nodes):
        make = MAKERS.get(node.target) if node.op == "call_function" else None
        module = _made(make, node, values, fixed) if make is not None else None
        if module is None:
            continue
        name = _unused(owner_of.get(node) or node.name, modules)
        modules[name] = module.eval().requires_grad_(False)
        with graph.inserting_before(node):
            new = graph.call_module(name, (node.args[0] if node.args else node.kwargs["input"],))
        values[new] = values[node]
        new.meta.update(node.meta)
        node.replace_all_uses_with(new)
        graph.erase_node(node)
        replaced[node] = new
    return replaced


def _made(make: Callable, node: fx.Node, values: dict[fx.Node, Any], fixed: set[fx.Node]) -> nn.Module | None:
    """The module, or None where an argument besides the input isn't fixed."""
    names = ("input", *SIGNATURES[make])
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    image = given.pop("input", None)
    if not isinstance(image, fx.Node) or image in fixed or any(each not in fixed for each in _nodes(given)):
        return None
    return make(values[image].ndim, **fx.node.map_arg(given, values.__getitem__))


def _nodes(arguments: dict[str, Any]) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg(arguments, lambda node: found.append(node) or node)
    return found


def _convolution(
    ndim: int,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> nn.Conv2d | None:
    if ndim != 4 or weight.ndim != 4 or not weight.is_floating_point():
        return None
    outputs, inputs, *kernel = weight.shape
    pairs = [each if isinstance(each, str) else _pair(each) for each in (stride, padding, dilation)]
    with torch.device("meta"):
        made = nn.Conv2d(inputs * groups, outputs, tuple(kernel), *pairs, groups, bias is not None)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made


def _linear(_ndim: int, weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear | None:
    if weight.ndim != 2 or not weight.is_floating_point():
        return None
    with torch.device("meta"):
        made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made


def _batch_norm(
    ndim: int,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> nn.Module | None:
    """None for one that takes its statistics from the images themselves."""
    if training or running_mean is None or running_var is None or (weight is None) != (bias is None):
        return None
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}.get(ndim, nn.BatchNorm3d)
    made = kind(len(running_mean), eps, affine=weight is not None)
    made.running_mean, made.running_var = running_mean.detach(), running_var.detach()
    if weight is not None:
        made.weight = nn.Parameter(weight.detach(), requires_grad=False)
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made


def _layer_norm(
    _ndim: int,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> nn.LayerNorm | None:
    if weight is None and bias is not None:
        return None
    made = nn.LayerNorm(tuple(normalized_shape), eps, elementwise_affine=weight is not None)
    if weight is not None:
        made.weight = nn.Parameter(weight.detach(), requires_grad=False)
        made.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    return made


MAKERS: dict[Any, Callable] = {
    F.conv2d: _convolution, torch.conv2d: _convolution, F.linear: _linear, F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
}  # fmt: skip
SIGNATURES = {
    _convolution: ("weight", "bias", "stride", "padding", "dilation", "groups"),
    _linear: ("weight", "bias"),
    _layer_norm: ("normalized_shape", "weight", "bias", "eps"),
    _batch_norm: ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
}
"""Names of the arguments behind the input, in the order in which PyTorch's functions take them."""


def _pair(value: Any) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    return pair * 2 if len(pair) == 1 else pair


def _unused(name: str, taken: dict[str, nn.Module]) -> str:
    if name not in taken:
        return name
    return next(each for call in range(2, len(taken) + 3) if (each := f"{name}#{call}") not in taken)
