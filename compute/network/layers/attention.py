"""Where a traced network attends: softmax(Q K^T) V, in whatever way it is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import fx, nn

from compute.network.known_calls import called_name

PRODUCTS = {"matmul", "bmm"}
HANDING_ON = {
    "dropout", "contiguous", "to", "type_as", "float", "half", "view", "reshape", "expand", "clone",
}  # fmt: skip
HANDING_ON_MODULES = (nn.Dropout, nn.Identity)


@dataclass(frozen=True)
class Attention:
    """One attention of the graph.

    node: its result: of scaled_dot_product_attention, of the product with the values, or of
        nn.MultiheadAttention.
    weights: the node of what the values are multiplied with, where the graph has one.
    """

    node: fx.Node
    weights: fx.Node | None = None


def attentions(graph: fx.Graph, module_of: Callable[[fx.Node], nn.Module | None]) -> Iterator[Attention]:
    """In the order in which they run."""
    for node in graph.nodes:
        module = module_of(node)
        if isinstance(module, nn.MultiheadAttention) or called_name(node) == "scaled_dot_product_attention":
            yield Attention(node)
        elif called_name(node) in PRODUCTS and isinstance(node.args[0], fx.Node):
            weights = node.args[0]
            if _is_softmax(weights, module_of):
                yield Attention(node, weights)


def _is_softmax(node: fx.Node, module_of: Callable[[fx.Node], nn.Module | None]) -> bool:
    """Whether a node is a softmax, or hands one on."""
    while True:
        module = module_of(node)
        if isinstance(module, nn.Softmax) or called_name(node) == "softmax":
            return True
        if not (isinstance(module, HANDING_ON_MODULES) or called_name(node) in HANDING_ON):
            return False
        if not node.all_input_nodes:
            return False
        node = node.all_input_nodes[0]
