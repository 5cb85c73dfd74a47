"""Guided backpropagation: the gradient of one neuron, cut at every ReLU where it is negative.

    R_in = (f > 0) · (R_out > 0) · R_out    at each ReLU f = max(0, z)    (Springenberg et al. 2015, figure 1)

The rule is put on the one autograd graph of one forward pass, as hooks on its ReLU nodes, and is gone with
it: the network is not touched, and a ReLU that is a module, a function, in place or used twice is the same
node to autograd.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from compute.methods.attribution.backward_nodes import gates, is_relu, nodes, other_nonlinearities
from compute.models.model import Model
from compute.network.outputs import NONE
from compute.network.traced import LOGITS, PRE

_reasons: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class Guided:
    """gradient: (C, H, W), signed, per unit of the pixels' range. value: the neuron's, before its
    nonlinearity. y, x: where in the channel's map it is. gated: whether gates before it pass their gradient
    unchanged."""

    gradient: torch.Tensor
    value: float
    y: int
    x: int
    gated: bool = False


def guided_gradients(
    model: Model,
    images: torch.Tensor,
    layer: str,
    channel: int,
    units: Sequence[tuple[int, int]] | None = None,
) -> list[Guided]:
    """Guided gradients of one neuron an image, read after batch norm and before its nonlinearity.

    images: (N, C, H, W) in [0, 1]. units: (y, x) an image; None: where the channel is strongest. Raises
    ValueError where a nonlinearity before the layer isn't a ReLU.
    """
    with torch.enable_grad():
        inputs = images.detach().clone().requires_grad_(True)
        maps = model.activations(inputs, {layer + PRE})[layer + PRE][:, channel]
        units = strongest_units(maps) if units is None else units
        values = torch.stack([each[y, x] for each, (y, x) in zip(maps, units, strict=True)])
        gated = _guide(values.grad_fn)
        (gradients,) = torch.autograd.grad(values.sum(), inputs)
    found = zip(gradients.float().cpu(), values.tolist(), units, strict=True)
    return [Guided(gradient, value, y, x, gated) for gradient, value, (y, x) in found]


def energy_box(gradient: torch.Tensor, share: float = 0.9) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels, right and bottom exclusive: where the gradient (C, H, W) lies.

    Along each axis the middle `share` of its energy (squares, summed over the other axes): in a network whose
    receptive field is the whole image, the part that the neuron really responds to.
    """
    energy = gradient.double().square().sum(0)
    (top, bottom), (left, right) = _middle(energy.sum(1), share), _middle(energy.sum(0), share)
    return left, top, right, bottom


def _middle(energy: torch.Tensor, share: float) -> tuple[int, int]:
    if not energy.any():
        return 0, len(energy)
    grown = energy.cumsum(0) / energy.sum()
    tail = (1 - share) / 2
    return int((grown <= tail).sum()), int((grown < 1 - tail).sum()) + 1


def strongest_units(maps: torch.Tensor) -> list[tuple[int, int]]:
    """(y, x) of the maximum of each map (N, H, W); the first in the order of reading among equal ones."""
    return [divmod(int(each.flatten().argmax()), maps.shape[2]) for each in maps.detach()]


def undefined_because(model: Model, layer: str | None = None) -> str | None:
    """What guided backprop isn't defined for, or None; found once a model and layer.

    layer: only what stands between the image and it counts. None: whether there is any layer behind a ReLU
    and nothing else; of a network without one, what its scores are made with.
    """
    known = _reasons.setdefault(model, {})
    if layer not in known:
        known[layer] = _network_reason(model) if layer is None else _reason(_root(model, layer + PRE))
    return known[layer]


def _network_reason(model: Model) -> str | None:
    for layer in model.layers:
        root = _root(model, layer + PRE)
        if (reason := _reason(root)) is not None:
            return reason
        if any(is_relu(node) for node in nodes(root)):
            return None
    return None if model.output.meaning == NONE else _reason(_root(model, LOGITS))


def _root(model: Model, site: str) -> Any:
    """Autograd's last node of a site's value for an image of noise."""
    shape = (1, model.in_channels, *model.input_size)
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    with torch.enable_grad():
        return model.activations(example, {site})[site].grad_fn


def _reason(root: Any) -> str | None:
    if root is None:
        return "no gradient reaches the image"
    others = other_nonlinearities(root)
    return (
        f"guided backprop is defined for ReLU, and this network uses {' and '.join(others)}"
        if others
        else None
    )


def _guide(root: Any) -> bool:
    """Puts the rule on every ReLU of a graph; returns whether it has gates, which stay as they are."""
    if (reason := _reason(root)) is not None:
        raise ValueError(reason)
    for node in nodes(root):
        if is_relu(node):
            node.register_hook(
                lambda inputs, _: tuple(None if each is None else each.clamp(min=0) for each in inputs)
            )
    return bool(gates(root))
