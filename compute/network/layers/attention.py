"""Where a traced network attends: softmax(Q K^T) V, in whatever way it is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, fx, nn

from compute.network.known_calls import called_name
from compute.network.plain import Opaque

PRODUCTS = {"matmul", "bmm"}
FUSED = {"scaled_dot_product_attention"}
WINDOWED = {"shifted_window_attention"}
"""torchvision's function for Swin, which torch.fx doesn't trace into."""
LIBRARY = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
HANDING_ON = {
    "dropout", "contiguous", "to", "type_as", "float", "half", "view", "reshape", "expand", "clone", "add",
    "sub", "rsub", "mul", "div", "truediv", "sum", "unsqueeze", "sigmoid",
}  # fmt: skip
"""What may stand between softmaxes and the product with the values: weights may be gated and mixed."""
HANDING_ON_MODULES = (nn.Dropout, nn.Identity)

ModuleOf = Callable[[fx.Node], nn.Module | None]


@dataclass(frozen=True)
class Attention:
    """One attention of the graph, or one of PyTorch's modules that attends.

    node: its result: of scaled_dot_product_attention, of the product with the values, or of the module.
    values: the node of the tokens that are looked at.
    weights: the node of what the values are multiplied with, where the graph has one.
    softmaxes: what that is made of.
    order: of the weights' dimensions, so that queries and keys come last; None where they do.
    values_order: of the values' dimensions, so that keys and channels come last; None where they do.
    """

    node: fx.Node
    values: fx.Node
    weights: fx.Node | None = None
    softmaxes: frozenset[fx.Node] = frozenset()
    order: tuple[int, ...] | None = None
    values_order: tuple[int, ...] | None = None


def attentions(graph: fx.Graph, module_of: ModuleOf) -> Iterator[Attention]:
    """In the order in which they run."""
    for node in graph.nodes:
        name = called_name(node)
        if isinstance(module_of(node), LIBRARY):
            inputs = (*node.args, *node.kwargs.values())
            yield Attention(node, inputs[2 if isinstance(module_of(node), nn.MultiheadAttention) else 0])
        elif name in FUSED:
            yield Attention(node, node.args[2] if len(node.args) > 2 else node.kwargs["value"])
        elif name in WINDOWED:
            yield Attention(node, node.args[0])
        elif name in PRODUCTS and (softmaxes := _softmaxes(node.args[0], module_of)):
            yield Attention(node, node.args[1], node.args[0], softmaxes)
        elif name == "einsum" and (found := _of_einsum(node, module_of)) is not None:
            yield found


def unknown_because(nodes: list[fx.Node], module_of: ModuleOf, known: list[Attention]) -> str | None:
    """Why there may be attention among `nodes` besides the known ones, or None where there is none."""
    softmaxes = {each for attention in known for each in attention.softmaxes}
    for node in nodes:
        module, name = module_of(node), called_name(node)
        if isinstance(module, Opaque):
            return f"{node.target} is run as it is, so that its attention can't be seen"
        if name == "multi_head_attention_forward" or _holds_unknown(module):
            return f"{node.target if module is not None else name} attends in a way that isn't known"
        if is_softmax(node, module_of) and node not in softmaxes and _is_inside(node):
            return "it has softmaxes that are not those of attention from token to token"
    return None


def is_softmax(node: fx.Node, module_of: ModuleOf) -> bool:
    return isinstance(module_of(node), nn.Softmax) or called_name(node) == "softmax"


def einsum_operands(node: fx.Node) -> tuple[tuple[str, str, str], tuple[fx.Node, fx.Node]] | None:
    """The letters of two operands and of the result, and the operands' nodes.

    None for another number of operands, or where the letters aren't written out.
    """
    equation, *operands = node.args
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    if not isinstance(equation, str) or "->" not in equation or "." in equation or len(operands) != 2:
        return None
    inputs, _, result = equation.replace(" ", "").partition("->")
    left, _, right = inputs.partition(",")
    if not all(isinstance(each, fx.Node) for each in operands):
        return None
    return (left, right, result), (operands[0], operands[1])


def _of_einsum(node: fx.Node, module_of: ModuleOf) -> Attention | None:
    """Attention where one operand is made of softmaxes, and what is summed over are keys: the letter of
    both operands that the result lacks. The letter that the other operand lacks is the query's."""
    if (parsed := einsum_operands(node)) is None:
        return None
    (left, right, result), (first, second) = parsed
    for weights, values, of_weights, of_values in (
        (first, second, left, right),
        (second, first, right, left),
    ):
        softmaxes = _softmaxes(weights, module_of)
        keys = [each for each in of_weights if each in of_values and each not in result]
        queries = [each for each in of_weights if each not in of_values and each in result]
        shared = [each for each in of_weights if each in of_values and each in result]
        channels = [each for each in of_values if each not in of_weights and each in result]
        one_each = len(keys) == len(queries) == len(channels) == 1
        if softmaxes and one_each and sorted(shared + queries + keys) == sorted(of_weights):
            order = tuple(of_weights.index(each) for each in shared + queries + keys)
            values_order = tuple(of_values.index(each) for each in shared + keys + channels)
            return Attention(node, values, weights, softmaxes, order, values_order)
    return None


def _softmaxes(node: object, module_of: ModuleOf) -> frozenset[fx.Node]:
    """The softmaxes that a node is, hands on or is a mixture of."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, fx.Node):
            continue
        if is_softmax(node, module_of):
            found.add(node)
        elif isinstance(module_of(node), HANDING_ON_MODULES) or called_name(node) in HANDING_ON:
            waiting.extend(node.all_input_nodes)
    return frozenset(found)


def _holds_unknown(module: nn.Module | None) -> bool:
    """Whether one of PyTorch's modules attends, and is none of LIBRARY (a decoder, say)."""
    if module is None or isinstance(module, LIBRARY):
        return False
    return any(isinstance(each, nn.MultiheadAttention) for each in module.modules())


def _is_inside(node: fx.Node) -> bool:
    """Whether a node's value is more than class scores."""
    return isinstance(node.meta.get("val"), Tensor) and node.meta["val"].ndim > 2
