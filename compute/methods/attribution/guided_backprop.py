"""Guided backpropagation: the gradient of one neuron, cut at every ReLU where it is negative.

    R_in = (f > 0) · (R_out > 0) · R_out    at each ReLU f = max(0, z)    (Springenberg et al. 2015, figure 1)

The rule is put on the one autograd graph of one forward pass, as hooks on its ReLU nodes, and is gone with
it: the network is not touched, and a ReLU that is a module, a function, in place or used twice is the same
node to autograd.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch

from compute.models.model import Model
from compute.network.traced import LOGITS, PRE

# Autograd's names of ReLU; of those with a limit, that limit must be 0 (ReLU6 is hardtanh from 0 to 6).
RELU = "ReluBackward0"
LIMITED = {
    "HardtanhBackward0": "_saved_min_val",
    "ClampMinBackward0": "_saved_min",
    "ClampBackward1": "_saved_min",
    "ThresholdBackward0": "_saved_threshold",
}
OTHERS = {
    "LeakyRelu": "leaky ReLU", "RreluWithNoise": "RReLU", "PreluKernel": "PReLU", "Elu": "ELU",
    "Celu": "CELU", "Gelu": "GELU", "Silu": "SiLU", "Mish": "Mish", "Hardswish": "Hardswish",
    "Hardsigmoid": "Hardsigmoid", "Sigmoid": "sigmoid", "LogSigmoid": "log sigmoid", "Tanh": "tanh",
    "Softplus": "softplus", "Hardtanh": "Hardtanh", "Hardshrink": "hard shrink",
    "Softshrink": "soft shrink", "Clamp": "clamp", "Threshold": "threshold", "Maximum": "maximum",
}  # fmt: skip
_reasons: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class Guided:
    """gradient: (C, H, W), signed, per unit of the pixels' range. value: the neuron's, before its
    nonlinearity. y, x: where in the channel's map it is."""

    gradient: torch.Tensor
    value: float
    y: int
    x: int


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
        _guide(values.grad_fn)
        (gradients,) = torch.autograd.grad(values.sum(), inputs)
    found = zip(gradients.float().cpu(), values.tolist(), units, strict=True)
    return [Guided(gradient, value, y, x) for gradient, value, (y, x) in found]


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


def undefined_because(model: Model) -> str | None:
    """Which nonlinearities of the network aren't ReLUs, or None: found once a model in one forward pass's
    graph."""
    if model not in _reasons:
        example = torch.zeros(1, model.in_channels, *model.input_size, requires_grad=True)
        with torch.enable_grad():
            _reasons[model] = _reason(model.activations(example, {LOGITS})[LOGITS].grad_fn)
    return _reasons[model]


def _reason(root) -> str | None:
    others = sorted({name for node in _nodes(root) if (name := _other_nonlinearity(node))})
    return (
        f"guided backprop is defined for ReLU, and this network uses {' and '.join(others)}"
        if others
        else None
    )


def _guide(root) -> None:
    if (reason := _reason(root)) is not None:
        raise ValueError(reason)
    for node in _nodes(root):
        if _is_relu(node):
            node.register_hook(
                lambda inputs, _: tuple(None if each is None else each.clamp(min=0) for each in inputs)
            )


def _nodes(root) -> Iterator:
    """Every node of an autograd graph once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)


def _is_relu(node) -> bool:
    limit = LIMITED.get(node.name())
    return node.name() == RELU or (limit is not None and getattr(node, limit) == 0)


def _other_nonlinearity(node) -> str | None:
    if _is_relu(node):
        return None
    kind = node.name().partition("Backward")[0]
    return OTHERS.get(kind.removesuffix("Min"))
