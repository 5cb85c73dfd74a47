"""Which modules compute exactly what their class of PyTorch computes, and nothing else.

What is known of an operation (how to fold it, what its units see, how to compute a part of it) is known of
PyTorch's own class. A subclass with a `forward` of its own, a hook, a parametrised weight or a patched method
is another operation, whatever `isinstance` says of it.
"""

from typing import Any

import torch
from torch import nn

from compute.runtime.vision_layers import FrozenBatchNorm2d, StochasticDepth

NORMS = (
    nn.modules.batchnorm._BatchNorm,
    FrozenBatchNorm2d,
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

TRAINED_OTHERWISE = (*NORMS, nn.modules.dropout._DropoutNd, nn.RReLU, StochasticDepth)
"""Compute something else while they are in training mode."""

TORCH = "torch.nn.modules."
"""Where the classes are whose computation is known; of torchvision's, FrozenBatchNorm2d alone is."""

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
TENSORS = {"weight", "bias", "running_mean", "running_var", "in_proj_weight", "in_proj_bias"}
HARMLESS = {
    "__init__", "__module__", "__doc__", "__annotations__", "__dict__", "__weakref__", "__constants__",
    "__parameters__", "__orig_bases__", "__repr__", "extra_repr", "reset_parameters", "_reset_parameters",
    "reset_running_stats", "_load_from_state_dict", "_save_to_state_dict", "_version", "_get_name",
}  # fmt: skip
"""What a subclass may define anew without computing anything else."""


class Opaque(nn.Module):
    """A part of a network that is run as it is: nothing is known of what it computes.

    It gets copies of its inputs, so that what it writes into them is seen by nobody else.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        # Not registered: its own names, hooks and mode stay what they are.
        self.__dict__["whole"] = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
        return self.whole(*args, **kwargs)


def is_plain(module: nn.Module) -> bool:
    """Whether a module and all that it holds compute what their library classes compute."""
    return all(_is_plain(each) for each in module.modules())


def library_class(kind: type) -> type | None:
    """The class of torch.nn or torchvision that a class is or extends; None for one of the user's own."""
    found = next(
        each
        for each in kind.__mro__
        if each.__module__.startswith(TORCH) or FrozenBatchNorm2d.stands_for(each)
    )
    return None if found is nn.Module else found


def _is_plain(module: nn.Module) -> bool:
    base = library_class(type(module))
    return (
        base is not None
        and not _redefines(type(module), base)
        and not _is_hooked(module)
        and not _is_patched(module)
        and not (module.training and isinstance(module, TRAINED_OTHERWISE))
    )


def _redefines(kind: type, base: type) -> bool:
    """Whether a class puts anything that counts in the place of what `base` has."""
    own = {name for each in kind.__mro__[: kind.__mro__.index(base)] for name in vars(each)}
    declared = {name for each in base.__mro__ for name in getattr(each, "__annotations__", {})}
    return any(hasattr(base, name) or name in TENSORS | declared for name in own - HARMLESS)


def _is_hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_pre_hooks
        or module._forward_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _is_patched(module: nn.Module) -> bool:
    """Whether the object itself has a method, or a tensor that is no parameter or buffer (as pruning and old
    weight norm leave it), or a parameter of another kind than PyTorch's (as quantisation sets it)."""
    if any(name in TENSORS or callable(getattr(type(module), name, None)) for name in module.__dict__):
        return True
    own = (*module._parameters.values(), *module._buffers.values())
    return any(
        type(each) not in (nn.Parameter, torch.Tensor, *_UNINITIALIZED) for each in own if each is not None
    )


_UNINITIALIZED = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
