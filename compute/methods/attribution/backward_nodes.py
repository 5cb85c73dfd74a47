"""What the nodes of autograd's graph are to guided backpropagation: linear, a ReLU, a gate, or other.

Guided backpropagation is defined for networks of linear operations, norms, maxima over windows and ReLUs. A
gate (squeeze-and-excitation: a map times a sigmoid of other values) passes its gradient unchanged, as it has
no sign to cut. Whatever isn't known to be one of these is something else: better no picture than a plain
gradient that is called a guided one.
"""

from collections.abc import Iterator
from typing import Any

import torch

RELU = "Relu"
LIMITED = {
    "Hardtanh": "_saved_min_val",
    "ClampMin": "_saved_min",
    "Clamp": "_saved_min",
    "Threshold": "_saved_threshold",
}
"""Nodes with a limit; they are ReLUs where it is 0 (ReLU6 is hardtanh from 0 to 6)."""

LINEAR = {
    "Convolution", "MkldnnConvolution", "ConvolutionBackward", "_Differentiable", "ThnnConv2D",
    "SlowConv2D", "Addmm", "Mm", "Bmm", "Matmul", "Addbmm", "Linear", "NativeBatchNorm",
    "BatchNormalization", "CudnnBatchNorm", "NativeLayerNorm", "NativeGroupNorm", "MiopenBatchNorm",
    "Add", "Sub", "Rsub", "Neg", "Mean", "Sum", "View", "UnsafeView", "ReshapeAlias", "_ReshapeAlias",
    "Permute", "Transpose", "T", "Cat", "Stack", "Split", "SplitWithSizes", "Unbind", "Chunk", "Slice",
    "Select", "Index", "IndexSelect", "Gather", "Expand", "Repeat", "Squeeze", "Unsqueeze",
    "MaxPool2DWithIndices", "MkldnnMaxPool2D", "MaxPool3DWithIndices", "AdaptiveMaxPool2D", "AvgPool2D",
    "AdaptiveAvgPool2D", "MkldnnAdaptiveAvgPool2D", "UpsampleNearest2D", "UpsampleBilinear2D",
    "UpsampleBicubic2D", "UpsampleNearestExact2D", "ConstantPadNd", "ReflectionPad2D", "ReplicationPad2D",
    "Clone", "Copy", "CopyBackwards", "CopySlices", "ToCopy", "AsStrided", "Alias", "AliasBackward",
    "Contiguous", "Flip", "Roll", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "MaskedFill",
    "NativeDropout", "torch::autograd::AccumulateGrad", "torch::autograd::CopySlices",
    "torch::autograd::CopyBackwards", "AccumulateGrad", "Im2Col", "Col2Im", "Im2col", "Lift", "LiftFresh",
    "Detach", "Amax", "Max", "Movedim", "MkldnnLinear", "ToDense", "ToMkldnn", "Unfold", "Narrow",
    "Diagonal", "Einsum",
}  # fmt: skip

GATES = {"Sigmoid", "Hardsigmoid"}
"""Nodes that may be gates."""

SPOKEN = {
    "LeakyRelu": "leaky ReLU", "RreluWithNoise": "RReLU", "PreluKernel": "PReLU", "Elu": "ELU",
    "Celu": "CELU", "Gelu": "GELU", "Silu": "SiLU", "Mish": "Mish", "Hardswish": "Hardswish",
    "Hardsigmoid": "Hardsigmoid",
    "Sigmoid": "sigmoid", "LogSigmoid": "log sigmoid", "Tanh": "tanh", "Softplus": "softplus",
    "Hardtanh": "Hardtanh", "Hardshrink": "hard shrink", "Softshrink": "soft shrink", "Clamp": "clamp",
    "ClampMin": "clamp", "Threshold": "threshold", "Maximum": "maximum", "Minimum": "minimum", "Abs": "abs",
    "Sin": "sine", "Cos": "cosine", "Exp": "exp", "Log": "log", "Pow": "a power", "Sqrt": "a square root",
    "Rsqrt": "a square root", "Div": "a quotient of two maps", "Mul": "a product of two maps",
    "Where": "torch.where", "Softmax": "softmax", "SafeSoftmax": "softmax",
    "Addcmul": "a product of two maps", "LinalgVectorNorm": "a norm over places or channels",
    "ScaledDotProductFlashAttentionForCpu": "attention", "ScaledDotProductFlashAttention": "attention",
    "ScaledDotProductEfficientAttention": "attention", "ScaledDotProductCudnnAttention": "attention",
}  # fmt: skip

PASSES_SHAPE = {
    "Expand",
    "View",
    "Unsqueeze",
    "Squeeze",
    "Permute",
    "UnsafeView",
    "_ReshapeAlias",
    "UpsampleNearest2D",
    "UpsampleBilinear2D",
}
"""What may stand between a gate and its product."""


def nodes(root: Any) -> Iterator[Any]:
    """Every node of an autograd graph once, each with all that reads it before it where the graph allows."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)


def kind(node: Any) -> str:
    """Autograd's name of an operation, such as "Relu"."""
    return node.name().partition("Backward")[0]


def is_relu(node: Any) -> bool:
    """Whether a node is a ReLU, also one that is written as x * (x > 0)."""
    limit = LIMITED.get(kind(node))
    if limit is not None:
        return getattr(node, limit) == 0
    return kind(node) == RELU or (kind(node) == "Mul" and _is_masked_by_own_sign(node))


def gates(root: Any) -> dict[Any, list[Any]]:
    """The sigmoids and the like that only products with other maps read, and these products."""
    readers = _readers(root)
    found = {node: _read_by(node, readers) for node in readers if kind(node) in GATES}
    return {
        gate: products
        for gate, products in found.items()
        if products and all(_gates_another(gate, product) for product in products)
    }


def other_nonlinearities(root: Any) -> list[str]:
    """What guided backpropagation isn't defined for, in words; [] where it is."""
    gated = gates(root)
    allowed = {*gated, *(product for products in gated.values() for product in products)}
    others = [node for node in nodes(root) if not (node in allowed or is_relu(node) or _is_linear(node))]
    return sorted({SPOKEN.get(kind(node), kind(node)) for node in others})


def _readers(root: Any) -> dict[Any, list[Any]]:
    """By node, those whose gradients go to it."""
    found: dict[Any, list[Any]] = {}
    for node in nodes(root):
        for following, _ in node.next_functions:
            if following is not None:
                found.setdefault(following, []).append(node)
    return found


def _is_linear(node: Any) -> bool:
    if kind(node) in ("Mul", "Div"):
        varying = [each for each, _ in node.next_functions if each is not None]
        return (
            len(varying) < 2 and not _is_masked(node) and not (kind(node) == "Div" and _divides_by_map(node))
        )
    return kind(node) in LINEAR


def _divides_by_map(node: Any) -> bool:
    """Whether what is divided is a constant, and the divisor depends on the image."""
    return node.next_functions[0][0] is None


def _saved(node: Any, name: str) -> torch.Tensor | None:
    value = getattr(node, name, None)
    return value if isinstance(value, torch.Tensor) else None


def _mask(node: Any) -> torch.Tensor | None:
    """A product's factor that is 0 or 1 place by place; None where it has none."""
    for name in ("_saved_other", "_saved_self"):
        factor = _saved(node, name)
        if (
            factor is None
            or factor.requires_grad
            or factor.ndim < 3
            or factor.shape[-1] * factor.shape[-2] == 1
        ):
            continue
        if factor.dtype == torch.bool or bool(((factor == 0) | (factor == 1)).all()):
            return factor
    return None


def _is_masked(node: Any) -> bool:
    return kind(node) == "Mul" and _mask(node) is not None


def _is_masked_by_own_sign(node: Any) -> bool:
    mask = _mask(node)
    if mask is None:
        return False
    varying = [each for each, _ in node.next_functions if each is not None]
    other = next(
        (each for each in (_saved(node, "_saved_self"), _saved(node, "_saved_other")) if each is not mask),
        None,
    )
    if len(varying) != 1 or other is None:
        return False
    return other.shape == mask.shape and torch.equal(mask.bool(), other > 0)


def _read_by(node: Any, readers: dict[Any, list[Any]]) -> list[Any]:
    """The first readers of a node that do more than change its shape."""
    found: list[Any] = []
    for reader in readers.get(node, []):
        found += _read_by(reader, readers) if kind(reader) in PASSES_SHAPE else [reader]
    return found


def _gates_another(gate: Any, product: Any) -> bool:
    """Whether a product is of the gate and of a map that it is not made of (x * sigmoid(x) is SiLU)."""
    if kind(product) != "Mul":
        return False
    own = {each for each, _ in gate.next_functions}
    factors = [each for each, _ in product.next_functions]
    return not any(each in own for each in factors)
