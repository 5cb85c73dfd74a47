"""A traced network as a list of instructions: windowed, pointwise, or dense.

Batch norms are folded into the convolutions before them. Each instruction knows how to run on a block that
was cut out with its halo (no padding) and on a whole map.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.folded import folded_weights, is_fixed
from compute.network.known_calls import called_name
from compute.network.onednn.weights import Geometry, PackedWeights, can_pack
from compute.network.plain import NONLINEAR_MODULES, NONLINEAR_NAMES
from compute.network.traced import TracedNetwork, ancestors, is_tensor
from compute.occlusion.incremental.regions import Window
from compute.runtime.vision_layers import StochasticDepth, is_stochastic_depth

IDENTITY_MODULES = (nn.Identity, nn.Dropout, nn.Dropout2d, StochasticDepth)
IDENTITY_FUNCTIONS = {F.dropout, F.dropout2d}
BINARY = {operator.add, operator.sub, operator.mul, torch.add, torch.mul, torch.sub, operator.truediv}
BINARY_METHODS = {"add", "sub", "mul"}
POOLS = {F.max_pool2d: nn.MaxPool2d, torch.max_pool2d: nn.MaxPool2d, F.avg_pool2d: nn.AvgPool2d}


@dataclass(frozen=True)
class Windowed:
    """A convolution or pooling. valid: runs on a block with its halo; whole: runs on whole maps, with
    padding."""

    output: fx.Node
    inputs: tuple[fx.Node]
    windows: tuple[Window, Window]
    valid: Callable[[torch.Tensor], torch.Tensor]
    whole: Callable[[torch.Tensor], torch.Tensor]
    pad_value: float
    macs_a_unit: float


@dataclass(frozen=True)
class Pointwise:
    """Works place by place: nonlinearity, batch norm, sum, concatenation over channels."""

    output: fx.Node
    inputs: tuple[fx.Node, ...]
    run: Callable[..., torch.Tensor]


@dataclass(frozen=True)
class WholeMap:
    """Anything else: needs whole maps, gives a whole result. macs: multiply-adds of one image's pass."""

    output: fx.Node
    inputs: tuple[fx.Node, ...]
    run: Callable[..., torch.Tensor]
    macs: float = 0.0


Instruction = Windowed | Pointwise | WholeMap


@dataclass(frozen=True)
class Program:
    """instructions: in order. start: the input's node. end: the logits'."""

    instructions: tuple[Instruction, ...]
    start: fx.Node
    end: fx.Node

    def first_gate(self) -> str | None:
        """Name of the first product that weighs whole maps by what depends on all of the image
        (squeeze-and-excite)."""
        return next((each.output.name for each in self.instructions if _is_gate(each)), None)


def compile_program(network: TracedNetwork) -> Program:
    """Instructions for everything between the input and the logits."""
    needed = ancestors([network.end])
    compiler = _Compiler(network, needed)
    start = next(node for node in network.graph.nodes if node.op == "placeholder")
    instructions = []
    for node in network.graph.nodes:
        if node in needed and node is not start and node not in compiler.absorbed:
            instruction = compiler.instruction(node)
            if instruction is not None:
                instructions.append(instruction)
    return Program(tuple(_read(instructions, network.end)), start, network.end)


def _read(instructions: list[Instruction], end: fx.Node) -> list[Instruction]:
    """Without those whose results nobody reads: sizes that were only asked for to pad a map."""
    kept, read = [], {end}
    for each in reversed(instructions):
        if each.output in read:
            kept.append(each)
            read.update(each.inputs)
    return kept[::-1]


def _is_gate(each: Instruction) -> bool:
    product = called_name(each.output) == "mul" or each.output.target in (operator.mul, torch.mul)
    return isinstance(each, WholeMap) and product and (extent(each.output) or (1, 1)) != (1, 1)


def extent(node: fx.Node) -> tuple[int, int] | None:
    """Height and width of a node's map, or None where it is no map."""
    shape = tuple(node.meta["val"].shape) if is_tensor(node) else ()
    return shape[2:] if len(shape) == 4 else None


class _Compiler:
    def __init__(self, network: TracedNetwork, needed: set[fx.Node]):
        self.network = network
        self.needed = needed
        self.absorbed: set[fx.Node] = set()
        self.varies: set[fx.Node] = {node for node in network.graph.nodes if node.op == "placeholder"}
        self.constants: dict[fx.Node, object] = {}

    def instruction(self, node: fx.Node) -> Instruction | None:
        """None for a node that doesn't depend on the image: its value is a constant of the program."""
        if not any(each in self.varies for each in node.all_input_nodes):
            self.constants[node] = self._evaluate(node)
            return None
        self.varies.add(node)
        module = self.network.module_of(node)
        if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros":
            return self._convolution(node, module)
        if (padded := _padded(node)) is not None:
            return padded
        pool = module if module is not None else _functional_pool(node)
        if (made := _pool(node, pool)) is not None:
            return made
        return self._pointwise(node, module) or self._dense(node)

    def _convolution(self, node: fx.Node, module: nn.Conv2d) -> Windowed:
        weight, bias, output = module.weight, module.bias, node
        follower = self._sole_user(output)
        norm = self.network.module_of(follower) if follower is not None else None
        if is_fixed(norm):
            weight, bias = folded_weights(weight, bias, norm)
            output = self._absorb(follower)
        activation = self._following_relu(output)
        if activation is not None:
            output = self._absorb(activation)
        padding = _padding(module)
        windows = tuple(map(Window, module.kernel_size, module.stride, padding, module.dilation))
        if module.padding == "same" and any(_total(each) % 2 for each in windows):
            return self._dense(node)
        convolve = _convolve(module, weight, bias, node, relu=activation is not None)
        return Windowed(
            output,
            (node.args[0],),
            windows,
            lambda maps: convolve(maps, (0, 0)),
            lambda maps: convolve(maps, padding),
            0.0,
            float(module.weight[0].numel() * module.out_channels),
        )

    def _pointwise(self, node: fx.Node, module: nn.Module | None) -> Pointwise | None:
        inputs = tuple(each for each in node.all_input_nodes if each in self.varies)
        if extent(node) is None or any(extent(each) != extent(node) for each in inputs):
            return None
        if self._is_pointwise(node, module):
            return Pointwise(node, inputs, self._runner(node, inputs))
        return None

    def _is_pointwise(self, node: fx.Node, module: nn.Module | None) -> bool:
        if isinstance(module, nn.BatchNorm2d):
            # Without running statistics it takes those of the map itself, also in eval mode.
            return module.running_mean is not None
        if isinstance(module, (*NONLINEAR_MODULES, *IDENTITY_MODULES)):
            return True
        if node.op == "call_method":
            return node.target in NONLINEAR_NAMES or (
                node.target in BINARY_METHODS and self._flat_constants(node)
            )
        if node.op != "call_function":
            return False
        if node.target is torch.cat:
            return (node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)) == 1
        if node.target in BINARY:
            return self._flat_constants(node)
        if node.target in IDENTITY_FUNCTIONS or is_stochastic_depth(node.target):
            return True
        return called_name(node) in NONLINEAR_NAMES

    def _flat_constants(self, node: fx.Node) -> bool:
        """Whether all operands that don't depend on the image are the same in every place."""
        values = [self.constants[each] for each in node.all_input_nodes if each in self.constants]
        return all(not torch.is_tensor(v) or v.ndim < 2 or tuple(v.shape[-2:]) == (1, 1) for v in values)

    def _dense(self, node: fx.Node) -> WholeMap:
        inputs = tuple(each for each in node.all_input_nodes if each in self.varies)
        return WholeMap(node, inputs, self._runner(node, inputs), _macs(node, self.network.module_of(node)))

    def _runner(self, node: fx.Node, inputs: tuple[fx.Node, ...]) -> Callable[..., torch.Tensor]:
        module = self.network.module_of(node)

        def run(*values: torch.Tensor) -> torch.Tensor:
            known = {**self.constants, **dict(zip(inputs, values, strict=True))}
            return _call(node, module, known)

        return run

    def _evaluate(self, node: fx.Node) -> object:
        if node.op == "get_attr":
            return self.network.tensors[node.target]
        return _call(node, self.network.module_of(node), self.constants)

    def _following_relu(self, node: fx.Node) -> fx.Node | None:
        follower = self._sole_user(node)
        if follower is None:
            return None
        is_relu = type(self.network.module_of(follower)) is nn.ReLU or follower.target in (
            F.relu,
            torch.relu,
            "relu",
        )
        return follower if is_relu else None

    def _sole_user(self, node: fx.Node) -> fx.Node | None:
        users = [user for user in node.users if user in self.needed]
        return users[0] if len(users) == 1 and node is not self.network.end else None

    def _absorb(self, node: fx.Node) -> fx.Node:
        self.absorbed.add(node)
        self.varies.add(node)
        return node


def _convolve(
    module: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor | None, node: fx.Node, relu: bool
) -> Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]:
    """Maps and zero padding (down, across) to the convolution with the module's strides, `weight` and `bias`,
    and a ReLU behind it."""
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    geometry = Geometry.of(module)._replace(padding=_padding(module))
    if can_pack(weight):
        packed = PackedWeights(weight, bias, geometry, node.args[0].meta["val"].shape)
    else:
        weight = weight.to(memory_format=torch.channels_last)

        def packed(maps: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
            return F.conv2d(maps, weight, bias, geometry.stride, padding, geometry.dilation, geometry.groups)

    return lambda maps, padding: packed(maps, padding).relu_() if relu else packed(maps, padding)


def _macs(node: fx.Node, module: nn.Module | None) -> float:
    """Multiply-adds of a convolution or linear layer for one image."""
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return 0.0
    return float(node.meta["val"][0].numel() * module.weight[0].numel())


def _call(node: fx.Node, module: nn.Module | None, known: dict[fx.Node, object]) -> object:
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
    if node.op == "call_module":
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


def _functional_pool(node: fx.Node) -> nn.Module | None:
    if node.op != "call_function" or node.target not in POOLS or len(node.all_input_nodes) > 1:
        return None  # a kernel as large as the map, read from its shape, is known when it runs
    return POOLS[node.target](*node.args[1:], **{k: v for k, v in node.kwargs.items() if k != "input"})


def _pool(node: fx.Node, pool: nn.Module | None) -> Windowed | None:
    """Maximum pooling of any kind, average pooling whose divisor is the same everywhere."""
    if not isinstance(pool, nn.MaxPool2d | nn.AvgPool2d):
        return None
    kernel, stride, padding = _pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding)
    dilation, pad_value = (1, 1), 0.0
    if isinstance(pool, nn.MaxPool2d):
        dilation, pad_value = _pair(pool.dilation), -math.inf

        def valid(maps: torch.Tensor) -> torch.Tensor:
            return F.max_pool2d(maps, kernel, stride, 0, dilation)

    elif pool.ceil_mode or (max(padding) > 0 and not pool.count_include_pad):
        return None
    else:

        def valid(maps: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(maps, kernel, stride, 0, divisor_override=pool.divisor_override)

    windows = tuple(map(Window, kernel, stride, padding, dilation))
    return Windowed(node, (node.args[0],), windows, valid, pool, pad_value, 0.0)


def _padded(node: fx.Node) -> Windowed | None:
    """Padding of height and width by zeros or, before a maximum, by the lowest value."""
    if node.target is not F.pad or extent(node) is None:
        return None
    names = ("input", "pad", "mode", "value")
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    left, *others = fx.node.map_arg(tuple(given["pad"]), lambda each: each.meta["val"])
    value = given.get("value") or 0.0
    if (
        given.get("mode", "constant") != "constant"
        or value not in (0.0, -math.inf)
        or len(others) not in (1, 3)
    ):
        return None
    right, top, bottom = (*others, 0, 0)[:3]
    sides = (left, right, top, bottom)
    windows = (Window(1, padding=top), Window(1, padding=left))
    return Windowed(
        node,
        (given["input"],),
        windows,
        lambda maps: maps,
        lambda maps: F.pad(maps, sides, value=value),
        value,
        0.0,
    )


def _padding(module: nn.Conv2d) -> tuple[int, int]:
    if module.padding == "valid":
        return 0, 0
    if module.padding == "same":
        return tuple(d * (k - 1) // 2 for k, d in zip(module.kernel_size, module.dilation, strict=True))
    return tuple(module.padding)


def _total(window: Window) -> int:
    return window.dilation * (window.kernel - 1)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
