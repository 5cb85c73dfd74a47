"""The network as a traced graph, run out of place, that hands out activations by name.

No hook is ever installed: asking for a *site* builds a copy of the graph that returns it, and stops there.
The copy shares the parameters and holds no state, so any number of threads may run it at once, and a caller
that gives up in the middle leaves nothing behind.

Sites:
LOGITS: the class scores before any softmax.
FEATURES: the input of the last linear layer.
MAPS: the last feature maps, where the last blocks have been added or concatenated.
"<layer>": a layer's value as a map, a convolution's or linear layer's after the nonlinearity (and a
convolution's batch norm before it) that directly follow it.
"<layer>" + PRE: the same before the nonlinearity.
"""

import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.known_calls import called_name
from compute.network.layers.centers import Centers, of_places
from compute.network.layers.grids import Grid, as_map, with_map
from compute.network.layers.places import follow
from compute.network.layers.sites import BLOCK, CONVOLUTION, NORM, Site, find_sites, is_map
from compute.network.outputs import (
    BESIDE_ZERO,
    LOG_PROBABILITIES,
    NONE,
    PROBABILITIES,
    SIGMOID,
    Output,
    undone,
)
from compute.network.plain import NONLINEAR_MODULES, NONLINEAR_NAMES, NORMS, Opaque
from compute.network.self_test import mixture
from compute.network.tracing import END, executable, trace
from compute.network.values import asks_for_shape
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision_layers import FrozenBatchNorm2d, StochasticDepth

PRE = "..pre"
LOGITS, FEATURES, MAPS = ".logits", ".features", ".maps"
"""No module can have such a name: names are joined by single dots, and none is empty."""

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)
SOFTMAX_MODULES = (nn.Softmax, nn.LogSoftmax, nn.Softmax2d)
SQUASHING = {
    PROBABILITIES: (SOFTMAX_MODULES, {"softmax", "log_softmax"}),
    LOG_PROBABILITIES: (SOFTMAX_MODULES, {"softmax", "log_softmax"}),
    SIGMOID: ((nn.Sigmoid,), {"sigmoid"}),
}
"""By the meaning of the scores: the modules and functions that make them of logits."""

BEHIND_SQUASHING = {
    "to", "float", "double", "half", "bfloat16", "type", "type_as", "view", "reshape", "flatten", "squeeze",
    "unsqueeze", "contiguous", "clamp", "clamp_min", "clip", "exp", "log",
}  # fmt: skip
"""What may stand between a softmax and the end; the values tell whether the logits before it fit."""

PROBABILITY_TOLERANCE = 1e-4

TAKEN_BACK = "logits are taken back from the network's probabilities, since none can be had from before them"

MOST_SIZES = 12
"""Graphs that are kept at once of a network whose code asks for the size of its images: as many as DeepDream
has octaves, and some."""

# In eval mode they hand on what they get.
PASSING_MODULES = (nn.Identity, nn.modules.dropout._DropoutNd, StochasticDepth)
DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}


class TracedNetwork:
    """A network in eval mode as a graph.

    Each node's `meta["val"]` has its value for the example, of tensors only shape and type. Raises
    ValueError, with the reason, where the network can't be traced (control flow that depends on the data).
    """

    def __init__(self, module: nn.Module, example: torch.Tensor, output: Output = Output()):
        """module: takes (N, C, H, W). example: one input (1, C, H, W), for the shapes. output: what the
        module returns."""
        self.module, self.example, self.output = module, example, output
        traced = trace(module, example, output.raw)
        self.graph, self.modules, self.tensors = traced.graph, traced.modules, traced.tensors
        self.opaque, self.of_one_size = traced.opaque, traced.of_one_size
        self.results = traced.results
        self.fast_modules = self.modules
        """What programs call: the modules, or quicker ones with the same values."""
        self._programs: dict[frozenset[str], fx.GraphModule] = {}
        self._of_sizes: dict[tuple[int, ...], TracedNetwork] = {}
        self._lock = threading.RLock()
        self.feature_layer: str | None = None
        self.logits_because: str | None = None
        """Why the scores are not the network's own logits; None where they are."""
        self.logits_node = self._find_logits()
        self.sites = find_sites(self, self._site)

    def run(self, inputs: torch.Tensor, sites: Iterable[str]) -> dict[str, torch.Tensor]:
        """Values of `sites` for normalised `inputs` (N, C, H, W); computes no more than they need.

        Raises ValueError where the network can't be run on images of their size.
        """
        sites = frozenset(sites)
        if inputs.shape[2:] != self.example.shape[2:] and (self.of_one_size or self._has_fixed_grid(sites)):
            return self._of_size(inputs).run(inputs, sites)
        return self._program(sites)(inputs)

    def node(self, site: str) -> fx.Node:
        """The node whose value `site` names ("features": before any pooling)."""
        if site == LOGITS:
            if self.logits_node is None:
                raise ValueError("the network has no class scores")
            return self.logits_node
        if site == FEATURES:
            return self._feature_node
        if site == MAPS:
            return self._last_maps[0]
        name, pre, _ = site.partition(PRE)
        if name not in self.sites:
            raise ValueError(f"unknown layer {name!r}{did_you_mean(name, tuple(self.sites))}")
        return self.sites[name].pre if pre else self.sites[name].post

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, in the order in which they run."""
        return tuple(self.sites)

    @property
    def convolutions(self) -> tuple[str, ...]:
        """Those layers that are convolutions."""
        return tuple(name for name, site in self.sites.items() if site.kind == CONVOLUTION)

    @property
    def usual(self) -> tuple[str, ...]:
        """The layers that are listed where none are asked for: convolutions, and in transformers and MLPs
        what blocks give and the hidden units of their MLPs."""
        return tuple(name for name, site in self.sites.items() if site.usual)

    def convolution(self, name: str) -> nn.Conv2d:
        """A layer's module; raises ValueError for a name that is not a convolution's."""
        self.node(name)
        if self.sites[name].kind != CONVOLUTION:
            raise ValueError(f"layer {name!r} is no convolution")
        return self.module_of(self.sites[name].computed)

    def layer_module(self, name: str) -> nn.Module | None:
        """What computes a layer; None where it is no single module of PyTorch's."""
        self.node(name)
        return self.module_of(self.sites[name].computed)

    def grid(self, site: str) -> Grid | None:
        """How a site's value is read as a map; None where it is one, or no layer's."""
        if site == MAPS:
            return self._last_maps[1]
        if site == FEATURES:
            return None if self.feature_layer is None else self.grid(self.feature_layer)
        known = self.sites.get(site.partition(PRE)[0])
        return None if known is None else known.grid

    def centers(self, names: Iterable[str]) -> dict[str, Centers]:
        """Where the rows and columns of layers' maps stand by where their values come from, whatever they
        see; without those of which that is not known."""
        nodes = {name: self.node(name) for name in names if self.grid(name) is None}
        y, x = (follow(self.graph, self.module_of, axis, nodes.values()) for axis in (0, 1))
        found = {name: of_places(y.get(node), x.get(node)) for name, node in nodes.items()}
        return {name: centers for name, centers in found.items() if centers is not None}

    def kind(self, name: str) -> str:
        """What a layer is: conv, linear, attention, block, norm or pool."""
        return self.sites[name].kind

    def tap(self, name: str) -> str:
        """Where a layer's value is read, such as "conv+bn+relu"."""
        return self.sites[name].tap

    def shape(self, name: str) -> tuple[int, ...]:
        """(1, channels, height, width) of a layer's value for the example."""
        shape, grid = tuple(self.sites[name].post.meta["val"].shape), self.sites[name].grid
        return shape if grid is None else (1, shape[-1], grid.rows, grid.columns)

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
        nodes = {site: self.node(site) for site in sorted(sites)}
        graph, copies = self.copy_up_to(nodes.values())
        found = {site: copies[node] for site, node in nodes.items()}
        maps: dict[fx.Node, fx.Node] = {}
        for site, node in found.items():
            if (grid := self.grid(site)) is not None:
                if node not in maps:
                    with graph.inserting_after(node):
                        maps[node] = graph.call_function(as_map, (node, grid.how))
                found[site] = maps[node]
        if FEATURES in nodes and self._pooled_over:
            found[FEATURES] = graph.call_method("mean", (found[FEATURES], self._pooled_over))
        return graph, found

    def _build(self, sites: frozenset[str]) -> fx.GraphModule:
        graph, outputs = self.copied(sites)
        for node in {each for each in outputs.values() if each.target is as_map}:
            _read_behind(graph, node)
        graph.output(outputs)
        return executable(graph, self.fast_modules, self.tensors)

    def _of_size(self, inputs: torch.Tensor) -> "TracedNetwork":
        """The network traced anew, since its code asks for the height and width of the images."""
        size = tuple(inputs.shape[2:])
        with self._lock:
            if size not in self._of_sizes:
                if len(self._of_sizes) == MOST_SIZES:
                    self._of_sizes.pop(next(iter(self._of_sizes)))
                example = inputs[:1].detach().clone(memory_format=torch.contiguous_format)
                self._of_sizes[size] = type(self)(self.module, example, self.output)
            return self._of_sizes[size]

    @property
    def end(self) -> fx.Node:
        """The class scores' node, or, where there are none, that of what the network gives."""
        return self._raw if self.logits_node is None else self.logits_node

    @property
    def _raw(self) -> fx.Node:
        return next(node for node in reversed(self.graph.nodes) if node.op == "output").args[0]

    def _find_logits(self) -> fx.Node | None:
        """The node of the scores before any softmax or sigmoid; None for a network without class scores."""
        if self.output.meaning == NONE:
            return None
        scores = self._before_squashing()
        if scores is None:
            scores = self._raw
            if self.output.applied in (PROBABILITIES, SIGMOID):
                self.logits_because = TAKEN_BACK
                scores = self._appended(undone, scores, self.output.applied)
        elif tuple(scores.meta["val"].shape) != (1, self.output.count):
            scores = self._appended(torch.reshape, scores, (-1, self.output.count))
        return self._appended(F.pad, scores, BESIDE_ZERO) if self.output.count == 1 else scores

    def _appended(self, function: Callable, node: fx.Node, *more: Any) -> fx.Node:
        output = next(each for each in reversed(self.graph.nodes) if each.op == "output")
        with self.graph.inserting_before(output):
            new = self.graph.call_function(function, (node, *more))
        new.meta["val"] = function(node.meta["val"], *more)
        return new

    def _before_squashing(self) -> fx.Node | None:
        """What goes into the softmax or sigmoid at the end, if the graph shows it; checked by the values."""
        node = self._squashed_at(self.output.applied)
        while node is not None and self._squashes(node, self.output.applied):
            node = node.all_input_nodes[0]
        return node if node is not None and self._squashes_to_raw(node) else None

    def _squashed_at(self, meaning: str) -> fx.Node | None:
        """The last softmax or sigmoid, where nothing but casts and the like stands behind it."""
        node = self._raw
        while not self._squashes(node, meaning):
            if not (
                called_name(node) in BEHIND_SQUASHING or isinstance(self.module_of(node), PASSING_MODULES)
            ):
                return None
            node = node.all_input_nodes[0]
        return node

    def _squashes(self, node: fx.Node, meaning: str) -> bool:
        modules, names = SQUASHING.get(meaning, ((), set()))
        return isinstance(self.module_of(node), modules) or called_name(node) in names

    def _squashes_to_raw(self, node: fx.Node) -> bool:
        graph, copies = self.copy_up_to([node, self._raw])
        graph.output((copies[node], copies[self._raw]))
        with torch.no_grad():
            logits, raw = executable(graph, self.modules, self.tensors)(self.example.clone())
        logits = logits.reshape(-1, self.output.count)
        squashed = logits.sigmoid() if self.output.applied == SIGMOID else logits.softmax(1)
        raw = raw.exp() if self.output.applied == LOG_PROBABILITIES else raw
        return torch.allclose(squashed.to(raw.dtype), raw, rtol=0, atol=PROBABILITY_TOLERANCE)

    def copy_up_to(self, nodes: Iterable[fx.Node]) -> tuple[fx.Graph, dict[fx.Node, fx.Node]]:
        """A copy of what `nodes` need of the graph, still without an output, and each node's copy."""
        graph, needed = fx.Graph(), ancestors(nodes)
        copies: dict[fx.Node, fx.Node] = {}
        for node in self.graph.nodes:
            if node in needed or node.op == "placeholder":
                copies[node] = graph.node_copy(node, copies.__getitem__)
        return graph, copies

    def take_feature(self, layer: str) -> None:
        """Makes a layer's value, pooled over its map, the feature."""
        self.feature_layer = layer
        self._programs.clear()
        self._of_sizes.clear()
        self._forget_nodes()

    def _forget_nodes(self) -> None:
        """What was found in the graph before it changed."""
        for name in ("_feature_node", "_pooled_over", "_classifier", "_last_maps"):
            self.__dict__.pop(name, None)

    @cached_property
    def _feature_node(self) -> fx.Node:
        """What the class scores are computed from; without class scores, what the network gives."""
        if self.feature_layer is not None:
            return self.node(self.feature_layer)
        return self._raw if self.logits_node is None else self._image_input(self._classifier)

    def _image_input(self, node: fx.Node) -> fx.Node:
        depending = self.depending
        return next(each for each in node.all_input_nodes if each in depending)

    @cached_property
    def _classifier(self) -> fx.Node:
        """The last linear layer before the logits, or convolution where that comes later (as in SqueezeNet),
        or product with fixed weights, or part that is run as it is."""
        needed, depending = ancestors([self.end]), self.depending
        for node in reversed(self.graph.nodes):
            if node in needed and node in depending and self._is_linear(node, depending):
                return node
        raise ValueError("the network has neither a linear layer nor a convolution before its class scores")

    def _is_linear(self, node: fx.Node, depending: set[fx.Node]) -> bool:
        if isinstance(self.module_of(node), nn.Linear | nn.Conv2d | Opaque) or called_name(node) == "linear":
            return True
        varying = [each for each in node.all_input_nodes if each in depending]
        return called_name(node) in ("matmul", "mm") and len(varying) == 1

    @cached_property
    def _pooled_over(self) -> tuple[int, ...]:
        """The dimensions of the classifier's input that "features" is the mean over: all but image and
        channel."""
        if self.grid(FEATURES) is not None:
            return (2, 3)
        dimensions = tuple(range(len(self._feature_node.meta["val"].shape)))
        return dimensions[2:] if len(dimensions) == 4 else dimensions[1:-1]

    @cached_property
    def _last_maps(self) -> tuple[fx.Node, Grid | None]:
        """What the last convolutions give together: after the addition or concatenation, norm and
        nonlinearity; in transformers and MLPs the last token grid that the scores depend on, behind its norm.

        The last maps on the way to the scores that have the height and width of the last convolution's,
        leaving out convolutions that see a single pooled pixel.
        """
        sites = [self.sites[name].post for name in self.convolutions]
        sizes = [_map_size(each) for each in sites if _map_size(each) not in (None, (1, 1))]
        needed = ancestors([self.end])
        maps = [
            node for node in self.graph.nodes if sizes and node in needed and _map_size(node) == sizes[-1]
        ]
        if any(site.grid is not None for site in self.sites.values()):
            y, x = (follow(self.graph, self.module_of, axis, maps) for axis in (0, 1))
            maps = [node for node in maps if node in y and node in x and is_map(y[node], x[node])]
        if (tokens := self._last_tokens(maps[-1] if maps else None)) is not None:
            return tokens.post, tokens.grid
        if not maps:
            raise ValueError("the network has no convolution whose map is larger than 1 x 1")
        return maps[-1], None

    def _last_tokens(self, maps: fx.Node | None) -> Site | None:
        """The last norm (or, without any, block) on a token grid behind a map, of whose tokens one in the
        grid has a gradient at least: in the last block the class token alone may go on."""
        order = {node: index for index, node in enumerate(self.graph.nodes)}
        last = -1 if maps is None else order[maps]
        behind = [each for each in self.sites.values() if each.grid is not None and order[each.post] > last]
        for kind in (NORM, BLOCK):
            for site in reversed([each for each in behind if each.kind == kind]):
                if self._counts(site):
                    return site
        return None

    def _counts(self, site: Site) -> bool:
        """Whether the scores depend on what a token grid's map shows, for the example."""
        graph, copies = self.copy_up_to([site.post, self.end])
        node = copies[site.post]
        with graph.inserting_after(node):
            maps = graph.call_function(as_map, (node, site.grid.how))
        _read_behind(graph, maps)
        graph.output((maps, copies[self.end]))
        with torch.enable_grad():
            image = self.example.clone().requires_grad_(True)
            values, end = executable(graph, self.modules, self.tensors)(image)
            try:
                (gradient,) = torch.autograd.grad(mixture(end), values, allow_unused=True)
            except RuntimeError:
                return False
        return gradient is not None and bool(gradient.any())

    @cached_property
    def depending(self) -> set[fx.Node]:
        """The nodes whose values depend on what the image shows, not on its size alone."""
        found: set[fx.Node] = set()
        for node in self.graph.nodes:
            reads = any(each in found for each in node.all_input_nodes) and not asks_for_shape(node)
            if node.op == "placeholder" or reads:
                found.add(node)
        return found

    def _has_fixed_grid(self, sites: frozenset[str]) -> bool:
        grids = (self.grid(site) for site in sites)
        return any(each is not None and not each.of_any_size for each in grids)

    def _site(self, node: fx.Node, kind: str) -> Site:
        """With the nonlinearity that follows a node, and before it the norm that follows a convolution."""
        end = self._end(node) if kind == CONVOLUTION else node
        pre, parts = end, [kind, *([called_name(end) or "own"] if end is not node else [])]
        follower = self._follower(pre)
        if follower is not None and kind == CONVOLUTION and isinstance(self.module_of(follower), NORMS):
            pre = follower
            parts.append(_norm_name(self.module_of(follower)))
            follower = self._follower(pre)
        if follower is not None and (name := self.nonlinearity(follower)):
            return Site(node, end, pre, follower, "+".join([*parts, name]))
        return Site(node, end, pre, pre, "+".join(parts))

    def _end(self, convolution: fx.Node) -> fx.Node:
        """The node of what the convolution's module gives: of one of a user's own, perhaps more than the
        convolution."""
        name = str(convolution.target).partition("#")[0]
        node = convolution
        while node.op != "output":
            if node.meta.get(END) == name:
                return node
            node = node.next
        return convolution

    def _follower(self, node: fx.Node) -> fx.Node | None:
        """The one node that reads a node's value, behind those that only hand it on."""
        while len(readers := [each for each in node.users if is_tensor(each) or each.op == "output"]) == 1:
            (node,) = readers
            if not (isinstance(self.module_of(node), PASSING_MODULES) or passes_on(node)):
                return node
        return None


def passes_on(node: fx.Node) -> bool:
    """Whether a function call hands on what it gets: another layout in memory, or dropout that is off."""
    name = called_name(node)
    if name in DROPOUTS:
        training = node.kwargs.get("training", node.args[2] if len(node.args) > 2 else name == "dropout")
        return node.op == "call_function" and training is False
    return name == "contiguous"


def ancestors(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """The nodes and all that their values are computed from."""
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def is_tensor(node: fx.Node) -> bool:
    """Whether a node's value is one tensor, not a size or a tuple."""
    return torch.is_tensor(node.meta.get("val"))


def _map_size(node: fx.Node) -> tuple[int, int] | None:
    """(height, width) of a node's value, or None if it isn't one tensor (N, C, H, W)."""
    shape = getattr(node.meta.get("val"), "shape", ())
    return tuple(shape[2:]) if len(shape) == 4 else None


def _norm_name(module: nn.Module) -> str:
    return "bn" if isinstance(module, BATCH_NORMS) else type(module).__name__.lower()


def _read_behind(graph: fx.Graph, maps: fx.Node) -> None:
    """Lets what reads a token grid read it out of its map: gradients of the map are then those of the
    scores."""
    values, how = maps.args
    readers = [each for each in values.users if each is not maps]
    if not readers:
        return
    with graph.inserting_after(maps):
        rejoined = graph.call_function(with_map, (values, maps, how))
    for reader in readers:
        reader.replace_input_with(values, rejoined)
