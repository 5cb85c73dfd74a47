"""The slow way to every number: the plain module in eval mode, hooks, and loops over windows.

Nothing here knows of graphs, of folding, or of anything else that is quicker.
"""

import copy
import io
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.2, 0.3)
"""Of the normalisation, another number in every channel."""

STEPS, SLOPE = (1e-8, 1e-9, 1e-6, 1e-5), 5e-3
"""Of finite differences in float64, in pixels' units, and how far a gradient may be off one of them: short
ones where ReLUs go on and off, long ones where a network computes a part in float32 all the same."""

CONVOLUTION = "aten.convolution.default"
PASSING = ("aten.clone.", "aten.detach.", "aten.alias.", "aten.lift_fresh.")
RELUS: dict[str, Callable[..., tuple[Tensor, float, float, bool]]] = {
    "relu": lambda input, inplace=False: (input, 0.0, math.inf, inplace),
    "relu_": lambda input: (input, 0.0, math.inf, True),
    "relu6": lambda input, inplace=False: (input, 0.0, 6.0, inplace),
    "hardtanh": lambda input, min_val=-1.0, max_val=1.0, inplace=False: (input, min_val, max_val, inplace),
}
"""PyTorch's functions: what they are of, the least and the most that they give, and whether in place."""


def normalized(images: Tensor) -> Tensor:
    """What a network takes, of (N, 3, H, W) in [0, 1]."""
    mean, std = (images.new_tensor(each).view(-1, 1, 1) for each in (MEAN, STD))
    return (images - mean) / std


@dataclass(frozen=True)
class Operation:
    """One operation of PyTorch's that a forward pass has run.

    name: such as "aten.relu_.default".
    module: the innermost one in whose code it ran.
    inputs: those of its arguments that are tensors, as objects.
    output: the first tensor of its result, as an object.
    value: a copy of that, as it was then.
    """

    name: str
    module: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    value: Tensor


class Recorded(TorchDispatchMode):
    """Every operation of a forward pass, in its order.

    ends: for each module, of each of its calls the place of the operation whose result it returned.
    """

    def __init__(self, network: nn.Module, image: Tensor):
        super().__init__()
        self.operations: list[Operation] = []
        self.ends: dict[str, list[int | None]] = {}
        self._running = [""]
        with ExitStack() as hooks, torch.no_grad(), self:
            for name, each in network.named_modules():
                hooks.callback(each.register_forward_pre_hook(self._enters(name)).remove)
                hooks.callback(each.register_forward_hook(self._leaves(name)).remove)
            network(image.clone())

    def _enters(self, name: str) -> Any:
        return lambda *_: self._running.append(name)

    def _leaves(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: tuple, output: Any) -> None:
            self._running.pop()
            given = output[0] if isinstance(output, tuple) else output
            self.ends.setdefault(name, []).append(self._place_of(given))

        return hook

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = torch.utils._pytree.tree_leaves(result)
        output = next((each for each in leaves if isinstance(each, Tensor)), None)
        if output is not None:
            inputs = tuple(
                each
                for each in torch.utils._pytree.tree_leaves((args, kwargs or {}))
                if isinstance(each, Tensor)
            )
            self.operations.append(Operation(str(func), self._running[-1], inputs, output, output.clone()))
        return result

    def convolutions(self) -> dict[str, list[int]]:
        """Places of the two-dimensional convolutions among the operations, by the module in whose code they
        ran."""
        found: dict[str, list[int]] = {}
        for place, each in enumerate(self.operations):
            if each.name == CONVOLUTION and each.value.ndim == 4:
                found.setdefault(each.module, []).append(place)
        return found

    def reader(self, place: int) -> int | None:
        """Place of the first operation that reads what the one at `place` gives, behind plain copies."""
        output = self.operations[place].output
        for later in range(place + 1, len(self.operations)):
            if any(each is output for each in self.operations[later].inputs):
                copied = self.operations[later].name.startswith(PASSING)
                return self.reader(later) if copied else later
        return None

    def _place_of(self, output: Any) -> int | None:
        """Place of the last operation so far whose result is `output`."""
        places = reversed(range(len(self.operations)))
        return next((place for place in places if self.operations[place].output is output), None)


@dataclass(frozen=True)
class LayerValue:
    """A layer's value before and behind its nonlinearity, and the modules in whose code both were made."""

    before: Tensor
    behind: Tensor
    before_in: str
    convolution_in: str


def layer_value(recorded: Recorded, layer: str, kind: str, tap: str, own: bool) -> LayerValue | None:
    """Of a layer that is read at `tap`, such as "conv+bn+relu"; None where the operations don't show it.

    kind: "conv", or another whose value is what the module of that name gives.
    own: whether the convolution's module has a `forward` of its own, whose result is the layer's value.
    """
    name, _, call = layer.partition("#")
    number = int(call or 1) - 1
    started = _started(recorded, name, number, kind, tap.split("+")[1:], own)
    if started is None:
        return None
    first, at, parts = started
    chain = [at]
    for _ in parts:
        following = recorded.reader(chain[-1])
        if following is None:
            return None
        chain.append(following)
    operations = recorded.operations
    is_norm = [operations[each].name.partition(".")[2].startswith(NORM_NAMES) for each in chain]
    last_norm = max((place for place, norm in enumerate(is_norm) if norm and place > 0), default=0)
    if len(chain) - 1 - last_norm > 1:
        return None
    before = chain[last_norm]
    return LayerValue(
        operations[before].value,
        operations[chain[-1]].value,
        operations[before].module,
        operations[first].module,
    )


def _started(
    recorded: Recorded, name: str, number: int, kind: str, parts: list[str], own: bool
) -> tuple[int, int, list[str]] | None:
    """Places of the layer's own operation and of what its module gives, and what comes behind by the tap."""
    ends = recorded.ends.get(name, [])
    end = ends[number] if number < len(ends) else None
    if kind != "conv":
        return None if end is None else (end, end, parts)
    places = recorded.convolutions().get(name, [])
    if number >= len(places):
        return None
    at = places[number]
    if not own:
        return at, at, parts
    if end is None:
        return None
    return at, end, parts if end == at else parts[1:]


def as_map(values: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """A layer's value as a map of `shape` (N, C, rows, columns), or None where it can't be read so.

    Of tokens, the last rows * columns, row by row.
    """
    _, channels, rows, columns = shape
    if tuple(values.shape) == tuple(shape):
        return values
    if values.ndim == 4 and tuple(values.shape[1:]) == (rows, columns, channels):
        return values.permute(0, 3, 1, 2)
    if values.ndim == 3 and values.shape[2] == channels and values.shape[1] >= rows * columns:
        return values[:, values.shape[1] - rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))
    return None


@dataclass(frozen=True)
class TokenOrder:
    """Which token stands at each place of a grid, row by row.

    clear: whether at every place it is the one that changes most when the place's pixels do.
    """

    tokens: Tensor
    clear: bool


def token_order(value_of: Callable[[Tensor], Tensor], pixels: Tensor, shape: tuple[int, ...]) -> TokenOrder:
    """The tokens that, taken together, change most when the pixels of their places do.

    value_of: an image's tokens (1, ..., channels), as many as there are places in the grid.
    shape: of the grid, (1, channels, rows, columns).
    """
    _, channels, rows, columns = shape
    high, wide = pixels.shape[2] // rows, pixels.shape[3] // columns
    before = value_of(pixels).reshape(rows * columns, channels)
    changes = []
    for y, x in np.ndindex(rows, columns):
        changed, place = pixels.clone(), np.s_[..., y * high : (y + 1) * high, x * wide : (x + 1) * wide]
        changed[place] = 1 - changed[place]
        changes.append((value_of(changed).reshape(before.shape) - before).norm(dim=1))
    by_place = torch.stack(changes)
    tokens = torch.from_numpy(linear_sum_assignment(by_place.numpy(), maximize=True)[1])
    return TokenOrder(tokens, torch.equal(tokens, by_place.argmax(1)))


def ordered_map(values: Tensor, order: TokenOrder, shape: tuple[int, ...]) -> Tensor:
    """Tokens (1, ..., channels) as a map of `shape`."""
    return values.reshape(-1, shape[1])[order.tokens].T.reshape(shape)


NORM_NAMES = (
    "native_batch_norm", "_native_batch_norm", "native_group_norm", "native_layer_norm", "cudnn_batch_norm",
    "_batch_norm", "batch_norm",
)  # fmt: skip


@dataclass
class LastWeighted:
    """The last linear layer or convolution that a forward pass runs. inputs: what it was given last."""

    name: str = ""
    inputs: Tensor | None = field(default=None)


def last_weighted(network: nn.Module, image: Tensor) -> LastWeighted:
    """Of a pass over `image`."""
    found = LastWeighted()

    def hook(name: str) -> Any:
        def note(_module: nn.Module, inputs: tuple) -> None:
            found.name, found.inputs = name, inputs[0].detach().clone()

        return note

    with ExitStack() as hooks, torch.no_grad():
        for name, each in network.named_modules():
            if isinstance(each, nn.Linear | nn.Conv2d):
                hooks.callback(each.register_forward_pre_hook(hook(name)).remove)
        network(image.clone())
    return found


def features(network: nn.Module, image: Tensor) -> Tensor | None:
    """(N, D): the input of the last linear layer, the mean over all places of a map or over all tokens."""
    inputs = last_weighted(network, image).inputs
    if inputs is None or inputs.ndim == 2:
        return inputs
    return inputs.mean((2, 3)) if inputs.ndim == 4 else inputs.mean(tuple(range(1, inputs.ndim - 1)))


def gradient(network: nn.Module, pixels: Tensor, target: int) -> Tensor | None:
    """d logit / d pixels (1, 3, H, W), in the type of the pixels; None where there is none."""
    pixels = pixels.clone().requires_grad_(True)
    with torch.enable_grad():
        logit = network(normalized(pixels))[0, target]
        if not logit.requires_grad:
            return None
        (found,) = torch.autograd.grad(logit, pixels, allow_unused=True)
    return found


def confirmed_gradient(network: nn.Module, pixels: Tensor, target: int) -> Tensor | None:
    """d logit / d pixels of a network in float64, which finite differences in random directions confirm.

    PyTorch's own is wrong in some layouts in memory, in float64 as well; None where it is so in all of them.
    """

    def slope(direction: Tensor, step: float) -> float:
        with torch.no_grad():
            ends = [network(normalized(pixels + sign * step * direction))[0, target] for sign in (1, -1)]
        return float(ends[0] - ends[1]) / (2 * step)

    generator = torch.Generator().manual_seed(4)
    directions = [torch.randn(pixels.shape, generator=generator, dtype=pixels.dtype) for _ in range(2)]
    slopes = [[slope(each, step) for each in directions] for step in STEPS]
    for images in (pixels, pixels.contiguous(memory_format=torch.channels_last), torch.cat([pixels] * 2)):
        found = gradient(network, images, target)
        if found is None:
            return None
        size = float(found[:1].norm())
        along = [float((found[:1] * each).sum()) for each in directions]
        if any(abs(each[0] - along[0]) + abs(each[1] - along[1]) <= SLOPE * size for each in slopes):
            return found[:1]
    return None


def in_float64(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).double()


def unit_gradient(
    network: nn.Module, pixels: Tensor, module: str, unit: tuple[int | slice, int, int]
) -> Tensor:
    """d unit / d pixels (3, H, W) of a module's map; of several channels, of a sum with uneven weights."""
    maps: list[Tensor] = []
    handle = dict(network.named_modules())[module].register_forward_hook(
        # A copy, since the network may write over it.
        lambda _module, _inputs, output: maps.append(output.clone())
    )
    pixels = pixels.clone().requires_grad_(True)
    try:
        with torch.enable_grad():
            # Two copies, since PyTorch's gradient of a single image is wrong in some networks.
            network(normalized(torch.cat([pixels, pixels])))
    finally:
        handle.remove()
    channel, y, x = unit
    values = maps[0][0, channel, y, x]
    weights = 1 + torch.arange(values.numel(), dtype=values.dtype).cos().view(values.shape) / 2
    (found,) = torch.autograd.grad((values * weights if values.ndim else values).sum(), pixels)
    return found[0]


class GuidedReLU(torch.autograd.Function):
    """min(max(x, 0), most), whose gradient is cut where it is negative (Springenberg et al. 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: float) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < most))
        return x.clamp(0, most)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].clamp(min=0) * ctx.saved_tensors[0], None


class Guided(TorchFunctionMode):
    """While it lasts, every ReLU is a guided one, be it a module or called in somebody's code."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name, options = getattr(func, "__name__", ""), kwargs or {}
        if name in RELUS:
            x, least, most, in_place = RELUS[name](*args, **options)
            if least == 0:
                result = GuidedReLU.apply(x, most)
                return x.copy_(result) if in_place else result
        return func(*args, **options)


def guided_gradient(network: nn.Module, pixels: Tensor, module: str, unit: tuple[int, int, int]) -> Tensor:
    """As `unit_gradient`, with every ReLU's gradient cut where it is negative."""
    with Guided():
        return unit_gradient(network, pixels, module, unit)


def hidden(pixels: Tensor, patch: int, y: int, x: int) -> Tensor:
    """The image with one square window filled with the mean that the network's inputs are normalised by."""
    image = pixels.clone()
    image[:, :, y : y + patch, x : x + patch] = image.new_tensor(MEAN).view(-1, 1, 1)
    return image


def occluded_logits(network: nn.Module, pixels: Tensor, patch: int, ys: Any, xs: Any) -> Tensor:
    """(rows, columns, classes), one window after the other."""
    with torch.no_grad():
        rows = [torch.stack([network(normalized(hidden(pixels, patch, y, x)))[0] for x in xs]) for y in ys]
    return torch.stack(rows)


def png_file(image: np.ndarray) -> bytes:
    """(H, W, 3) in [0, 1] as a person would save it."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def read_png(data: bytes) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


@contextmanager
def training_norms(network: nn.Module) -> Iterator[None]:
    """While it lasts, batch norms take the mean of the statistics of all they see; afterwards they are as in
    eval mode again."""
    norms = [
        each
        for each in network.modules()
        if isinstance(each, nn.modules.batchnorm._BatchNorm) and each.track_running_stats
    ]
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
        each.train()
    try:
        yield
    finally:
        for each, momentum in zip(norms, momenta, strict=True):
            each.momentum = momentum
            each.eval()
