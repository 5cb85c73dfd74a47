"""A network's forward pass as a program that reads every layer's value on the way and lets it go at once.

Nothing is differentiated, so that nonlinearities and sums may write over what nobody reads any more: no map
is kept, and the memory for the next one is still in the cache.
"""

import copy
import operator
from collections.abc import Callable, Iterable

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.known_calls import called_name
from compute.network.onednn.convolution import PackedConvolution
from compute.network.plain import NONLINEAR_MODULES
from compute.network.traced import FEATURES, LOGITS, TracedNetwork
from compute.network.tracing import executable

OVERWRITING = {
    operator.add: operator.iadd,
    torch.add: operator.iadd,
    operator.mul: operator.imul,
    F.relu: torch.relu_,
    torch.relu: torch.relu_,
}
OVERWRITING_METHODS = {"relu": "relu_", "add": "add_", "mul": "mul_"}
FRESH_MODULES = (
    nn.Conv2d,
    PackedConvolution,
    nn.Linear,
    nn.BatchNorm2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    *NONLINEAR_MODULES,
)
"""Modules whose result is memory of its own, never a view of what they read."""


def reading_program(
    network: TracedNetwork, layers: Iterable[str], read: Callable[[torch.Tensor], object]
) -> fx.GraphModule:
    """Maps normalised images to {LOGITS, FEATURES, each layer: read(its value)}, the first where the network
    has class scores. To be run in inference mode; `read` must not keep its argument."""
    layers = tuple(layers)
    own = (FEATURES,) if network.logits_node is None else (LOGITS, FEATURES)
    graph, nodes = network.copied({*own, *layers})
    outputs = {site: nodes[site] for site in own}
    for layer in layers:
        with graph.inserting_after(nodes[layer]):
            outputs[layer] = graph.call_function(read, (nodes[layer],))
    modules = dict(network.fast_modules)
    _overwrite(graph, modules, read, kept=set(outputs.values()))
    graph.output(outputs)
    return executable(graph, modules, network.tensors)


def _overwrite(graph: fx.Graph, modules: dict[str, nn.Module], read: Callable, kept: set[fx.Node]) -> None:
    """Let operations write over their first argument where it is read for the last time."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        written = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
        if written is None or written in kept or not _same_kind(node, written):
            continue
        others = [user for user in written.users if user is not node]
        if _is_fresh(written, modules) and all(
            order[user] < order[node] and (user.target is read or _is_fresh(user, modules)) for user in others
        ):
            _take_overwriting_form(node, modules)


def _take_overwriting_form(node: fx.Node, modules: dict[str, nn.Module]) -> None:
    if node.op == "call_module" and getattr(modules[node.target], "inplace", True) is False:
        overwriting = copy.copy(modules[node.target])
        overwriting.inplace = True
        node.target = f"{node.target}_overwriting"
        modules[node.target] = overwriting
    elif node.op == "call_function" and node.target in OVERWRITING and not set(node.kwargs) - {"inplace"}:
        node.target = OVERWRITING[node.target]
        node.args, node.kwargs = node.args[: 1 if node.target is torch.relu_ else 2], {}
    elif node.op == "call_method" and node.target in OVERWRITING_METHODS:
        node.target = OVERWRITING_METHODS[node.target]


def _is_fresh(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether a node's value is memory of its own, or that of an argument which nobody reads any more."""
    if node.op == "call_module":
        return isinstance(modules[node.target], FRESH_MODULES)
    overwriting = {*OVERWRITING, *OVERWRITING.values(), torch.cat}
    methods = {*OVERWRITING_METHODS, *OVERWRITING_METHODS.values()}
    return (node.op == "call_function" and node.target in overwriting) or (
        node.op == "call_method" and called_name(node) in methods
    )


def _same_kind(node: fx.Node, written: fx.Node) -> bool:
    """Whether the result has the written tensor's shape and type."""
    one, other = node.meta.get("val"), written.meta.get("val")
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return False
    return one.shape == other.shape and one.dtype == other.dtype
