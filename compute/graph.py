"""The network as a traced graph, run out of place, that hands out activations by name.

No hook is ever installed: asking for a *site* builds a copy of the graph that returns it, and stops there. The copy
shares the parameters and holds no state, so any number of threads may run it at once, and a caller that gives up in
the middle leaves nothing behind.

Sites: "logits", "features" (input of the last linear layer), "maps" (the last feature maps, where the last blocks
have been added or concatenated), "<layer>" (a convolution's value after the batch norm and nonlinearity that directly
follow it), "<layer>:pre" (the same before the nonlinearity).
"""

import operator
import threading
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F

PRE = ":pre"
LOGITS, FEATURES, MAPS = "logits", "features", "maps"

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
NONLINEAR_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish,
    nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardtanh, nn.Softplus,
)  # fmt: skip
NONLINEAR_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "sigmoid",
    "hardsigmoid", "tanh", "hardtanh", "softplus", "clamp_min",
}  # fmt: skip
SOFTMAX_MODULES = (nn.Softmax, nn.LogSoftmax)
SOFTMAX_NAMES = {"softmax", "log_softmax"}
OUT_OF_PLACE = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv, torch.relu_: torch.relu, F.relu_: F.relu, F.leaky_relu_: F.leaky_relu,
    F.elu_: F.elu, F.hardtanh_: F.hardtanh, torch.sigmoid_: torch.sigmoid, torch.tanh_: torch.tanh,
}  # fmt: skip


class _Tracer(fx.Tracer):
    """Keeps convolutions, linear layers and norms whole, also where a user has subclassed them."""

    LEAVES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.MultiheadAttention, *NORMS, *NONLINEAR_MODULES)

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, self.LEAVES) or super().is_leaf_module(module, qualified_name)


@dataclass(frozen=True)
class Site:
    """Where a layer's value is read: the convolution's own node, the node before and the node after its nonlinearity.

    tap: what lies on the way, such as "conv+bn+relu".
    """

    convolution: fx.Node
    pre: fx.Node
    post: fx.Node
    tap: str


class TracedNetwork:
    """A network in eval mode as a graph.

    Raises ValueError, with the reason, where the network can't be traced (control flow that depends on the data).
    """

    def __init__(self, module: nn.Module, example: torch.Tensor):
        """module: maps (N, C, H, W) to (N, classes). example: one input (1, C, H, W), for the shapes."""
        try:
            graph = _Tracer().trace(module)
        except Exception as error:  # fx raises whatever the network's own code raises on a proxy
            raise ValueError(f"{type(module).__name__} can't be traced: {error}") from error
        _make_out_of_place(graph, module)
        self.module = module
        self.graph = graph
        with torch.inference_mode():
            ShapeProp(fx.GraphModule(module, graph)).propagate(example)
        self.modules = dict(module.named_modules())
        self.logits_node = self._strip_softmax(self._output())
        self.sites = self._find_sites()
        self._compiled: dict[frozenset[str], fx.GraphModule] = {}
        self._lock = threading.Lock()

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values of `sites` for normalised `inputs` (N, C, H, W); computes no more than they need."""
        return self._program(frozenset(sites))(inputs)

    def node(self, site: str) -> fx.Node:
        """The node whose value `site` names ("features" of a network without a linear layer: before pooling)."""
        if site == LOGITS:
            return self.logits_node
        if site == FEATURES:
            return self._features_source()[0]
        if site == MAPS:
            return self._last_maps()
        name, pre, _ = site.partition(PRE)
        if name not in self.sites:
            raise ValueError(f"unknown layer {name!r}; choose from {', '.join(self.sites)}")
        return self.sites[name].pre if pre else self.sites[name].post

    def module_of(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def _program(self, sites: frozenset[str]) -> fx.GraphModule:
        with self._lock:
            if sites not in self._compiled:
                self._compiled[sites] = self._compile(sites)
            return self._compiled[sites]

    def _compile(self, sites: frozenset[str]) -> fx.GraphModule:
        graph, copies = fx.Graph(), {}
        nodes = {site: self.node(site) for site in sorted(sites)}
        needed = _ancestors(nodes.values())
        for node in self.graph.nodes:
            if node in needed or node.op == "placeholder":
                copies[node] = graph.node_copy(node, copies.__getitem__)
        outputs = {site: copies[node] for site, node in nodes.items()}
        if FEATURES in sites and self._features_source()[1]:
            outputs[FEATURES] = graph.call_method("mean", (outputs[FEATURES], (2, 3)))
        graph.output(outputs)
        return fx.GraphModule(self.module, graph)

    def _output(self) -> fx.Node:
        value = next(node for node in self.graph.nodes if node.op == "output").args[0]
        if not isinstance(value, fx.Node):
            raise ValueError(f"the network returns {type(value).__name__}, not one tensor of class scores")
        return value

    def _strip_softmax(self, node: fx.Node) -> fx.Node:
        while isinstance(self.module_of(node), SOFTMAX_MODULES) or _called_name(node) in SOFTMAX_NAMES:
            node = node.args[0]
        return node

    def _features_source(self) -> tuple[fx.Node, bool]:
        """The last linear layer's input; of a network without one, the last convolution's, yet to be pooled."""
        node = self.logits_node
        while node.op != "placeholder":
            module = self.module_of(node)
            if isinstance(module, nn.Linear) or node.target is F.linear:
                return node.args[0], False
            if isinstance(module, nn.Conv2d):
                return node.args[0], True
            node = node.all_input_nodes[0]
        raise ValueError("the network has neither a linear layer nor a convolution before its class scores")

    def _last_maps(self) -> fx.Node:
        """What the last convolutions give together: after the addition or concatenation, norm and nonlinearity.

        The last maps on the way to the scores that have the height and width of the last convolution's, leaving out
        convolutions that see a single pooled pixel.
        """
        sizes = [_map_size(site.post) for site in self.sites.values() if _map_size(site.post) not in (None, (1, 1))]
        if not sizes:
            raise ValueError("the network has no convolution whose map is larger than 1 x 1")
        needed = _ancestors([self.logits_node])
        return [node for node in self.graph.nodes if node in needed and _map_size(node) == sizes[-1]][-1]

    def _find_sites(self) -> dict[str, Site]:
        sites: dict[str, Site] = {}
        for node in self.graph.nodes:
            if isinstance(self.module_of(node), nn.Conv2d):
                sites[_unused_name(str(node.target), sites)] = self._site(node)
        return sites

    def _site(self, convolution: fx.Node) -> Site:
        pre, parts = convolution, ["conv"]
        follower = _only_user(pre)
        if follower is not None and isinstance(self.module_of(follower), NORMS):
            pre, parts = follower, ["conv", _norm_name(self.module_of(follower))]
            follower = _only_user(pre)
        if follower is not None and (name := self._nonlinearity(follower)):
            return Site(convolution, pre, follower, "+".join([*parts, name]))
        return Site(convolution, pre, pre, "+".join(parts))

    def _nonlinearity(self, node: fx.Node) -> str | None:
        module = self.module_of(node)
        if isinstance(module, NONLINEAR_MODULES):
            return type(module).__name__.lower()
        return _called_name(node) if _called_name(node) in NONLINEAR_NAMES else None


def _map_size(node: fx.Node) -> tuple[int, int] | None:
    """(height, width) of a node's value, or None if it isn't one tensor (N, C, H, W)."""
    shape = getattr(node.meta.get("tensor_meta"), "shape", ())
    return tuple(shape[2:]) if len(shape) == 4 else None


def _ancestors(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _make_out_of_place(graph: fx.Graph, module: nn.Module) -> None:
    """Replace each in-place operation by its plain form, and let later readers of its input read its result."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    modules = dict(module.named_modules())
    for node in graph.nodes:
        if _is_inplace(node, modules):
            _plain_form(node)
            written = node.args[0]
            written.replace_all_uses_with(node, delete_user_cb=lambda user, n=node: order[user] > order[n])
    for each in modules.values():
        if getattr(each, "inplace", False):
            each.inplace = False
    graph.lint()


def _is_inplace(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[node.target], "inplace", False))
    if node.op == "call_function":
        return node.target in OUT_OF_PLACE or bool(node.kwargs.get("inplace"))
    return node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__")


def _plain_form(node: fx.Node) -> None:
    if node.op == "call_function":
        node.target = OUT_OF_PLACE.get(node.target, node.target)
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    elif node.op == "call_method":
        node.target = node.target.removesuffix("_")


def _called_name(node: fx.Node) -> str | None:
    if node.op == "call_method":
        return node.target
    return getattr(node.target, "__name__", None) if node.op == "call_function" else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _norm_name(module: nn.Module) -> str:
    return "bn" if isinstance(module, nn.modules.batchnorm._BatchNorm) else type(module).__name__.lower()


def _unused_name(name: str, taken: Iterable[str]) -> str:
    """A convolution that runs more than once is listed once a call: `conv`, `conv#2`, …"""
    names = [name] + [f"{name}#{call}" for call in range(2, 2 + len(list(taken)))]
    return next(each for each in names if each not in taken)
