"""One operation of a traced network, and how its tensors see one axis of the image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import fx, nn

from compute.network.known_calls import called_name
from compute.network.receptive_field.axis import AxisField


@dataclass(frozen=True)
class AxisView:
    """How a tensor sees one axis of the image: unit i along its dimension `dim` sees what `field` says; where
    `dim` is None, all of the tensor sees what unit 0 does."""

    dim: int | None
    field: AxisField

    def fixed(self) -> "AxisView":
        """All units see what unit 0 sees."""
        return replace(self, field=replace(self.field, stride=0))


@dataclass(frozen=True)
class Call:
    """One node of the graph. module: the one that it calls, if any. extent: pixels of the image along the
    axis."""

    node: fx.Node
    module: nn.Module | None
    extent: int

    @property
    def name(self) -> str | None:
        """The function or tensor method that is called."""
        return called_name(self.node)

    @property
    def before(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return tuple(self.node.all_input_nodes[0].meta["val"].shape)

    @property
    def after(self) -> tuple[int, ...]:
        """Shape of the result, of several the first's."""
        value = self.node.meta["val"]
        return tuple((value[0] if isinstance(value, tuple | list) else value).shape)

    def argument(self, name: str, position: int, default: Any = None) -> Any:
        """A module's attribute, or an argument of the call, whose tensor is at position 0."""
        if self.module is not None:
            return getattr(self.module, name, default)
        if name in self.node.kwargs:
            return concrete(self.node.kwargs[name])
        return concrete(self.node.args[position]) if len(self.node.args) > position else default

    def dims(self, name: str, position: int, default: Any = None, ndim: int | None = None) -> tuple[int, ...]:
        """An argument that names dimensions, as indices from 0; all dimensions where it is None."""
        ndim = len(self.before) if ndim is None else ndim
        given = self.argument(name, position, default)
        if self.node.op == "call_method" and isinstance(given, int) and name not in self.node.kwargs:
            # x.permute(0, 2, 3, 1): one argument a dimension.
            given = [each for each in self.node.args[position:] if type(each) is int] or given
        if given is None:
            return tuple(range(ndim))
        return tuple(each % ndim for each in ([given] if isinstance(given, int) else given))

    def merged(self, view: AxisView, dim: int | None) -> AxisView:
        """Of units along `dim` that each read all units of the input."""
        if view.dim is None:
            return view
        return AxisView(dim, view.field.merged(self.before[view.dim], self.extent))

    def everything(self) -> AxisView:
        """The whole image."""
        return AxisView(None, AxisField.whole(self.extent))


def concrete(argument: Any) -> Any:
    """An argument with the values, for the traced example, of the nodes in it."""
    return fx.node.map_arg(argument, lambda node: node.meta["val"])


def join(call: Call, views: Sequence[AxisView]) -> AxisView:
    """Elementwise operations: a unit sees all that the units which it is computed from see.

    views: with dimensions of the result, after broadcasting.
    """
    dims = {view.dim for view in views if view.dim is not None}
    if len(dims) > 1:
        return call.everything()
    dim = next(iter(dims), None)
    length = 1 if dim is None else call.after[dim]
    field = views[0].field
    for view in views[1:]:
        field = field if view.field == field else field.union(view.field, length, call.extent)
    return AxisView(dim, field)


def broadcast(view: AxisView, before: Sequence[int], after: Sequence[int]) -> AxisView:
    """Dimensions are matched from the last; one of length 1 is repeated."""
    if view.dim is None:
        return view
    dim = view.dim + len(after) - len(before)
    return replace(view if before[view.dim] == after[dim] else view.fixed(), dim=dim)


def kept_dim(view: AxisView, before: Sequence[int], after: Sequence[int]) -> int | None:
    """Where a reshape leaves the axis: at a dimension of its length that as many entries come before, if
    any."""
    entries = math.prod(before[: view.dim])
    places = (dim for dim in range(len(after)) if math.prod(after[:dim]) == entries)
    return next((dim for dim in places if after[dim] == before[view.dim]), None)
