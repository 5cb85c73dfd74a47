"""Tensors and arrays as a file describes them: read only once they are asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from compute.models.weights.errors import Refused
from compute.models.weights.pickles import Builder, Instance, Name, spoken

MAX_REPEATED = 2**28
"""Bytes that a tensor may have which repeats its storage (`expand`): in the file they cost nothing."""

MAX_AXES = 64
"""More than any tensor of torch has."""

ARRAY_FUNCTIONS = ("_reconstruct", "_frombuffer")
NUMBERS = "biufc"
LONGEST_TYPE = 16
"""Letters of a type of numbers, such as "<f4"; longer ones describe records."""


@dataclass(eq=False)
class Storage:
    """Bytes that tensors are views of.

    element: of the type that the file says, or None. read: the bytes, as uint8 (size,).
    """

    element: torch.dtype | None
    size: int
    read: Callable[[], Tensor] = field(repr=False)

    @cached_property
    def bytes(self) -> Tensor:
        values = self.read()
        if values.numel() < self.size:
            raise ValueError(f"{values.numel()} bytes are there of {self.size}")
        return values


@dataclass(eq=False)
class StoredTensor:
    """A tensor of a file: a view of a storage, in elements."""

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        """Raises ValueError where it reaches beyond its storage."""
        if (
            len(self.shape) != len(self.strides)
            or min((self.offset, *self.shape, *self.strides), default=0) < 0
        ):
            raise ValueError(f"shape {self.shape} and strides {self.strides} are none")
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((length - 1) * stride for length, stride in steps)
        if math.prod(self.shape) and (last + 1) * self.dtype.itemsize > self.storage.size:
            raise ValueError(f"a tensor of shape {self.shape} reaches beyond its {self.storage.size} bytes")
        size = math.prod(self.shape) * self.dtype.itemsize
        if size > max(self.storage.size, MAX_REPEATED):
            raise Refused(
                f"holds a tensor of shape {self.shape}, {size:,} bytes that repeat {self.storage.size:,}; no "
                "network's weights are like that"
            )

    def read(self) -> Tensor:
        whole = self.storage.bytes
        elements = whole[: len(whole) // self.dtype.itemsize * self.dtype.itemsize].view(self.dtype)
        return elements.as_strided(self.shape, self.strides, self.offset)


@dataclass(frozen=True)
class Unusable:
    """A tensor of a kind that no network's weights are read from. reason: such as "is sparse; …"."""

    reason: str


def _storage_of(value: object) -> Storage:
    if not isinstance(value, Storage):
        raise ValueError("a tensor has no storage")
    return value


def _strided(
    storage: object, offset: object, shape: object, strides: object, _grad: object = None,
    _hooks: object = None, metadata: object = None,
) -> object:  # fmt: skip
    """`torch._utils._rebuild_tensor_v2`."""
    if metadata:
        return Unusable("is a conjugated or negated view; save it with .resolve_conj().resolve_neg()")
    storage = _storage_of(storage)
    if storage.element is None:
        return Unusable("has elements of an unknown type")
    return _view(storage, storage.element, offset, shape, strides)


def _strided_of_type(
    storage: object, offset: object, shape: object, strides: object, _grad: object, _hooks: object,
    dtype: object, metadata: object = None,
) -> object:  # fmt: skip
    """`torch._utils._rebuild_tensor_v3`, of types that have no storage class of their own."""
    found = getattr(torch, dtype.name, None) if isinstance(dtype, Name) else None
    if metadata or not isinstance(found, torch.dtype):
        return Unusable(f"has elements of type {spoken(dtype)}, which this version of torch doesn't know")
    return _view(_storage_of(storage), found, offset, shape, strides)


def _view(
    storage: Storage, dtype: torch.dtype, offset: object, shape: object, strides: object
) -> StoredTensor:
    if not isinstance(offset, int) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor's shape is none")
    if len(shape) > MAX_AXES or not all(isinstance(each, int) for each in (*shape, *strides)):
        raise ValueError("a tensor's shape is none")
    return StoredTensor(storage, dtype, offset, shape, strides)


def _first(value: object = None, *_: object) -> object:
    return value


def _of_type(of: object, kind: object, arguments: object, _state: object = None) -> object:
    """`torch._tensor._rebuild_from_type_v2`: of a subclass, which may mean something else by the same
    bytes."""
    plain = isinstance(kind, Name) and str(kind) in PLAIN_TENSORS
    if not plain or not isinstance(of, Name) or not isinstance(arguments, tuple):
        return Unusable(f"is a {spoken(kind)}, a class of its own; save it as a plain tensor")
    return TENSOR_BUILDERS.get(str(of), lambda *_: Unusable(f"was made by {of}"))(*arguments)


def _unusable(reason: str) -> Builder:
    return lambda *_: Unusable(reason)


PLAIN_TENSORS = (
    "torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
)  # fmt: skip
TENSOR_BUILDERS: dict[str, Builder] = {
    "torch._utils._rebuild_tensor": _strided,
    "torch._utils._rebuild_tensor_v2": _strided,
    "torch._utils._rebuild_tensor_v3": _strided_of_type,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch._utils._rebuild_sparse_tensor": _unusable("is sparse; save it with .to_dense()"),
    "torch._utils._rebuild_sparse_csr_tensor": _unusable("is sparse; save it with .to_dense()"),
    "torch._utils._rebuild_qtensor": _unusable(
        "is quantised; save the weights of the network before its quantisation, or .dequantize() them"
    ),
    "torch._utils._rebuild_meta_tensor_no_storage": _unusable(
        "is on the device 'meta' and holds no values; save the weights once they are there"
    ),
    "torch._utils._rebuild_nested_tensor": _unusable("is a nested tensor, which no network's weights are"),
    "torch._utils._rebuild_wrapper_subclass": _unusable(
        "is of a class of its own; save it as a plain tensor"
    ),
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
}
"""What `torch.save` writes for tensors; all that `torch.load` with weights_only reads."""


def is_array(value: object) -> bool:
    """Whether it is a NumPy array of a pickle."""
    return (
        isinstance(value, Instance)
        and isinstance(value.of, Name)
        and value.of.module.partition(".")[0] == "numpy"
        and value.of.name in ARRAY_FUNCTIONS
    )


def read_array(array: Instance) -> Tensor | None:
    """A NumPy array of a pickle as a tensor, or None where its elements are no numbers.

    Raises ValueError where it is not as NumPy writes one.
    """
    try:
        if isinstance(array.of, Name) and array.of.name == "_frombuffer":
            data, dtype, shape, order = array.arguments
        else:
            _, shape, dtype, is_fortran, data = array.state
            order = "F" if is_fortran else "C"
        kind = _dtype(dtype)
        if kind is None:
            return None
        values = np.frombuffer(data, kind).reshape(shape, order=order)
        return torch.from_numpy(values.astype(kind.newbyteorder("="), order="C"))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"an array is damaged: {error}") from error


def array_bytes(array: Instance) -> int:
    """Return how many bytes `read_array` copies. Several arrays may be of the same bytes of the file."""
    parts = (*array.arguments, *(array.state if isinstance(array.state, tuple) else ()))
    return max((len(each) for each in parts if isinstance(each, bytes | bytearray | str)), default=0)


def _dtype(dtype: Instance) -> np.dtype | None:
    """Of the arguments and state that a pickle gives `numpy.dtype`."""
    name, order = dtype.arguments[0], dtype.state[1]
    if not isinstance(name, str) or len(name) > LONGEST_TYPE:
        raise TypeError(f"{spoken(name)} is no type of numbers")
    kind = np.dtype(name)
    return kind.newbyteorder(order) if kind.kind in NUMBERS else None
