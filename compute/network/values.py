"""Proxies that know the value of their node for an example, so that code that asks for a shape goes on.

While a network is traced, everything it computes is computed for the example as well. Code that branches on a
shape, counts with it or hands it to a function that takes numbers alone gets the example's; what it asked for
is noted, since the graph may then be that of this size of image alone. Code that branches on what the image
shows can't be traced.
"""

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx

DATA, BATCH, SPACE = "data", "batch", "space"
"""What a value depends on: what the images show; how many they are; how large they are."""

ABOUT_RANK = {"dim", "ndimension", "is_floating_point", "is_complex", "get_device", "element_size"}
"""Methods of a tensor whose answer is the same for images of any number and size."""

ABOUT_SHAPE = {"size", "shape", "numel", "nelement"}


class Untraceable(ValueError):
    """Python code that needs more than a shape. The message is a reason."""


class ValueProxy(fx.Proxy):
    """As `isinstance` sees it, a number or a tuple is one. A tensor is none: its code would read it."""

    @property
    def __class__(self) -> type:
        value = self.tracer.values.get(self.node)
        return type(value) if isinstance(value, int | float | tuple | list | dict) else ValueProxy

    def __getattr__(self, name: str) -> Any:
        value = self.tracer.values[self.node]
        found = getattr(value, name)
        if callable(found):
            return fx.proxy.Attribute(self, name)
        if isinstance(found, torch.Tensor | torch.Size):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return found

    def __bool__(self) -> bool:
        return bool(self.tracer.concrete(self))

    def __int__(self) -> int:
        return int(self.tracer.concrete(self))

    def __float__(self) -> float:
        return float(self.tracer.concrete(self))

    def __index__(self) -> int:
        return self.tracer.concrete(self).__index__()

    def __len__(self) -> int:
        value = self.tracer.values[self.node]
        return len(self.tracer.concrete(self) if isinstance(value, torch.Tensor) else value)

    def __iter__(self) -> Iterator:
        if isinstance(self.tracer.values[self.node], dict):
            return iter(self.tracer.values[self.node])
        return (self[index] for index in range(len(self)))

    def __setitem__(self, place: Any, value: Any) -> None:
        raise Untraceable("its code writes into a part of a tensor")

    def keys(self) -> Any:
        return self.tracer.values[self.node].keys()


class Dependence:
    """What each node's value depends on; of a shape, what each of its numbers does."""

    def __init__(self, values: dict[fx.Node, Any]):
        self.values = values
        self._of: dict[fx.Node, frozenset[str]] = {}
        self._entries: dict[fx.Node, list[frozenset[str]]] = {}

    def __getitem__(self, node: fx.Node) -> frozenset[str]:
        return self._of.get(node, frozenset())

    def note(self, node: fx.Node) -> None:
        """Works out a new node, whose inputs are known."""
        inputs = frozenset().union(*(self[each] for each in node.all_input_nodes))
        self._of[node] = frozenset({DATA}) if node.op == "placeholder" else inputs
        if asks_for_shape(node) and inputs:
            entries = _entries(self.values[node.args[0]])
            index = node.args[1] if node.target == "size" and len(node.args) > 1 else slice(None)
            self._take(node, entries, index)
        elif node.target is operator.getitem and node.args[0] in self._entries:
            self._take(node, self._entries[node.args[0]], node.args[1])

    def _take(self, node: fx.Node, entries: list[frozenset[str]], index: Any) -> None:
        if isinstance(index, slice) and not any(isinstance(each, fx.Node) for each in _parts(index)):
            self._entries[node] = entries[index]
            self._of[node] = frozenset().union(*entries[index])
        elif isinstance(index, int):
            self._of[node] = entries[index]
        else:
            self._of[node] = frozenset().union(*entries)


def asks_for_shape(node: fx.Node) -> bool:
    """Whether a node's value follows from its input's shape, whatever the numbers in it are."""
    asked = node.target if node.op == "call_method" else node.args[1] if node.target is getattr else None
    return asked in ABOUT_SHAPE


def _entries(tensor: torch.Tensor) -> list[frozenset[str]]:
    """Of a tensor's extents: the first is the number of images; that of a map's second is its channels'."""
    channels = frozenset() if tensor.ndim == 4 else frozenset({SPACE})
    return [frozenset({BATCH}), channels, *[frozenset({SPACE})] * tensor.ndim][: tensor.ndim]


def _parts(index: slice) -> tuple[Any, Any, Any]:
    return index.start, index.stop, index.step
