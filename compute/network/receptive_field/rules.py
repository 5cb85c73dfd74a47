"""Which rule belongs to which operation: by the class of a module, or the name of a function or tensor
method.

A rule (call, view) -> view says what the result's units see, from what those of its one input see; a joining
rule (call, views) -> view takes several inputs.
"""

from collections.abc import Callable

from torch import nn

from compute.network.plain import NONLINEAR_MODULES, NONLINEAR_NAMES
from compute.network.receptive_field import reshaping, windows
from compute.network.receptive_field.call import AxisView, Call, broadcast, join
from compute.runtime.vision_layers import FrozenBatchNorm2d

Rule = Callable[[Call, AxisView], AxisView]

MODULE_RULES: dict[type[nn.Module] | tuple, Rule] = {
    nn.Conv2d: windows.convolve,
    nn.ConvTranspose2d: windows.convolve_transposed,
    nn.MaxPool2d: windows.max_pool,
    nn.AvgPool2d: windows.average_pool,
    nn.LPPool2d: windows.power_pool,
    (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d): windows.adaptive_pool,
    (
        nn.ZeroPad2d,
        nn.ConstantPad2d,
        nn.ReflectionPad2d,
        nn.ReplicationPad2d,
        nn.CircularPad2d,
    ): windows.pad,
    nn.Upsample: windows.interpolate,
    nn.PixelShuffle: windows.shuffle,
    nn.PixelUnshuffle: windows.unshuffle,
    (nn.Flatten, nn.Unflatten): reshaping.reshape,
    nn.Linear: reshaping.linear,
    nn.LayerNorm: reshaping.layer_norm,
    nn.GroupNorm: reshaping.mix_places,
    (nn.Softmax, nn.LogSoftmax): reshaping.mix_along,
    nn.MultiheadAttention: reshaping.everything,
    (
        *NONLINEAR_MODULES,
        FrozenBatchNorm2d,
        nn.Identity,
        nn.Softmax2d,
        nn.modules.dropout._DropoutNd,
        nn.LocalResponseNorm,
        nn.ChannelShuffle,
    ): reshaping.unchanged,
}

FUNCTION_RULES: dict[str, Rule] = {
    name: rule
    for names, rule in (
        ("conv2d", windows.convolve),
        ("conv_transpose2d", windows.convolve_transposed),
        ("max_pool2d", windows.max_pool),
        ("avg_pool2d", windows.average_pool),
        ("lp_pool2d", windows.power_pool),
        ("adaptive_avg_pool2d adaptive_max_pool2d", windows.adaptive_pool),
        ("pad", windows.pad),
        ("interpolate", windows.interpolate),
        ("pixel_shuffle", windows.shuffle),
        ("pixel_unshuffle", windows.unshuffle),
        ("view reshape flatten squeeze unsqueeze unflatten view_as reshape_as", reshaping.reshape),
        ("permute", reshaping.permute),
        ("transpose swapaxes swapdims", reshaping.transpose),
        ("flip", reshaping.flip),
        ("expand expand_as repeat tile", reshaping.repeat),
        ("chunk split tensor_split", reshaping.split),
        ("unbind", reshaping.unbind),
        ("getitem", reshaping.index),
        ("mean sum max min amax amin prod std var logsumexp", reshaping.reduce),
        ("softmax log_softmax", reshaping.mix_along),
        ("normalize", reshaping.normalize),
        ("linear", reshaping.linear),
        ("layer_norm", reshaping.layer_norm),
        ("group_norm instance_norm", reshaping.mix_places),
        (
            "matmul bmm baddbmm einsum scaled_dot_product_attention multi_head_attention_forward",
            reshaping.everything,
        ),
        ("batch_norm local_response_norm channel_shuffle", reshaping.unchanged),
    )
    for name in names.split()
}

JOINING_RULES: dict[str, Callable[[Call, list[AxisView]], AxisView]] = dict.fromkeys(
    ("cat", "concat", "concatenate", "stack"), reshaping.concatenate
)

ELEMENTWISE = NONLINEAR_NAMES | {
    "add", "sub", "rsub", "mul", "truediv", "floordiv", "div", "subtract", "multiply", "divide",
    "true_divide", "neg", "abs", "sign", "exp", "log", "log1p", "sqrt", "rsqrt", "square", "pow",
    "reciprocal", "erf", "sin", "cos", "maximum", "minimum", "where", "lerp", "addcmul", "addcdiv",
    "masked_fill", "nan_to_num", "clip", "ge", "gt", "le", "lt", "eq", "ne", "clamp_max", "logsigmoid",
    "tanhshrink", "softshrink", "hardshrink", "dropout", "dropout2d", "alpha_dropout", "feature_dropout",
    "feature_alpha_dropout", "stochastic_depth", "contiguous", "clone", "detach", "to", "float", "half",
    "double", "type", "type_as",
}  # fmt: skip


def rule_of(call: Call) -> Rule | None:
    """The rule for an operation of one input, or None where there is none."""
    if call.module is None:
        return FUNCTION_RULES.get(call.name)
    if isinstance(call.module, nn.modules.batchnorm._NormBase):
        # Without running statistics it takes those of the map itself, also in eval mode.
        return reshaping.mix_places if call.module.running_mean is None else reshaping.unchanged
    return next((rule for kinds, rule in MODULE_RULES.items() if isinstance(call.module, kinds)), None)


def hand_on(call: Call, inputs: list[tuple[AxisView, tuple[int, ...]]]) -> AxisView | None:
    """What the result of `call` sees; None for an operation that isn't known.

    inputs: view and shape of each tensor among its inputs that depends on the image.
    """
    views = [view for view, _ in inputs]
    if call.module is None and call.name in JOINING_RULES:
        return JOINING_RULES[call.name](call, views)
    if _is_elementwise(call):
        return join(call, [broadcast(view, shape, call.after) for view, shape in inputs])
    rule = rule_of(call)
    if rule is None:
        return None
    if len(views) > 1:
        return call.everything()
    return views[0] if views[0].dim is None else rule(call, views[0])


def _is_elementwise(call: Call) -> bool:
    if call.module is not None:
        return False
    # max(x, dim) is over a dimension, max(x, y) of two tensors.
    of_two = call.name in ("max", "min") and len(call.node.all_input_nodes) > 1
    return of_two or call.name in ELEMENTWISE
