"""A device that is none: its tensors say that they lie on it and are computed by the CPU.

What would fail on a GPU fails on it: an operation on tensors of two devices, a tensor of it handed to numpy,
a tensor made on the CPU by code that forgot the device. So code for a GPU can be tried where there is none.
Its name is `meta:1`, since torch asks for no driver of a device that is called so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from compute.cli import spelling
from compute.models import zoo
from compute.network import folded

DEVICE = torch.device("meta", 1)
MAKERS = ("arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros")
"""Functions of torch that make a tensor on a device."""
BETWEEN_DEVICES = ("_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_")
"""Operations whose tensors may be of two devices; indices may lie on the CPU."""


class Pretended(torch.Tensor):
    """A tensor of the device. held: the CPU's tensor with its values, of the same strides."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Pretended":
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )

    def __init__(self, held: torch.Tensor):
        self.held = held

    def tolist(self) -> Any:
        return self.held.tolist()

    def __setitem__(self, place: Any, value: Any) -> None:
        number = isinstance(value, int | float)
        super().__setitem__(place, Pretended(torch.tensor(value, dtype=self.dtype)) if number else value)

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = operation.__name__.partition(".")[0]
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        others = [each for each in given if not isinstance(each, Pretended)]
        elsewhere = [each for each in others if each.ndim or each.is_meta]
        if any(each.is_meta for each in others) or (elsewhere and name not in BETWEEN_DEVICES):
            raise RuntimeError(f"{name}: found tensors on two devices, {DEVICE} and {elsewhere[0].device}")
        wanted = kwargs.get("device")
        if wanted == torch.device("meta"):
            return torch.empty_like(args[0].held, device="meta")
        found = operation(*tree_map(_held, args), **tree_map(_held, kwargs))
        if wanted == torch.device("cpu") or (name == "copy_" and not isinstance(args[0], Pretended)):
            return found
        made = tree_map(lambda each: cls(each) if isinstance(each, torch.Tensor) else each, found)
        return made if name == "_to_copy" else return_and_correct_aliasing(operation, args, kwargs, made)


class ToCopy(torch.autograd.Function):
    """A copy from the CPU, whose gradient goes back there; it has the name of torch's own."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> Pretended:
        return Pretended(tensor.detach())

    @staticmethod
    def backward(ctx: Any, gradient: Pretended) -> torch.Tensor:
        return gradient.held


def _held(value: Any) -> Any:
    if isinstance(value, Pretended):
        return value.held
    return torch.device("cpu") if value == DEVICE and isinstance(value, torch.device) else value


@contextmanager
def pretended_device() -> Iterator[torch.device]:
    """The device, inside; for all threads."""
    with pytest.MonkeyPatch.context() as patch:
        for name in MAKERS:
            patch.setattr(torch, name, _making(getattr(torch, name)))
        patch.setattr(torch, "empty", _without_garbage(torch.empty))
        patch.setattr(torch, "where", _of_tensors(torch.where))
        patch.setattr(torch.Tensor, "to", _moving(torch.Tensor.to))
        patch.setattr(torch.Tensor, "new_tensor", _beside(torch.Tensor.new_tensor))
        for name in ("is_autocast_enabled", "get_autocast_dtype"):
            patch.setattr(torch, name, _of_the_cpu(getattr(torch, name)))
        patch.setattr(torch, "inference_mode", torch.no_grad)  # which takes no views of such tensors
        patch.setattr(torch, "autocast", _of_the_cpu(torch.autocast))
        patch.setattr(zoo, "resolve_device", _known(zoo.resolve_device))
        patch.setattr(spelling, "check_device", _known(spelling.check_device))
        patch.setattr(folded, "CHANNELS_LAST_DEVICES", (*folded.CHANNELS_LAST_DEVICES, DEVICE.type))
        yield DEVICE


def _known(resolve: Callable) -> Callable:
    return lambda device: DEVICE if str(device) == str(DEVICE) else resolve(device)


def _making(make: Callable) -> Callable:
    @wraps(make)
    def made(*args: Any, **kwargs: Any) -> torch.Tensor:
        if kwargs.get("device") != DEVICE:
            return make(*args, **kwargs)
        return Pretended(make(*args, **{**kwargs, "device": "cpu"}))

    return made


def _without_garbage(empty: Callable) -> Callable:
    """Torch makes the 0 in the gradient of `where` by `empty` for such a device, without filling it."""

    @wraps(empty)
    def made(*args: Any, **kwargs: Any) -> torch.Tensor:
        tensor = empty(*args, **kwargs)
        return tensor.zero_() if isinstance(tensor, Pretended) else tensor

    return made


def _moving(move: Callable) -> Callable:
    @wraps(move)
    def moved(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        given = [*args, *kwargs.values()]
        like = [each for each in given if isinstance(each, Pretended)]
        if isinstance(tensor, Pretended) or not (like or DEVICE in given):
            return move(tensor, *args, **kwargs)
        kinds = [each for each in given if isinstance(each, torch.dtype)] + [each.dtype for each in like]
        order = kwargs.get("memory_format", torch.preserve_format)
        here = move(tensor, (kinds or [tensor.dtype])[0], memory_format=order)
        return ToCopy.apply(here) if here.requires_grad else Pretended(here)

    return moved


def _of_tensors(choose: Callable) -> Callable:
    """With numbers as tensors: torch would put them on the device itself, which has no memory of its own."""

    @wraps(choose)
    def chosen(condition: torch.Tensor, *values: Any) -> Any:
        if isinstance(condition, Pretended) and len(values) == 2:
            like = next(each for each in values if isinstance(each, torch.Tensor))
            values = tuple(
                each if isinstance(each, torch.Tensor) else Pretended(torch.tensor(each, dtype=like.dtype))
                for each in values
            )
        return choose(condition, *values)

    return chosen


def _beside(make: Callable) -> Callable:
    @wraps(make)
    def made(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if not isinstance(tensor, Pretended):
            return make(tensor, *args, **kwargs)
        return Pretended(make(tensor.held, *args, **kwargs))

    return made


def _of_the_cpu(ask: Callable) -> Callable:
    @wraps(ask)
    def asked(kind: str, **more: Any) -> Any:
        return ask("cpu" if kind == DEVICE.type else kind, **more)

    return asked
