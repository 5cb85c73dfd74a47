"""Where a traced network attends: softmax(Q K^T) V, in whatever way it is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from compute.network.known_calls import called_name
from compute.network.self_test import deviation, tolerance
from compute.network.tracing import drop_unread, executable

if TYPE_CHECKING:
    from compute.network.traced import TracedNetwork

PRODUCTS = {"matmul", "bmm"}
HANDING_ON = {
    "dropout", "contiguous", "to", "type_as", "float", "half", "view", "reshape", "expand", "clone", "add",
    "sub", "rsub", "mul", "div", "truediv", "sum", "unsqueeze", "sigmoid",
}  # fmt: skip
HANDING_ON_MODULES = (nn.Dropout, nn.Identity)

ModuleOf = Callable[[fx.Node], nn.Module | None]


@dataclass(frozen=True)
class Attention:
    """One attention of the graph.

    node: its result: of scaled_dot_product_attention, of the product with the values, or of
        nn.MultiheadAttention.
    weights: the node of what the values are multiplied with, where the graph has one.
    softmaxes: what that is made of.
    """

    node: fx.Node
    weights: fx.Node | None = None
    softmaxes: frozenset[fx.Node] = frozenset()


def attentions(graph: fx.Graph, module_of: ModuleOf) -> Iterator[Attention]:
    """In the order in which they run."""
    for node in graph.nodes:
        module = module_of(node)
        if isinstance(module, nn.MultiheadAttention) or called_name(node) == "scaled_dot_product_attention":
            yield Attention(node)
        elif called_name(node) in PRODUCTS and (softmaxes := _softmaxes(node.args[0], module_of)):
            yield Attention(node, node.args[0], frozenset(softmaxes))


def _softmaxes(node: fx.Node, module_of: ModuleOf) -> set[fx.Node]:
    """The softmaxes that a node is, hands on or is a mixture of."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if is_softmax(node, module_of):
            found.add(node)
        elif isinstance(module_of(node), HANDING_ON_MODULES) or called_name(node) in HANDING_ON:
            waiting.extend(node.all_input_nodes)
    return found


def is_softmax(node: fx.Node, module_of: ModuleOf) -> bool:
    return isinstance(module_of(node), nn.Softmax) or called_name(node) == "softmax"


def weights_program(network: "TracedNetwork") -> fx.GraphModule:
    """Maps normalised images to (what the network gives, each attention's weights in their order).

    Weights are (N, heads, queries, keys) as the network's code has them, or (N * heads, queries, keys). What
    the network gives is computed out of them, so that it has a gradient of each.
    Raises ValueError, with the reason, where the network has no attention, where it can't be written so, or
    where what is computed out of the weights isn't what the network gives.
    """
    found = list(attentions(network.graph, network.module_of))
    if not found:
        raise ValueError("the network has no attention")
    known = {each for attention in found for each in attention.softmaxes}
    inside = [node for node in network.depending if _is_inside(node)]
    if any(node not in known and is_softmax(node, network.module_of) for node in inside):
        raise ValueError("one of its softmaxes weights other values in a way that isn't known")
    graph, copies = network.copy_up_to([network.end])
    modules, weights = dict(network.modules), []
    for number, attention in enumerate(each for each in found if each.node in copies):
        if attention.weights is not None:
            weights.append(copies[attention.weights])
            continue
        module, node = network.module_of(attention.node), copies[attention.node]
        with graph.inserting_before(node):
            if isinstance(module, nn.MultiheadAttention):
                weights.append(_spelled_out_module(graph, node, module, modules, number))
            else:
                weights.append(_spelled_out(graph, node))
    graph.output((copies[network.end], tuple(weights)))
    drop_unread(graph)
    program = executable(graph, modules, network.tensors)
    _check(network, program)
    return program


def attention_weights(
    queries: Tensor, keys: Tensor, mask: Tensor | None, causal: bool, scale: float | None
) -> Tensor:
    """softmax(Q K^T / sqrt(d) + mask): (..., queries, d), (..., keys, d) -> (..., queries, keys)."""
    scores = queries @ keys.transpose(-2, -1) * (queries.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1)


def _spelled_out(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """Puts weights and their product with the values in the place of scaled_dot_product_attention."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if given.get("enable_gqa"):
        raise ValueError("several of its queries share a key")
    arguments = (given["query"], given["key"], given.get("attn_mask"), bool(given.get("is_causal")))
    weights = graph.call_function(attention_weights, (*arguments, given.get("scale")))
    node.replace_all_uses_with(graph.call_function(torch.matmul, (weights, given["value"])))
    return weights


def _spelled_out_module(
    graph: fx.Graph, node: fx.Node, module: nn.MultiheadAttention, modules: dict[str, nn.Module], number: int
) -> fx.Node:
    """The same in the place of PyTorch's module."""
    names = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    if given.get("key_padding_mask") is not None or given.get("attn_mask") is not None:
        raise ValueError("its attention is masked")
    if module.bias_k is not None or module.add_zero_attn:
        raise ValueError("its attention has a key of its own")
    targets = f"attention.{number}.weights", f"attention.{number}.values"
    modules.update(zip(targets, (_Weights(module), _Values(module)), strict=True))
    weights = graph.call_module(targets[0], (given["query"], given["key"]))
    result = graph.call_module(targets[1], (weights, given["value"]))
    for reader in list(node.users):
        if called_name(reader) == "getitem" and reader.args[1] == 0:
            reader.replace_all_uses_with(result)
    return weights


class _Part(nn.Module):
    """Of PyTorch's attention, whose weights are for queries, keys and values together or for each."""

    def __init__(self, whole: nn.MultiheadAttention):
        super().__init__()
        self.__dict__["whole"] = whole  # not registered: it stays the network's

    def heads(self, tokens: Tensor, index: int) -> Tensor:
        """Tokens projected as queries (0), keys (1) or values (2): (N, heads, tokens, d)."""
        whole = self.whole
        if whole.in_proj_weight is not None:
            weight = whole.in_proj_weight.chunk(3)[index]
        else:
            weight = (whole.q_proj_weight, whole.k_proj_weight, whole.v_proj_weight)[index]
        bias = None if whole.in_proj_bias is None else whole.in_proj_bias.chunk(3)[index]
        projected = nn.functional.linear(tokens, weight, bias)
        if not whole.batch_first:
            projected = projected.transpose(0, 1)
        return projected.unflatten(2, (whole.num_heads, -1)).transpose(1, 2)


class _Weights(_Part):
    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return attention_weights(self.heads(queries, 0), self.heads(keys, 1), None, False, None)


class _Values(_Part):
    def forward(self, weights: Tensor, values: Tensor) -> Tensor:
        mixed = self.whole.out_proj((weights @ self.heads(values, 2)).transpose(1, 2).flatten(2))
        return mixed if self.whole.batch_first else mixed.transpose(0, 1)


def _is_inside(node: fx.Node) -> bool:
    """Whether a node's value is more than class scores."""
    return isinstance(node.meta.get("val"), Tensor) and node.meta["val"].ndim > 2


def _check(network: "TracedNetwork", program: fx.GraphModule) -> None:
    graph, copies = network.copy_up_to([network.end])
    graph.output(copies[network.end])
    with torch.no_grad():
        expected = executable(graph, network.modules, network.tensors)(network.example.clone())
        found, _ = program(network.example.clone())
    if (off := deviation(found, expected)) > tolerance(expected.dtype):
        raise ValueError(f"what is computed out of its attention's weights is {off:.2g} off")
