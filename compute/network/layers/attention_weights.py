"""A transformer's attention weights for an image, and their gradients.

The network runs as a graph in which every attention is written out as softmax(Q K^T) V, so that its weights
are values of the graph and the scores are computed out of them.
"""

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compute.network.known_calls import called_name
from compute.network.layers.attention import WINDOWED, Attention, attentions, unknown_because
from compute.network.layers.grids import MOVED, Grid, find_grid
from compute.network.layers.places import follow
from compute.network.self_test import deviation, mixture, tolerance
from compute.network.traced import TracedNetwork, ancestors
from compute.network.tracing import drop_unread, executable

WITHIN_WINDOWS = (
    "its attention is within windows (or other parts of the image): no token attends to all others, and "
    "rollout is not defined"
)

READ = 1e-6
"""A token whose attention moves the scores less than this share of the strongest one's is not read."""


@dataclass(frozen=True)
class AttentionWeights:
    """What is known of a transformer's attention.

    program: see `_program`.
    orders: of each block, how the dimensions of its weights become (1, heads, tokens, tokens).
    grid: which tokens are patches.
    read: positions of the tokens that the scores are made of.
    """

    program: fx.GraphModule
    orders: tuple[tuple[int, ...] | None, ...]
    grid: Grid
    read: tuple[int, ...]

    def of(
        self, image: Tensor, score: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Each block's weights for a normalised image (1, C, H, W), and the gradients by them of a score,
        which is computed from the class scores (none without one): float32 (heads, tokens, tokens) each."""
        with torch.enable_grad():
            scores, weights = self.program(image.detach().requires_grad_(True))
            gradients = () if score is None else torch.autograd.grad(score(scores), weights)
        return self._by_head(weights), self._by_head(gradients)

    def _by_head(self, values: Sequence[Tensor]) -> list[Tensor]:
        return [
            _in_order(each.detach(), order)[0].float().cpu()
            for each, order in zip(values, self.orders, strict=False)
        ]


def attention_weights(network: object) -> AttentionWeights:
    """Of a network that is a `TracedNetwork`.

    Raises ValueError, with the reason, where there is no attention from each token to all others, block
    after block, or where what is computed out of the weights isn't what the network gives.
    """
    if not isinstance(network, TracedNetwork):
        raise ValueError("the network can't be traced, so that its attention can't be seen")
    needed = ancestors([network.end])
    found = [each for each in attentions(network.graph, network.module_of) if each.node in needed]
    inside = [node for node in network.graph.nodes if node in needed and node in network.depending]
    reason = unknown_because(inside, network.module_of, found)
    if reason is not None or not found:
        raise ValueError(reason or "the network has no attention")
    if any(called_name(each.node) in WINDOWED for each in found):
        raise ValueError(WITHIN_WINDOWS)
    _check_chain(found)
    program = _program(network, found)
    orders = tuple(each.order for each in found for _ in range(_depth(network.module_of(each.node))))
    with torch.enable_grad():
        scores, weights = program(network.example.clone().requires_grad_(True))
        ordered = [_in_order(each, order) for each, order in zip(weights, orders, strict=True)]
        _check_shapes([tuple(each.shape) for each in ordered])
        _check_sums(ordered)
        (gradient,) = torch.autograd.grad(mixture(scores), weights[-1], allow_unused=True)
    read = _read(None if gradient is None else _in_order(gradient, orders[-1]))
    return AttentionWeights(program, orders, _grid(network, found, ordered[0].shape[-1]), read)


def _in_order(weights: Tensor, order: tuple[int, ...] | None) -> Tensor:
    """(1, heads, tokens, tokens) of weights as the code has them, where each head may be an image."""
    ordered = weights if order is None else weights.permute(order)
    return ordered[None] if ordered.ndim == 3 else ordered


def _check_chain(found: list[Attention]) -> None:
    """Raises ValueError where an attention doesn't read what the one before it gives."""
    for before, after in itertools.pairwise(found):
        if before.node not in ancestors([after.node]):
            raise ValueError("it attends in branches beside one another, and not in one block after another")


def _check_shapes(shapes: list[tuple[int, ...]]) -> None:
    """Raises ValueError where weights are not (1, heads, tokens, tokens) with the same tokens throughout."""
    if any(len(shape) != 4 or shape[0] != 1 for shape in shapes):
        raise ValueError(WITHIN_WINDOWS)
    across = [shape for shape in shapes if shape[2] != shape[3]]
    if across:
        queries, keys = across[0][2:]
        raise ValueError(
            f"its attention is not from tokens to the same tokens, but from {queries} to {keys}, and rollout "
            "is not defined"
        )
    lengths = list(dict.fromkeys(shape[3] for shape in shapes))
    if len(lengths) > 1:
        raise ValueError(
            f"the number of tokens changes from block to block ({', '.join(map(str, lengths))}), and rollout "
            "is not defined"
        )


def _check_sums(weights: Sequence[Tensor]) -> None:
    """Raises ValueError where what a query gives its keys is no share of the whole."""
    for each in weights:
        off = (each.detach().sum(-1) - 1).abs().max()
        if float(off) > tolerance(each.dtype) or float(each.detach().min()) < 0:
            raise ValueError("its attention weights are not shares: those of a token don't add up to 1")


def _read(gradient: Tensor | None) -> tuple[int, ...]:
    """Positions of the tokens whose weights in the last block move the scores.

    gradient: by the last block's weights (1, heads, tokens, tokens), of a mixture of all scores.
    """
    if gradient is None or not bool(gradient.any()):
        raise ValueError("its scores don't depend on its attention (a new network's last layer may be 0)")
    moved = gradient[0].abs().sum((0, 2))
    return tuple((moved > READ * moved.max()).nonzero().flatten().tolist())


def _grid(network: TracedNetwork, found: list[Attention], length: int) -> Grid:
    """Of the tokens that are looked at, by the places of the values; ValueError where they have none."""
    wanted = {each.values for each in found}
    y, x = (follow(network.graph, network.module_of, axis, wanted) for axis in (0, 1))
    grids = []
    for each in found:
        if each.values not in y or each.values not in x:
            raise ValueError("which places of the image its tokens stand for can't be seen")
        module = network.module_of(each.node)
        along = [_of_keys(places[each.values], each, module, length) for places in (y, x)]
        grids.append(find_grid(along[0], along[1], network.example.shape[2:]))
    if grids[0] is None or any(each is None or each.order != grids[0].order for each in grids):
        raise ValueError("its tokens stand for no grid of places in the image")
    return grids[0]


def _of_keys(places: Tensor, attention: Attention, module: nn.Module | None, length: int) -> Tensor:
    """The places of the values (1, keys, 1); raises ValueError where what is looked at are no tokens (but
    channels, say)."""
    if attention.values_order is not None:
        places = places.permute(attention.values_order)
    if module is not None and not _is_batch_first(module):
        places = places.transpose(0, 1)
    keys = places.movedim(-2, 0).flatten(1)
    first = keys[:, :1]
    same = ((keys - first).abs() < MOVED) | (keys.isnan() & first.isnan())
    if len(keys) != length or not bool(same.all()):
        raise ValueError("what its attention weights are no tokens that each have one place in the image")
    return first[None]


# The network with its attention written out.


def _program(network: TracedNetwork, found: list[Attention]) -> fx.GraphModule:
    """Maps a normalised image to (what the network gives, each block's weights as its code has them). What
    the network gives is computed out of the weights, so that it has a gradient of each.

    Raises ValueError where it can't be written so, or doesn't give what the network gives.
    """
    graph, copies = network.copy_up_to([network.end])
    modules, weights = dict(network.modules), []
    for number, attention in enumerate(found):
        if attention.weights is not None:
            weights.append(copies[attention.weights])
            continue
        node, module = copies[attention.node], network.module_of(attention.node)
        with graph.inserting_before(node):
            if module is None:
                weights.append(_spell_out(graph, node))
            else:
                target = f"attention.{number}"
                modules[target] = SpelledOut(module)
                weights += _spell_out_module(graph, node, target, module)
    scores = graph.call_function(torch.clone, (copies[network.end],))
    graph.output((scores, tuple(weights)))
    drop_unread(graph)
    program = executable(graph, modules, network.tensors)
    _check_program(network, program)
    return program


def _arguments(node: fx.Node, names: str) -> dict[str, Any]:
    return {**dict(zip(names.split(), node.args, strict=False)), **node.kwargs}


def _spell_out(graph: fx.Graph, node: fx.Node) -> fx.Node:
    """Puts weights and their product with the values in the place of scaled_dot_product_attention."""
    given = _arguments(node, "query key value attn_mask dropout_p is_causal scale enable_gqa")
    if given.get("enable_gqa"):
        raise ValueError("several of its queries share a key")
    arguments = (given["query"], given["key"], given.get("attn_mask"), bool(given.get("is_causal")))
    weights = graph.call_function(softmax_weights, (*arguments, given.get("scale")))
    node.replace_all_uses_with(graph.call_function(torch.matmul, (weights, given["value"])))
    return weights


def _spell_out_module(graph: fx.Graph, node: fx.Node, target: str, module: nn.Module) -> list[fx.Node]:
    """The same in the place of one of PyTorch's modules."""
    whole = isinstance(module, nn.MultiheadAttention)
    inputs = "query key value" if whole else "src"
    mask = "key_padding_mask need_weights attn_mask" if whole else "mask src_key_padding_mask is_causal"
    given = _arguments(node, f"{inputs} {mask}")
    if any("mask" in name and value is not None for name, value in given.items()):
        raise ValueError("its attention is masked")
    new = graph.call_module(target, tuple(given[name] for name in inputs.split()))
    parts = [graph.call_function(operator.getitem, (new, place)) for place in range(1 + _depth(module))]
    for reader in list(node.users) if whole else []:
        if reader.args[1] != 0:
            raise ValueError("its attention's weights are used elsewhere as well")
        reader.replace_all_uses_with(parts[0])
    if not whole:
        node.replace_all_uses_with(parts[0])
    return parts[1:]


def _depth(module: nn.Module | None) -> int:
    """How many attentions there are in one of PyTorch's modules, one after the other."""
    return len(module.layers) if isinstance(module, nn.TransformerEncoder) else 1


def softmax_weights(
    queries: Tensor, keys: Tensor, mask: Tensor | None, causal: bool, scale: float | None
) -> Tensor:
    """softmax(Q K^T / sqrt(d) + mask): (..., queries, d), (..., keys, d) -> (..., queries, keys)."""
    scores = queries @ keys.transpose(-2, -1) * (queries.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1)


class SpelledOut(nn.Module):
    """One of PyTorch's modules that attend, as what it computes.

    Gives its result and the weights (N, heads, queries, keys) of each attention in it.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.__dict__["module"] = module  # not registered: it stays the network's

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if isinstance(self.module, nn.TransformerEncoder):
            return _encoder(self.module, *inputs)
        if isinstance(self.module, nn.TransformerEncoderLayer):
            return _encoder_layer(self.module, *inputs)
        return _multihead(self.module, *inputs)


def _encoder(module: nn.TransformerEncoder, tokens: Tensor) -> tuple[Tensor, ...]:
    weights = []
    for layer in module.layers:
        tokens, own = _encoder_layer(layer, tokens)
        weights.append(own)
    return (tokens if module.norm is None else module.norm(tokens), *weights)


def _encoder_layer(module: nn.TransformerEncoderLayer, tokens: Tensor) -> tuple[Tensor, Tensor]:
    before = module.norm1(tokens) if module.norm_first else tokens
    mixed, weights = _multihead(module.self_attn, before, before, before)
    tokens = tokens + mixed
    if module.norm_first:
        return tokens + module._ff_block(module.norm2(tokens)), weights
    tokens = module.norm1(tokens)
    return module.norm2(tokens + module._ff_block(tokens)), weights


def _multihead(
    module: nn.MultiheadAttention, queries: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    if module.bias_k is not None or module.add_zero_attn:
        raise ValueError("its attention has a key of its own")
    by_head = [_by_head(module, each, place) for place, each in enumerate((queries, keys, values))]
    weights = softmax_weights(by_head[0], by_head[1], None, False, None)
    mixed = module.out_proj((weights @ by_head[2]).transpose(1, 2).flatten(2))
    return mixed if module.batch_first else mixed.transpose(0, 1), weights


def _by_head(module: nn.MultiheadAttention, tokens: Tensor, place: int) -> Tensor:
    """Tokens projected as queries (0), keys (1) or values (2): (N, heads, tokens, d)."""
    if module.in_proj_weight is not None:
        weight = module.in_proj_weight.chunk(3)[place]
    else:
        weight = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)[place]
    bias = None if module.in_proj_bias is None else module.in_proj_bias.chunk(3)[place]
    projected = F.linear(tokens if module.batch_first else tokens.transpose(0, 1), weight, bias)
    return projected.unflatten(2, (module.num_heads, -1)).transpose(1, 2)


def _is_batch_first(module: nn.Module) -> bool:
    first = next(each for each in module.modules() if isinstance(each, nn.MultiheadAttention))
    return first.batch_first


def _check_program(network: TracedNetwork, program: fx.GraphModule) -> None:
    graph, copies = network.copy_up_to([network.end])
    graph.output(copies[network.end])
    with torch.no_grad():
        expected = executable(graph, network.modules, network.tensors)(network.example.clone())
        found, _ = program(network.example.clone())
    if (off := deviation(found, expected)) > tolerance(expected.dtype):
        raise ValueError(f"what is computed out of its attention's weights is {off:.2g} off")
