"""An independent oracle for receptive fields: the network with positive weights and linear activations, whose
gradient is positive exactly at the pixels that a unit depends on."""

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.plain import NONLINEAR_MODULES, NONLINEAR_NAMES, NORMS
from compute.network.traced import TracedNetwork
from compute.network.tracing import copied, executable

PASSING = (*NONLINEAR_MODULES, *NORMS, nn.Softmax)
PASSING_NAMES = {*NONLINEAR_NAMES, "softmax", "normalize", "layer_norm"}


def positive(network: nn.Module) -> nn.Module:
    """Every weight is the same positive number; norms do nothing. Networks made on the meta device get
    memory."""
    network = network.to_empty(device="cpu").double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1 / max(1, parameter[0].numel()))
        for name, buffer in network.named_buffers():
            buffer.fill_(1.0 if name.endswith("running_var") else 0.0)
    return network


class Linearised(fx.Interpreter):
    """Runs a traced network with identities for its activations and norms, and averages for its maxima."""

    def __init__(self, network: TracedNetwork):
        super().__init__(executable(copied(network.graph), network.modules, network.tensors))
        self.same = dict(zip(self.module.graph.nodes, network.graph.nodes, strict=True))
        self.seen: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, node: fx.Node):
        self.seen[self.same[node]] = super().run_node(node)
        return self.seen[self.same[node]]

    def call_module(self, target, args, kwargs):
        module = self.fetch_attr(target)
        if isinstance(module, nn.GroupNorm):
            return args[0] + args[0].mean((2, 3), keepdim=True)
        if isinstance(module, PASSING):
            return args[0]
        if isinstance(module, nn.MaxPool2d):
            return _mean_pool(
                args[0], module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            )
        return super().call_module(target, args, kwargs)

    def call_function(self, target, args, kwargs):
        name = getattr(target, "__name__", "")
        if name in PASSING_NAMES:
            return args[0]
        if name == "max_pool2d":
            geometry = dict(
                zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), args[1:], strict=False)
            )
            geometry |= {key: value for key, value in kwargs.items() if key != "return_indices"}
            return _mean_pool(args[0], **geometry)
        return super().call_function(target, args, kwargs)

    def call_method(self, target, args, kwargs):
        return args[0] if target in PASSING_NAMES else super().call_method(target, args, kwargs)


def _mean_pool(maps, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    if dilation in (1, (1, 1)):
        return F.avg_pool2d(maps, kernel_size, stride, padding, ceil_mode)
    weight = torch.ones(maps.shape[1], 1, kernel_size, kernel_size, dtype=maps.dtype)
    return F.conv2d(maps, weight, None, stride or kernel_size, padding, dilation, maps.shape[1])


class Support:
    """Which pixels of an image of ones units of a network depend on."""

    def __init__(self, network: TracedNetwork, size: tuple[int, int], channels: int = 3):
        self.image = torch.ones(1, channels, *size, dtype=torch.double, requires_grad=True)
        oracle = Linearised(network)
        oracle.run(self.image)
        self.seen = oracle.seen

    def box(self, node: fx.Node, y: int, x: int) -> tuple[int, int, int, int] | None:
        """(left, top, right, bottom), right and bottom exclusive, around the pixels; None where there are
        none."""
        value = self.seen[node][0, :, y, x].sum()
        (gradient,) = torch.autograd.grad(value, self.image, retain_graph=True)
        there = gradient[0].sum(0) != 0
        if not there.any():
            return None
        rows, columns = there.any(1).nonzero().flatten(), there.any(0).nonzero().flatten()
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
