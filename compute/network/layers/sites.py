"""Which values of a traced network are its layers.

Convolutions; linear layers on token grids and pixel grids, both behind their norm and nonlinearity;
attention; what blocks give (the residual stream after each); pooling and norms that are no part of another.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from compute.network.known_calls import called_name
from compute.network.layers.attention import HANDING_ON_MODULES, WINDOWED, attentions
from compute.network.layers.grids import Grid, find_grid
from compute.network.layers.places import follow
from compute.network.plain import NORMS

if TYPE_CHECKING:
    from compute.network.traced import TracedNetwork

CONVOLUTION, LINEAR, ATTENTION, BLOCK, NORM, POOL = "conv", "linear", "attention", "block", "norm", "pool"
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
SUMS = {"add", "sub", "cat", "concat", "where"}
BEHIND_SUMS_NAMES = {"relu", "view", "reshape", "flatten", "permute", "transpose", "contiguous"}
ONLY_MOVES = {
    "view", "reshape", "permute", "transpose", "contiguous", "flatten", "unflatten", "roll", "getitem",
    "dropout",
}  # fmt: skip
BEHIND_SUMS = (*NORMS, nn.ReLU, nn.Identity, nn.Dropout)


@dataclass(frozen=True)
class Site:
    """Where a layer's value is read.

    computed: the node of the module that computes it (of a convolution: of the convolution alone).
    end: the node of what its module gives, which is another where a convolution's module or a hook does more.
    pre, post: the nodes before and after the nonlinearity.
    tap: what lies on the way, such as "conv+bn+relu".
    kind: one of the constants above.
    grid: how the value becomes a map; None where it is one.
    usual: whether it is listed where no layers are asked for.
    """

    computed: fx.Node
    end: fx.Node
    pre: fx.Node
    post: fx.Node
    tap: str
    kind: str = CONVOLUTION
    grid: Grid | None = None
    usual: bool = True


def find_sites(network: "TracedNetwork", behind: Callable[[fx.Node, str], Site]) -> dict[str, Site]:
    """By name, in the order in which they run.

    behind: gives the site of a node with the norm and nonlinearity that follow it.
    """
    return _Finder(network, behind).sites


def unused_name(name: str, taken: Iterable[str]) -> str:
    """A layer that runs more than once is listed once a call: `conv`, `conv#2`, …"""
    taken = set(taken)
    names = (name, *(f"{name}#{call}" for call in range(2, 2 + len(taken))))
    return next(each for each in names if each not in taken)


class _Finder:
    """sites: what `find_sites` gives."""

    def __init__(self, network: "TracedNetwork", behind: Callable[[fx.Node, str], Site]):
        self.network, self.behind = network, behind
        self.module_of = network.module_of
        self.nodes = [node for node in network.graph.nodes if node in network.depending]
        convolutions = [
            (str(node.target), behind(node, CONVOLUTION))
            for node in self.nodes
            if isinstance(self.module_of(node), nn.Conv2d)
        ]
        weighted = [*convolutions, *self._linear(), *self._attention()]
        self.taken = {each for _, site in weighted for each in (site.computed, site.end, site.pre, site.post)}
        others = [*self._blocks({name for name, _ in weighted}), *self._norms_and_pools()]
        placed = self._placed([*weighted[len(convolutions) :], *others])
        if not self._is_of_tokens([site for _, site in convolutions], placed):
            placed = [(name, replace(site, usual=False)) for name, site in placed]
        self.sites = self._named([*convolutions, *placed])

    def _linear(self) -> Iterator[tuple[str, Site]]:
        for node in self.nodes:
            if isinstance(self.module_of(node), nn.Linear) and len(_shape(node)) in (3, 4):
                site = self.behind(node, LINEAR)
                yield str(node.target), replace(site, kind=LINEAR, usual=site.post is not site.pre)

    def _attention(self) -> Iterator[tuple[str, Site]]:
        for name, node in self.network.results:
            if called_name(node) in WINDOWED:
                yield name, _plain(node, node, ATTENTION)
        for node in self.nodes:
            if isinstance(self.module_of(node), nn.MultiheadAttention):
                for result in node.users:
                    if called_name(result) == "getitem" and result.args[1] == 0:
                        yield str(node.target), _plain(node, result, ATTENTION)

    def _blocks(self, inner: set[str]) -> Iterator[tuple[str, Site]]:
        """What modules give that hold at least two layers and end in a sum; of several that give the same,
        the innermost."""
        found: dict[fx.Node, str] = {}
        for name, node in self.network.results:
            held = sum(each.startswith(f"{name}.") for each in inner)
            if node in self.taken or node in found or held < 2:
                continue
            total = self._sum_before(node)
            if total is not None and total not in found:
                found[node] = name
        for node in self.nodes:
            if isinstance(self.module_of(node), nn.TransformerEncoder | nn.TransformerEncoderLayer):
                found[node] = str(node.target)
        self.taken.update(found)
        for node, name in found.items():
            yield name, replace(_plain(node, node, BLOCK), usual=True)

    def _sum_before(self, node: fx.Node) -> fx.Node | None:
        """The sum that a node is, or that it hands on."""
        while isinstance(self.module_of(node), BEHIND_SUMS) or called_name(node) in BEHIND_SUMS_NAMES:
            node = node.all_input_nodes[0]
        return node if called_name(node) in SUMS else None

    def _norms_and_pools(self) -> Iterator[tuple[str, Site]]:
        for node in self.nodes:
            module = self.module_of(node)
            if node not in self.taken and isinstance(module, (*NORMS, *POOLS)):
                kind = NORM if isinstance(module, NORMS) else POOL
                yield str(node.target), _plain(node, node, kind)

    def _placed(self, candidates: list[tuple[str, Site]]) -> list[tuple[str, Site]]:
        """Those that have a map, with their grids."""
        if not any(
            len(_shape(site.post)) == 3 or site.kind == LINEAR or self._is_layer_norm(site)
            for _, site in candidates
        ):
            return [(name, site) for name, site in candidates if _is_map_of_several(site.post)]
        candidates = [(name, self._joined(site)) for name, site in candidates]
        wanted = {site.post for _, site in candidates}
        y, x = (follow(self.network.graph, self.module_of, axis, wanted) for axis in (0, 1))
        size = self.network.example.shape[2:]
        grids = {node: find_grid(y[node], x[node], size) for node in wanted if node in y and node in x}
        found = []
        for name, site in candidates:
            grid = grids.get(site.post)
            if grid is not None:
                found.append((name, replace(site, grid=grid)))
            elif _is_map_of_several(site.post) and site.post in y and is_map(y[site.post], x[site.post]):
                found.append((name, replace(site, usual=False)))
        return found

    def _joined(self, site: Site) -> Site:
        """A linear layer within windows is read where these have become one image's tokens again."""
        node = site.post
        if site.kind != LINEAR or site.pre is not site.post or _shape(node)[:1] == (1,):
            return site
        while (after := self._moved(node)) is not None:
            node = after
        if _shape(node)[:1] != (1,) or _shape(node)[-1:] != _shape(site.post)[-1:]:
            return site
        return replace(site, end=node, pre=node, post=node)

    def _moved(self, node: fx.Node) -> fx.Node | None:
        """The one tensor that reads a node's value and has the same numbers, but for padding."""
        readers = [each for each in node.users if isinstance(each.meta.get("val"), torch.Tensor)]
        if len(readers) != 1:
            return None
        moves = called_name(readers[0]) in ONLY_MOVES or isinstance(
            self.module_of(readers[0]), HANDING_ON_MODULES
        )
        return readers[0] if moves else None

    def _is_layer_norm(self, site: Site) -> bool:
        return isinstance(self.module_of(site.computed), nn.LayerNorm)

    def _is_of_tokens(self, convolutions: list[Site], placed: list[tuple[str, Site]]) -> bool:
        """Whether a network is a transformer or an MLP: it has token grids, and attention or no convolutions
        but those that cut the image into patches."""
        if not any(site.grid is not None for _, site in placed):
            return False
        if next(attentions(self.network.graph, self.module_of), None) is not None:
            return True
        modules = [self.module_of(site.computed) for site in convolutions]
        return all(each.kernel_size == each.stride for each in modules)

    def _named(self, found: list[tuple[str, Site]]) -> dict[str, Site]:
        named: dict[str, Site] = {}
        for name, site in found:
            named[unused_name(name, named)] = site
        order = {node: index for index, node in enumerate(self.network.graph.nodes)}
        return dict(sorted(named.items(), key=lambda item: order[item[1].computed]))


def is_map(y: torch.Tensor, x: torch.Tensor) -> bool:
    """Whether values (1, C, H, W) whose places are y and x have rows and columns where these belong."""
    if y.ndim != 4 or len(y) != 1 or not (_spread(y) > 0 or _spread(x) > 0):
        return False
    along_y, along_x = y[:, :1, :, :1].expand_as(y), x[:, :1, :1].expand_as(x)
    return torch.equal(y, along_y) and torch.equal(x, along_x)


def _spread(places: torch.Tensor) -> float:
    return float(places.max() - places.min())


def _plain(computed: fx.Node, result: fx.Node, kind: str) -> Site:
    return Site(computed, result, result, result, kind, kind, usual=False)


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(getattr(node.meta.get("val"), "shape", ()))


def _is_map_of_several(node: fx.Node) -> bool:
    """Whether a node's value is (N, C, H, W) with more than one place."""
    return len(_shape(node)) == 4 and _shape(node)[2:] != (1, 1)
