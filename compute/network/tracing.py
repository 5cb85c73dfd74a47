"""A network's forward pass as a torch.fx graph in which no operation writes over its input.

Modules that compute exactly what their class of PyTorch computes are one node each; every other module is
traced into, and where its code can't be traced, it is one opaque node that runs as it is.
"""

import copy
import inspect
import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.network.known_calls import called_name, with_known_modules
from compute.network.plain import CONTAINERS, Opaque, is_plain, library_class
from compute.network.self_test import deviation, sample, tolerance
from compute.network.values import ABOUT_RANK, BATCH, DATA, SPACE, Dependence, Untraceable, ValueProxy

PLAIN_OPERATORS = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}  # fmt: skip

END = "end of"
"""In a node's `meta`: the convolution of a user's own whose result it is."""

Scores = Callable[[Any], torch.Tensor]
"""Takes the class scores (N, classes) out of what a network returns."""


@dataclass(frozen=True)
class Trace:
    """A traced network.

    graph: each node's `meta["val"]` has its value for the example, of tensors only shape and type.
    modules: those that its nodes call, by name: plain ones, or `Opaque`.
    tensors: those that its nodes get, by name.
    opaque: names of the modules that are run as they are, and why.
    of_one_size: whether the graph is that of images of the example's height and width alone.
    results: what modules give that were traced into, by name, the inner ones before the outer ones.
    """

    graph: fx.Graph
    modules: dict[str, nn.Module]
    tensors: dict[str, torch.Tensor]
    opaque: dict[str, str] = field(default_factory=dict)
    of_one_size: bool = False
    results: tuple[tuple[str, fx.Node], ...] = ()


def trace(module: nn.Module, example: torch.Tensor, scores: Scores) -> Trace:
    """`module` is in eval mode and stays as it is. Optional arguments of its `forward` keep their defaults.

    Raises ValueError, with the reason, where the network can't be traced (control flow that depends on what
    the image shows), or where the graph doesn't give what the network gives for `example`.
    """
    name = type(module).__name__
    tracer = _Tracer(module, example)
    try:
        with torch.enable_grad():
            graph = tracer.trace(_Whole(module, scores))
        _name_input(graph, module)
        found = tracer.finished(graph)
        with torch.no_grad():
            # Some networks normalise their input in place. Hooks that set weights set them anew here.
            expected = scores(module(example.clone()))
            recorder = _Recorder(executable(copied(graph), found.modules, found.tensors))
            given = recorder.recorded(graph, example, tracer.samples)
    except Exception as error:  # whatever the network's own code raises on a proxy
        with torch.no_grad():
            module(example.clone())
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{name} can't be traced: {reason}") from error
    _check_equal(given, expected, name)
    right = [(name, node) for name, node in found.results if node not in recorder.others]
    return replace(found, results=tuple(right))


def _name_input(graph: fx.Graph, module: nn.Module) -> None:
    """After the network's own argument."""
    image = next(iter(graph.nodes))
    names = list(inspect.signature(module.forward).parameters)
    if names:
        image.target = names[0]
        image._rename(names[0])


def executable(
    graph: fx.Graph, modules: dict[str, nn.Module], tensors: dict[str, torch.Tensor]
) -> fx.GraphModule:
    """`graph` as a module that shares the modules and tensors. It takes the graph over: its nodes get names
    of its own, as a network's may be such that a module can't have them ("code", "graph")."""
    attributes: dict[str, Any] = {}
    renamed: dict[tuple[str, str], str] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            known = modules if node.op == "call_module" else tensors
            name = renamed.setdefault((node.op, node.target), f"_{len(renamed)}")
            attributes[name] = known[node.target]
            node.target = name
    return fx.GraphModule(attributes, graph).eval()


def copied(graph: fx.Graph) -> fx.Graph:
    new = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    output = new.graph_copy(graph, known)
    new.output(output)
    return new


class _Whole(nn.Module):
    """A network and what takes the class scores out of its result."""

    def __init__(self, network: nn.Module, scores: Scores):
        super().__init__()
        self.network = network
        self.__dict__["scores"] = scores

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores(self.network(images))


class _Tracer(fx.Tracer):
    """While torch.fx traces, it replaces `nn.Module.__call__` and `__getattr__` for the whole process: one
    trace at a time, and a network that another thread runs meanwhile is left alone."""

    one_at_a_time = threading.Lock()

    def __init__(self, module: nn.Module, example: torch.Tensor):
        super().__init__()
        self.module, self.example = module, example.clone()
        self.names = {id(each): name for name, each in module.named_modules()}
        self.known_tensors = {
            id(each): name
            for own in (module.named_parameters, module.named_buffers)
            for name, each in own(remove_duplicate=False)
        }
        self.tensors: dict[str, torch.Tensor] = {}
        self.values: dict[fx.Node, Any] = {}
        self.depends = Dependence(self.values)
        self.owners: list[str] = []
        self.owner_of: dict[fx.Node, str] = {}
        self.opaque: dict[str, str] = {}
        self.asked: set[str] = set()
        self.results: list[tuple[str, fx.Node]] = []
        self.samples: dict[fx.Node, torch.Tensor] = {}
        self.evaluating = False

    def trace(self, root: nn.Module) -> fx.Graph:
        with self.one_at_a_time:
            self.thread = threading.get_ident()
            self.autocast = self._autocast()
            return super().trace(root)

    def finished(self, graph: fx.Graph) -> Trace:
        """Raises Untraceable for a graph of so many images alone."""
        if BATCH in self.asked:
            raise Untraceable("its code counts with the number of images")
        named = dict(self.module.named_modules(remove_duplicate=False))
        called = {node.target for node in graph.nodes if node.op == "call_module"}
        originals = {name: Opaque(named[name]) if name in self.opaque else named[name] for name in called}
        modules = {name: _out_of_place(each) for name, each in originals.items()}
        fixed = {node for node in graph.nodes if node in self.values and not self.depends[node]}
        known = with_known_modules(graph, modules, self.values, fixed, self.owner_of)
        self.samples = {known.get(node, node): each for node, each in self.samples.items()}
        _make_out_of_place(graph, originals)
        drop_unread(graph)
        self.values.clear()
        there = set(graph.nodes)
        results = [(name, known.get(node, node)) for name, node in self.results]
        results = [(name, node) for name, node in results if node in there]
        return Trace(graph, modules, self.tensors, self.opaque, SPACE in self.asked, tuple(results))

    def concrete(self, proxy: fx.Proxy) -> Any:
        """A proxy's value, for code that can't go on without; raises Untraceable for one of the image's."""
        depends = self.depends[proxy.node]
        if DATA in depends:
            raise Untraceable("its control flow depends on what the image shows")
        self.asked |= depends
        return self.values[proxy.node]

    # What torch.fx calls.

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        base = library_class(type(module))
        return base is not None and not issubclass(base, CONTAINERS) and is_plain(module)

    def path_of_module(self, module: nn.Module) -> str:
        if id(module) not in self.names:
            raise NameError(f"{type(module).__name__} is not one of the network's registered modules")
        return self.names[id(module)]

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return ValueProxy(node, self)

    def create_proxy(
        self, kind: str, target: Any, args: tuple, kwargs: dict, *more: Any, **named: Any
    ) -> Any:
        self._check_context()
        if target is torch._assert:
            args[0].__bool__()
            return None
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **named)
        value = self._note(proxy.node)
        if value is None or (kind == "call_method" and target in ABOUT_RANK):
            self.graph.erase_node(proxy.node)
            return value
        return proxy

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, fx.Proxy):
            return a.node
        return self._constant(a) if isinstance(a, torch.Tensor) else super().create_arg(a)

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        if self._is_elsewhere():
            return forward(*args, **kwargs)
        if not isinstance(m, _Whole) and self.is_leaf_module(m, ""):
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)
        return self._into(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict) -> Any:
        if self._is_elsewhere() or id(attr_val) not in self.known_tensors:
            return attr_val
        name = self.known_tensors[id(attr_val)]
        if name not in parameter_proxy_cache:
            parameter_proxy_cache[name] = self.proxy(self._constant(attr_val))
        return parameter_proxy_cache[name]

    # How it is done.

    def _into(self, module: nn.Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        """Traces into a module; where its code doesn't allow that, the module is one opaque node."""
        if isinstance(module, _Whole) or module is self.module or id(module) not in self.names:
            return forward(*args, **kwargs)
        name, last = self.names[id(module)], next(iter(reversed(self.graph.nodes)))
        self.owners.append(name)
        try:
            result = forward(*args, **kwargs)
            if isinstance(module, nn.Conv2d) and isinstance(result, ValueProxy):
                result.node.meta[END] = name
            self._note_result(name, result)
            return result
        except Exception as error:  # whatever a user's code raises on a proxy
            self._discard_after(last)
            self.opaque[name] = str(error).partition("\n")[0] or type(error).__name__
            return self.create_proxy("call_module", name, args, kwargs)
        finally:
            self.owners.pop()

    def _note_result(self, name: str, result: Any) -> None:
        """The first of several is the one that is noted."""
        first = result[0] if type(result) in (tuple, list) and result else result
        if not isinstance(first, fx.Proxy) or first.node not in self.values:
            return
        found = sample(self.values[first.node])
        if found is not None:
            self.results.append((name, first.node))
            self.samples[first.node] = found

    def _discard_after(self, last: fx.Node) -> None:
        for node in reversed(self.graph.nodes):
            if node is last:
                return
            if node.op != "get_attr":  # its proxy is kept, and others may read it
                self.graph.erase_node(node)

    def _constant(self, tensor: torch.Tensor) -> fx.Node:
        name = self.known_tensors.setdefault(id(tensor), f"constant.{len(self.tensors)}")
        self.tensors[name] = tensor  # holds it, so that no other gets its id
        node = self.create_node("get_attr", name, (), {})
        self.values[node] = tensor
        return node

    def _note(self, node: fx.Node) -> Any:
        if self.owners:
            self.owner_of[node] = self.owners[-1]
        with self._evaluation(), torch.no_grad():
            self.values[node] = self._evaluated(node)
        self.depends.note(node)
        return self.values[node]

    def _evaluated(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self.example
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.values.__getitem__)
        if node.op == "call_module":
            return self.module.get_submodule(node.target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        before, self.evaluating = self.evaluating, True
        try:
            yield
        finally:
            self.evaluating = before

    def _is_elsewhere(self) -> bool:
        """Whether a call is none that is traced: another thread's, or one for the example's value."""
        return self.evaluating or threading.get_ident() != self.thread

    def _check_context(self) -> None:
        """What a `with` block changes is in no graph."""
        if not torch.is_grad_enabled():
            raise Untraceable("its code switches gradients off")
        if self._autocast() != self.autocast:
            raise Untraceable("its code switches autocast on or off")

    def _autocast(self) -> tuple:
        kinds = ("cpu", self.example.device.type)
        return tuple((torch.is_autocast_enabled(each), torch.get_autocast_dtype(each)) for each in kinds)


class _Recorder(fx.Interpreter):
    """Runs a graph and notes shape and type of each node's result in the `meta["val"]` of another's node."""

    def recorded(
        self, graph: fx.Graph, example: torch.Tensor, samples: Mapping[fx.Node, torch.Tensor]
    ) -> Any:
        """others: the nodes among `samples` whose values turn out to be others than these."""
        self.others: set[fx.Node] = set()
        self._samples = samples
        self._same = dict(zip(self.module.graph.nodes, graph.nodes, strict=True))
        return self.run(example.clone())

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        expected = self._samples.get(self._same[n])
        if expected is not None and deviation(sample(result), expected) > tolerance(expected.dtype):
            self.others.add(self._same[n])
        self._same[n].meta["val"] = torch.utils._pytree.tree_map_only(
            torch.Tensor, lambda each: each.to("meta"), result
        )
        return result


def _out_of_place(module: nn.Module) -> nn.Module:
    if not getattr(module, "inplace", False):
        return module
    plain = copy.copy(module)
    plain.inplace = False
    return plain


def _make_out_of_place(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Replace each in-place operation by its plain form, and let later readers of its input read its
    result."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if _is_inplace(node, modules):
            _take_plain_form(node)
            written = node.all_input_nodes[0]
            written.replace_all_uses_with(node, delete_user_cb=lambda user, n=node: order[user] > order[n])
    graph.lint()


def drop_unread(graph: fx.Graph) -> None:
    """Heads that only training reads, and questions about a shape whose answers were taken as numbers."""
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("output", "placeholder"):
            graph.erase_node(node)


def _is_inplace(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules.get(node.target), "inplace", False))
    if node.op not in ("call_function", "call_method"):
        return False
    name = called_name(node) or ""
    return node.target in PLAIN_OPERATORS or bool(node.kwargs.get("inplace")) or _ends_in_place(name)


def _ends_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _take_plain_form(node: fx.Node) -> None:
    if node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    if node.op == "call_method":
        node.target = node.target.removesuffix("_")
    elif node.op == "call_function":
        name = called_name(node).removesuffix("_")
        plain = getattr(F, name, None) or getattr(torch, name, node.target)
        node.target = PLAIN_OPERATORS.get(
            node.target, plain if _ends_in_place(called_name(node)) else node.target
        )


def _check_equal(found: Any, expected: torch.Tensor, name: str) -> None:
    """A view that is written to, or an `+=` behind another name, is beyond a graph without memory."""
    # A GPU may choose another algorithm each time.
    tolerance = 1e-5 if expected.device.type == "cpu" else 1e-3
    limit = tolerance * float(expected.nan_to_num().abs().max())
    if not torch.allclose(found, expected, rtol=0, atol=limit, equal_nan=True):
        raise ValueError(
            f"{name} can't be traced: as a graph it gives other scores (perhaps it writes over a tensor that "
            f"it reads under another name)"
        )
