"""The network as a traced graph, run out of place, that hands out activations by name.

No hook is ever installed: asking for a *site* builds a copy of the graph that returns it, and stops there.
The copy shares the parameters and holds no state, so any number of threads may run it at once, and a caller
that gives up in the middle leaves nothing behind.

Sites: "logits", "features" (input of the last linear layer), "maps" (the last feature maps, where the last
blocks have been added or concatenated), "<layer>" (a convolution's value after the batch norm and
nonlinearity that directly follow it), "<layer>:pre" (the same before the nonlinearity).
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx, nn

from compute.network.tracing import NONLINEAR_MODULES, NONLINEAR_NAMES, NORMS, called_name, executable, trace
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision import ops

PRE = ":pre"
LOGITS, FEATURES, MAPS = "logits", "features", "maps"

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, ops.FrozenBatchNorm2d)
SOFTMAX_MODULES = (nn.Softmax, nn.LogSoftmax, nn.Softmax2d)
SOFTMAX_NAMES = {"softmax", "log_softmax"}
# In eval mode they hand on what they get.
PASSING_MODULES = (nn.Identity, nn.modules.dropout._DropoutNd)
PASSING_NAMES = {"dropout", "dropout2d", "contiguous"}


@dataclass(frozen=True)
class Site:
    """Where a layer's value is read: the convolution's own node, the node before and the node after its
    nonlinearity.

    tap: what lies on the way, such as "conv+bn+relu".
    """

    convolution: fx.Node
    pre: fx.Node
    post: fx.Node
    tap: str


class TracedNetwork:
    """A network in eval mode as a graph.

    Each node's `meta["val"]` has its value for the example, of tensors only shape and type. Raises
    ValueError, with the reason, where the network can't be traced (control flow that depends on the data).
    """

    def __init__(self, module: nn.Module, example: torch.Tensor):
        """module: maps (N, C, H, W) to (N, classes). example: one input (1, C, H, W), for the shapes."""
        self.module = module
        self.graph, self.modules = trace(module, example)
        self.fast_modules = self.modules
        """What programs call: the modules, or quicker ones with the same values."""
        self.logits_node = self._strip_softmax(self._output())
        self.sites = self._find_sites()
        self._programs: dict[frozenset[str], fx.GraphModule] = {}
        self._lock = threading.Lock()

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values of `sites` for normalised `inputs` (N, C, H, W); computes no more than they need."""
        return self._program(frozenset(sites))(inputs)

    def node(self, site: str) -> fx.Node:
        """The node whose value `site` names ("features": before any pooling)."""
        if site == LOGITS:
            return self.logits_node
        if site == FEATURES:
            return self._classifier.all_input_nodes[0]
        if site == MAPS:
            return self._last_maps
        name, pre, _ = site.partition(PRE)
        if name not in self.sites:
            raise ValueError(f"unknown layer {name!r}{did_you_mean(name, tuple(self.sites))}")
        return self.sites[name].pre if pre else self.sites[name].post

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, in the order in which they run."""
        return tuple(self.sites)

    def convolution(self, name: str) -> nn.Conv2d:
        """A layer's module; raises ValueError for a name that is not a layer."""
        self.node(name)
        return self.module_of(self.sites[name].convolution)

    def tap(self, name: str) -> str:
        """Where a layer's value is read, such as "conv+bn+relu"."""
        return self.sites[name].tap

    def shape(self, name: str) -> tuple[int, ...]:
        """(1, channels, height, width) of a layer's value for the example."""
        return tuple(self.sites[name].post.meta["val"].shape)

    def module_of(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def nonlinearity(self, node: fx.Node) -> str | None:
        """The name of the nonlinearity that a node is, or None."""
        module = self.module_of(node)
        if isinstance(module, NONLINEAR_MODULES):
            return type(module).__name__.lower()
        return called_name(node) if called_name(node) in NONLINEAR_NAMES else None

    def _program(self, sites: frozenset[str]) -> fx.GraphModule:
        with self._lock:
            if sites not in self._programs:
                self._programs[sites] = self._build(sites)
            return self._programs[sites]

    def copied(self, sites: Iterable[str]) -> tuple[fx.Graph, dict[str, fx.Node]]:
        """A copy of what `sites` need of the graph, still without an output, and each site's node in it."""
        graph, copies = fx.Graph(), {}
        nodes = {site: self.node(site) for site in sorted(sites)}
        needed = ancestors(nodes.values())
        for node in self.graph.nodes:
            if node in needed or node.op == "placeholder":
                copies[node] = graph.node_copy(node, copies.__getitem__)
        found = {site: copies[node] for site, node in nodes.items()}
        if FEATURES in nodes and self._pooled_over:
            found[FEATURES] = graph.call_method("mean", (found[FEATURES], self._pooled_over))
        return graph, found

    def _build(self, sites: frozenset[str]) -> fx.GraphModule:
        graph, outputs = self.copied(sites)
        graph.output(outputs)
        return executable(graph, self.module, self.fast_modules)

    def _output(self) -> fx.Node:
        return next(node for node in reversed(self.graph.nodes) if node.op == "output").args[0]

    def _strip_softmax(self, node: fx.Node) -> fx.Node:
        while isinstance(self.module_of(node), SOFTMAX_MODULES) or called_name(node) in SOFTMAX_NAMES:
            node = node.all_input_nodes[0]
        return node

    @cached_property
    def _classifier(self) -> fx.Node:
        """The last linear layer before the logits, or convolution where that comes later (as in
        SqueezeNet)."""
        needed = ancestors([self.logits_node])
        for node in reversed(self.graph.nodes):
            if node in needed and (
                isinstance(self.module_of(node), nn.Linear | nn.Conv2d) or called_name(node) == "linear"
            ):
                return node
        raise ValueError("the network has neither a linear layer nor a convolution before its class scores")

    @cached_property
    def _pooled_over(self) -> tuple[int, ...]:
        """The dimensions of the classifier's input that "features" is the mean over: all but image and
        channel."""
        dimensions = tuple(range(len(self._classifier.all_input_nodes[0].meta["val"].shape)))
        return dimensions[2:] if isinstance(self.module_of(self._classifier), nn.Conv2d) else dimensions[1:-1]

    @cached_property
    def _last_maps(self) -> fx.Node:
        """What the last convolutions give together: after the addition or concatenation, norm and
        nonlinearity.

        The last maps on the way to the scores that have the height and width of the last convolution's,
        leaving out convolutions that see a single pooled pixel.
        """
        sizes = [
            _map_size(site.post) for site in self.sites.values() if _map_size(site.post) not in (None, (1, 1))
        ]
        if not sizes:
            raise ValueError("the network has no convolution whose map is larger than 1 x 1")
        needed = ancestors([self.logits_node])
        return [node for node in self.graph.nodes if node in needed and _map_size(node) == sizes[-1]][-1]

    def _find_sites(self) -> dict[str, Site]:
        sites: dict[str, Site] = {}
        for node in self.graph.nodes:
            if isinstance(self.module_of(node), nn.Conv2d):
                sites[_unused_name(str(node.target), sites)] = self._site(node)
        return sites

    def _site(self, convolution: fx.Node) -> Site:
        pre, parts = convolution, ["conv"]
        follower = self._follower(pre)
        if follower is not None and isinstance(self.module_of(follower), NORMS):
            pre, parts = follower, ["conv", _norm_name(self.module_of(follower))]
            follower = self._follower(pre)
        if follower is not None and (name := self.nonlinearity(follower)):
            return Site(convolution, pre, follower, "+".join([*parts, name]))
        return Site(convolution, pre, pre, "+".join(parts))

    def _follower(self, node: fx.Node) -> fx.Node | None:
        """The one node that reads a node's value, behind those that only hand it on."""
        while len(node.users) == 1:
            node = next(iter(node.users))
            if not (isinstance(self.module_of(node), PASSING_MODULES) or called_name(node) in PASSING_NAMES):
                return node
        return None


def ancestors(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """The nodes and all that their values are computed from."""
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _map_size(node: fx.Node) -> tuple[int, int] | None:
    """(height, width) of a node's value, or None if it isn't one tensor (N, C, H, W)."""
    shape = getattr(node.meta.get("val"), "shape", ())
    return tuple(shape[2:]) if len(shape) == 4 else None


def _norm_name(module: nn.Module) -> str:
    return "bn" if isinstance(module, BATCH_NORMS) else type(module).__name__.lower()


def _unused_name(name: str, taken: Iterable[str]) -> str:
    """A convolution that runs more than once is listed once a call: `conv`, `conv#2`, …"""
    names = [name] + [f"{name}#{call}" for call in range(2, 2 + len(list(taken)))]
    return next(each for each in names if each not in taken)
