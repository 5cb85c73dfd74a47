"""What each value inside a network sees of the image, exactly: intervals handed on through the traced graph.

A receptive field is a property of the network in eval mode for one size of image. It is the box around all
pixels that a unit depends on, in whatever way: a squeeze-and-excitation gate depends on every pixel, and so
does all that is multiplied by it; so does what group norm scales.

The box moves evenly from unit to unit, as if the image had no end, so that at the border of a map it may be a
little larger than what the unit there sees; padding that copies pixels from elsewhere (reflection) lies
beyond the border like any other. Upsampling moves unevenly: the box holds what any unit sees. So does that of
an operation that isn't known: it is the whole image.
"""

from dataclasses import dataclass

import torch
from torch import fx

from compute.network.receptive_field.axis import AxisField
from compute.network.receptive_field.call import AxisView, Call
from compute.network.receptive_field.rules import hand_on
from compute.network.traced import TracedNetwork

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ReceptiveField:
    """unknown: the operation that made it the whole image because nothing is known of it, or None."""

    y: AxisField
    x: AxisField
    unknown: str | None = None

    def box(self, y: int, x: int) -> Box:
        """(left, top, right, bottom) of what the unit at row y, column x sees: edges in pixels of the crop,
        right and bottom exclusive; may pass the border."""
        left, top = self.x.interval(x)[0], self.y.interval(y)[0]
        return left, top, left + self.x.size, top + self.y.size

    @property
    def whole(self) -> bool:
        """Whether every unit sees the same pixels, wherever it is in its map: as a rule, all of them."""
        return self.y.stride == 0 and self.x.stride == 0


def whole_image(size: tuple[int, int], unknown: str | None = None) -> ReceptiveField:
    """Of units that see all of an image of (height, width)."""
    return ReceptiveField(AxisField.whole(size[0]), AxisField.whole(size[1]), unknown)


def receptive_fields(network: TracedNetwork) -> dict[fx.Node, ReceptiveField]:
    """By node, for each tensor that depends on the image. A unit is counted along what is left of the image's
    height and width in the tensor."""
    walk = _Walk(network)
    return {
        node: ReceptiveField(y.field, x.field, walk.unknown.get(node)) for node, (y, x) in walk.views.items()
    }


class _Walk:
    """One pass over the graph. views: of height and width. unknown: by node, the unknown operation before
    it."""

    def __init__(self, network: TracedNetwork):
        self.network = network
        self.views: dict[fx.Node, tuple[AxisView, AxisView]] = {}
        self.unknown: dict[fx.Node, str] = {}
        image, *nodes = network.graph.nodes
        self.size = tuple(image.meta["val"].shape[2:])
        self.views[image] = (AxisView(2, AxisField(1, 1, 0)), AxisView(3, AxisField(1, 1, 0)))
        for node in nodes:
            if node.op != "output" and _has_tensor(node) and self._inputs(node):
                self._visit(node)

    def _visit(self, node: fx.Node) -> None:
        inputs = self._inputs(node)
        if not _is_tensor(inputs[0]):  # one of several pieces, which all see the same
            found = self.views[inputs[0]]
        else:
            found = (self._hand_on(node, inputs, 0), self._hand_on(node, inputs, 1))
        self.views[node] = found
        if reasons := [self.unknown[each] for each in inputs if each in self.unknown]:
            self.unknown.setdefault(node, reasons[0])

    def _hand_on(self, node: fx.Node, inputs: list[fx.Node], axis: int) -> AxisView:
        call = Call(node, self.network.module_of(node), self.size[axis])
        views = [(self.views[each][axis], tuple(each.meta["val"].shape)) for each in inputs]
        found = hand_on(call, views)
        if found is None:
            self.unknown[node] = type(call.module).__name__ if call.module is not None else str(call.name)
        return call.everything() if found is None else found

    def _inputs(self, node: fx.Node) -> list[fx.Node]:
        return [each for each in node.all_input_nodes if each in self.views]


def _is_tensor(node: fx.Node) -> bool:
    return isinstance(node.meta["val"], torch.Tensor)


def _has_tensor(node: fx.Node) -> bool:
    value = node.meta["val"]
    return _is_tensor(node) or (
        isinstance(value, tuple | list) and any(isinstance(v, torch.Tensor) for v in value)
    )
