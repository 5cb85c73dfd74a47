"""Where in the image each value inside a network has its place, found by computing with coordinates.

Every tensor of the traced graph gets two others of its shape: y and x of the place that each of its entries
stands for, in pixels, NaN where it has none (a class token). The pixels have their own coordinates. What
moves entries (a reshape, a permutation, a concatenation, a roll) moves the coordinates; what mixes entries
along one dimension (a linear layer, a mean) has their mean; a window of a convolution has its middle; the
result of attention is at the place of its query. Where tensors meet, what is in one place for all of its
entries (a pooled value, tokens mixed with all others) gives way to what has places.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.known_calls import called_name
from compute.network.layers.attention import FUSED, WINDOWED, einsum_operands
from compute.network.receptive_field import reshaping, windows
from compute.network.receptive_field.axis import AxisField
from compute.network.receptive_field.call import AxisView, Call, concrete
from compute.network.receptive_field.rules import ELEMENTWISE, hand_on, rule_of

MOVED = 1e-3
"""Pixels by which two places differ at least."""

Places = torch.Tensor | tuple | None
"""Of a tensor; of each in a tuple; None where nothing is known."""

MOVES = {
    "view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten", "view_as", "reshape_as", "permute",
    "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "flip", "expand", "expand_as", "repeat",
    "tile", "chunk", "split", "tensor_split", "unbind", "getitem", "cat", "concat", "concatenate", "stack",
    "roll", "narrow", "select", "repeat_interleave", "pixel_unshuffle",
}  # fmt: skip
MOVED_BY_SHAPE = {"T", "mT"}
MERGES = {"_patch_merging_pad"}
"""torchvision's function for Swin, which torch.fx doesn't trace into: 2 x 2 tokens become one's channels."""
MATRIX_PRODUCTS = {"matmul", "bmm", "mm"}
ATTENTION = FUSED | WINDOWED
SUMS = {"mean", "sum", "amax", "amin", "max", "min", "std", "var", "logsumexp", "prod"}
UNCHANGED = (
    reshaping.unchanged, reshaping.layer_norm, reshaping.mix_places, reshaping.mix_along, reshaping.normalize,
)  # fmt: skip


def follow(
    graph: fx.Graph, module_of: Callable[[fx.Node], nn.Module | None], axis: int, wanted: Iterable[fx.Node]
) -> dict[fx.Node, torch.Tensor]:
    """Coordinates along one axis (0: y, 1: x) of those `wanted` nodes that have some.

    graph: of a traced network; each node's `meta["val"]` has its value's shape.
    """
    walk = _Walk(graph, module_of, axis, set(wanted))
    return walk.found


class _Walk:
    """One pass over the graph, which forgets what nobody reads any more."""

    def __init__(
        self,
        graph: fx.Graph,
        module_of: Callable[[fx.Node], nn.Module | None],
        axis: int,
        wanted: set[fx.Node],
    ):
        self.module_of, self.axis = module_of, axis
        self.known: dict[fx.Node, Any] = {}
        self.found: dict[fx.Node, torch.Tensor] = {}
        last_reader = {each: node for node in graph.nodes for each in node.all_input_nodes}
        for node in graph.nodes:
            places = self._of(node)
            if places is not None:
                self.known[node] = places
                if node in wanted and isinstance(places, torch.Tensor):
                    self.found[node] = places
            for each in node.all_input_nodes:
                if last_reader[each] is node:
                    self.known.pop(each, None)

    def _of(self, node: fx.Node) -> Places:
        value = node.meta.get("val")
        if node.op == "placeholder":
            return self._pixels(value)
        if node.op == "output" or not any(each in self.known for each in node.all_input_nodes):
            return None
        try:
            found = self._hand_on(node)
        except (RuntimeError, IndexError, TypeError, ValueError, AttributeError):
            return None  # an operation called in a way that isn't known here
        return found if _has_shape_of(found, value) else None

    def _pixels(self, image: torch.Tensor) -> torch.Tensor:
        self.extent = image.shape[2 + self.axis]
        shape = [1] * 4
        shape[2 + self.axis] = self.extent
        return (torch.arange(self.extent) + 0.5).view(shape).expand(image.shape)

    def _hand_on(self, node: fx.Node) -> Places:
        module, name = self.module_of(node), called_name(node)
        call = Call(node, module, self.extent)
        rule = rule_of(call)
        if rule is reshaping.linear:
            return self._mixed(node, node.meta["val"].shape)
        if isinstance(module, nn.MultiheadAttention):
            return self._mixed(node, node.meta["val"][0].shape), None
        if isinstance(module, nn.TransformerEncoder | nn.TransformerEncoderLayer) or rule in UNCHANGED:
            return self._first(node)
        if name == "pad" and not self._is_map(node):
            return F.pad(self._first(node), concrete(node.args[1]), value=torch.nan)
        if rule is not None and rule.__module__ == windows.__name__ and name != "pixel_unshuffle":
            return self._window(call)
        if isinstance(module, nn.Flatten | nn.Unflatten | nn.PixelUnshuffle):
            return module(self._first(node))
        if module is not None:
            return None
        if name in MOVES or (node.target is getattr and node.args[1] in MOVED_BY_SHAPE):
            return self._moved(node)
        if name in MERGES:
            return self._merged(node)
        if name in ATTENTION:
            return self._mixed(node, node.meta["val"].shape)
        if name in MATRIX_PRODUCTS:
            return self._product(node)
        if name == "einsum":
            return self._einsum(node)
        if name in ELEMENTWISE:
            return self._joined(node)
        return self._summed(call) if name in SUMS else None

    def _first(self, node: fx.Node) -> torch.Tensor:
        """Of the first argument; KeyError's kin where it has none."""
        found = self.known.get(node.all_input_nodes[0])
        if not isinstance(found, torch.Tensor):
            raise ValueError("its input has no places")
        return found

    def _mixed(self, node: fx.Node, shape: torch.Size) -> torch.Tensor:
        """Mixed along the last dimension, which may get another length."""
        return _mean(self._first(node), -1).expand(shape)

    def _moved(self, node: fx.Node) -> Places:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self._argument)
        if node.op == "call_method":
            # Coordinates lie otherwise in memory than what a network may call `view` on.
            name = "reshape" if node.target == "view" else node.target
            return getattr(args[0], name)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    def _merged(self, node: fx.Node) -> torch.Tensor:
        """What is padded has no place, but the function pads with 0: it gets places from 1 on."""
        found = node.target(self._first(node) + 1)
        return torch.where(found == 0, torch.nan, found - 1)

    def _argument(self, node: fx.Node) -> Any:
        if node in self.known:
            return self.known[node]
        value = node.meta.get("val")
        return torch.full(value.shape, torch.nan) if isinstance(value, torch.Tensor) else value

    def _product(self, node: fx.Node) -> torch.Tensor:
        """Rows are at the places of the left factor's, columns at those of the right one's."""
        shape = node.meta["val"].shape
        left, right = (self.known.get(each) if isinstance(each, fx.Node) else None for each in node.args[:2])
        by_row = None if left is None else _mean(left, -1).expand(shape)
        by_column = None if right is None else _mean(right, -2).expand(shape)
        return _of_two(by_row, by_column)

    def _einsum(self, node: fx.Node) -> Places:
        """The same of a product by letters: what an operand has places along stays, or is summed over."""
        if (parsed := einsum_operands(node)) is None:
            return None
        (*letters, result), operands = parsed
        shape = node.meta["val"].shape
        known = [self.known.get(each) for each in operands]
        return _of_two(
            *(
                None if places is None else _projected(places, own, result).expand(shape)
                for places, own in zip(known, letters, strict=True)
            )
        )

    def _joined(self, node: fx.Node) -> torch.Tensor:
        shape = node.meta["val"].shape
        tensors = [self.known[each] for each in node.all_input_nodes if each in self.known]
        placed = [_compact(each) for each in tensors if not _is_one_place(each)] or tensors[:1]
        found = placed[0]
        for other in placed[1:]:
            if other is found:
                continue
            found = torch.where(found.isnan(), other, found)
            found = torch.where((other - found).abs() > MOVED, torch.nan, found)
        return found.expand(shape)

    def _summed(self, call: Call) -> torch.Tensor:
        found = self._first(call.node)
        for dim in call.dims("dim", 1):
            found = _mean(found, dim)
        return found.reshape(call.after)

    def _window(self, call: Call) -> torch.Tensor:
        """The middle of what each unit reads."""
        found, dim = self._first(call.node), 2 + self.axis
        if call.before[2:] == call.after[2:] and _is_pointwise(call):
            return _mean(found, 1).expand(call.after)
        if not self._is_map(call.node):
            raise ValueError("what it reads is no map")
        places = found.movedim(dim, 0).flatten(1).double().nanmean(1)
        step = float(places[-1] - places[0]) / max(1, len(places) - 1) or float(self.extent)
        field = AxisField(1, step, float(places[0]))
        view = hand_on(call, [(AxisView(dim, field), call.before)])
        if view is None:
            raise ValueError("what it reads isn't known")
        middle = view.field.offset + (view.field.size - 1) / 2
        stride = 0 if view.dim is None else view.field.stride
        shape = [1] * 4
        shape[dim] = call.after[dim]
        return (middle + stride * torch.arange(call.after[dim]).float()).view(shape).expand(call.after)

    def _is_map(self, node: fx.Node) -> bool:
        """Whether the first argument is (N, C, H, W) and moves along its own axis alone."""
        places, dim = self._first(node), 2 + self.axis
        if places.ndim != 4:
            return False
        along = places[:1, :1, :1] if dim == 3 else places[:1, :1, :, :1]
        return not bool(((places - along).abs() > MOVED).any())


def _of_two(left: torch.Tensor | None, right: torch.Tensor | None) -> torch.Tensor | None:
    """The places of a product: the left factor's, where it has several."""
    return right if left is None or (right is not None and _is_one_place(left)) else left


def _projected(places: torch.Tensor, own: str, result: str) -> torch.Tensor:
    """An operand's places by the letters of an einsum's result, with extent 1 along those that it lacks."""
    gone = tuple(dim for dim, letter in enumerate(own) if letter not in result)
    for dim in gone:
        places = _mean(places, dim)
    kept = [letter for letter in own if letter in result]
    ordered = places.squeeze(gone).permute([kept.index(letter) for letter in result if letter in kept])
    return ordered[tuple(slice(None) if letter in kept else None for letter in result)]


def _mean(places: torch.Tensor, dim: int) -> torch.Tensor:
    if places.stride(dim) == 0 or places.shape[dim] == 1:
        return places.narrow(dim, 0, 1)
    return places.nanmean(dim, keepdim=True)


def _compact(places: torch.Tensor) -> torch.Tensor:
    """Without the repetitions along dimensions in which it was expanded."""
    for dim in range(places.ndim):
        if places.stride(dim) == 0:
            places = places.narrow(dim, 0, 1)
    return places


def _is_one_place(places: torch.Tensor) -> bool:
    """Whether all entries that have a place have the same."""
    places = _compact(places)
    there = places[~places.isnan()]
    return not len(there) or bool((there.max() - there.min()) < MOVED)


def _is_pointwise(call: Call) -> bool:
    kernel = getattr(call.module, "kernel_size", None)
    return kernel in (1, (1, 1)) and isinstance(call.module, nn.Conv2d)


def _has_shape_of(found: Places, value: Any) -> bool:
    if isinstance(found, torch.Tensor):
        return isinstance(value, torch.Tensor) and found.shape == value.shape
    return isinstance(found, tuple | list) and isinstance(value, tuple | list)
