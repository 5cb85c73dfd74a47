"""A network's forward pass as a torch.fx graph in which no operation writes over its input."""

import copy
import inspect
import operator
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from compute.runtime.vision import ops

NORMS = (
    nn.modules.batchnorm._BatchNorm,
    ops.FrozenBatchNorm2d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.InstanceNorm2d,
)
NONLINEAR_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Hardtanh, nn.Softplus, nn.Softsign,
    nn.Threshold,
)  # fmt: skip
NONLINEAR_NAMES = {
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardswish", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "softplus", "softsign", "threshold",
    "clamp", "clamp_min",
}  # fmt: skip
PLAIN_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


class _Tracer(fx.Tracer):
    """Keeps convolutions, linear layers, norms and nonlinearities whole, also where a user has subclassed
    them.

    While torch.fx traces, it replaces `nn.Module.__call__` and `__getattr__` for the whole process: one trace
    at a time, and a network that another thread runs meanwhile is left alone.
    """

    one_at_a_time = threading.Lock()
    LEAVES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.MultiheadAttention, *NORMS, *NONLINEAR_MODULES)

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, self.LEAVES) or super().is_leaf_module(module, qualified_name)

    def trace(self, *args: Any, **kwargs: Any) -> fx.Graph:
        with self.one_at_a_time:
            self.thread = threading.get_ident()
            return super().trace(*args, **kwargs)

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict) -> Any:
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict) -> Any:
        if threading.get_ident() != self.thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class _Recorder(fx.Interpreter):
    """Runs a graph and notes each node's result in its `meta["val"]`, of tensors only shape and type."""

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        node.meta["val"] = fx.node.map_aggregate(
            result, lambda each: each.to("meta") if isinstance(each, torch.Tensor) else each
        )
        return result


def trace(module: nn.Module, example: torch.Tensor) -> tuple[fx.Graph, dict[str, nn.Module]]:
    """The graph, and the modules that its nodes name: `module`'s own, in-place ones replaced by plain copies.

    `module` is in eval mode and stays as it is. Optional arguments of its `forward` keep their defaults.
    Raises ValueError, with the reason, where the network can't be traced (control flow that depends on the
    data), or where the graph doesn't give what the network gives for `example`.
    """
    try:
        graph = _Tracer().trace(module, concrete_args=_defaults(module))
        modules = {name: _out_of_place(each) for name, each in module.named_modules(remove_duplicate=False)}
        _make_out_of_place(graph, dict(module.named_modules(remove_duplicate=False)))
        with torch.no_grad():
            expected = module(example.clone())  # some networks normalise their input in place
            found = _Recorder(executable(graph, module, modules)).run(example)
    except Exception as error:  # fx raises whatever the network's own code raises on a proxy
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{type(module).__name__} can't be traced: {reason}") from error
    _check_equal(found, expected, type(module).__name__)
    return graph, modules


def executable(graph: fx.Graph, module: nn.Module, modules: dict[str, nn.Module]) -> fx.GraphModule:
    """`graph` as a module that shares the parameters of `module`."""
    attributes = {node.target: modules[node.target] for node in graph.nodes if node.op == "call_module"}
    for node in graph.nodes:
        if node.op == "get_attr":
            attributes[node.target] = operator.attrgetter(node.target)(module)
    return fx.GraphModule(attributes, graph).eval()


def called_name(node: fx.Node) -> str | None:
    """The name of the function or tensor method that a node calls."""
    if node.op == "call_method":
        return node.target
    return getattr(node.target, "__name__", None) if node.op == "call_function" else None


def _defaults(module: nn.Module) -> dict[str, Any]:
    parameters = inspect.signature(module.forward).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


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


def _is_inplace(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[node.target], "inplace", False))
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


def _check_equal(found: Any, expected: Any, name: str) -> None:
    """A view that is written to, or an `+=` behind another name, is beyond a graph without memory."""
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"{name} returns {type(found).__name__}, not one tensor of class scores")
    # A GPU may choose another algorithm each time.
    tolerance = 1e-5 if found.device.type == "cpu" else 1e-3
    if not torch.allclose(
        found, expected, rtol=0, atol=tolerance * float(expected.nan_to_num().abs().max()), equal_nan=True
    ):
        raise ValueError(f"{name} can't be traced: it writes over a tensor that it reads under another name")
