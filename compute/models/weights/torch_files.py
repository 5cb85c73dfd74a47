"""What torch.save, torch.jit.save and pickle.dump wrote: the archives of today, the streams before torch 1.6,
and pickles of Python's own."""

import contextlib
import copy
import io
import mmap
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from compute.models.weights.choosing import LONGEST_NAME
from compute.models.weights.errors import Refused
from compute.models.weights.pickles import Instance, Name, UnreadablePickle, read_pickle, spoken
from compute.models.weights.tensors import TENSOR_BUILDERS, Storage, StoredTensor, Unusable

MAX_RATIO = 16
"""An archive that says that it unpacks into more than so many times its own size is refused unread. Weights
hardly compress, and torch doesn't compress them at all."""

MAGIC = 0x1950A86A20F9469CFC6C
ARCHIVE = b"PK\x03\x04"
COUNT_BYTES = 8
STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
ONE_BYTE_STORAGES = ("QInt8Storage", "QUInt8Storage", "QUInt4x2Storage", "QUInt2x4Storage", "UntypedStorage")
FOUR_BYTE_STORAGES = ("QInt32Storage",)


@dataclass(frozen=True)
class Content:
    """of: what the file's pickle holds. is_script: whether torch.jit.save wrote it."""

    of: Any
    is_script: bool = False


@contextlib.contextmanager
def open_torch_file(path: Path) -> Iterator[Content]:
    """The content of a file; its tensors can be read while it is open.

    Raises Refused, and any other exception where the file is damaged.
    """
    with path.open("rb") as file, contextlib.ExitStack() as stack:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        data = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if data[: len(ARCHIVE)] == ARCHIVE:
            yield _Archive(stack.enter_context(zipfile.ZipFile(file)), len(data)).content()
        else:
            yield Content(_stream(data, len(data), nested=False))


class _Archive:
    """A zip file of `data.pkl` and a file for each storage, in one folder."""

    def __init__(self, archive: zipfile.ZipFile, size: int):
        self.archive = archive
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_RATIO * size:
            raise Refused(
                f"says that it unpacks into {unpacked:,} bytes, more than {MAX_RATIO} times its {size:,}"
            )
        self.entries = {entry.filename: entry for entry in archive.infolist()}
        self.folder = self._folder()
        self.storages: dict[str, Storage] = {}

    def content(self) -> Content:
        order = self._bytes("byteorder") if "byteorder" in self else sys.byteorder.encode()
        if order.decode(errors="replace") != sys.byteorder:
            raise Refused("was written on a machine of another byte order; save it anew on one like this")
        data = self._bytes("data.pkl")
        of = read_pickle(io.BytesIO(data), len(data), TENSOR_BUILDERS, self._storage)
        return Content(of, is_script="constants.pkl" in self)

    def _folder(self) -> str:
        folders = {name.partition("/")[0] for name in self.entries if name.endswith("/data.pkl")}
        if len(folders) != 1 or f"{min(folders)}/data.pkl" not in self.entries:
            raise Refused("is a zip file, but none that torch.save wrote")
        return folders.pop()

    def __contains__(self, name: str) -> bool:
        return f"{self.folder}/{name}" in self.entries

    def _storage(self, identity: Any) -> Storage:
        """Of the persistent id ("storage", type, key, device, number of elements)."""
        kind, of, key, _, count = identity
        element, size = _element(of)
        if kind != "storage" or not _is_count(count) or not isinstance(key, str):
            raise UnreadablePickle("it refers to what is no storage")
        if key not in self.storages:
            self.storages[key] = Storage(element, count * size, lambda: self._uint8(f"data/{key}"))
        return self.storages[key]

    def _uint8(self, name: str) -> Tensor:
        entry = self._entry(name)
        values = torch.empty(entry.file_size, dtype=torch.uint8)
        target: Any = values.numpy()
        with io.BufferedReader(cast(io.RawIOBase, self.archive.open(entry))) as file:
            file.readinto(target)
            file.read(1)  # at the end the checksum is compared
        return values

    def _bytes(self, name: str) -> bytes:
        return self.archive.read(self._entry(name))

    def _entry(self, name: str) -> zipfile.ZipInfo:
        full = f"{self.folder}/{name}"
        if full not in self.entries:
            raise ValueError(f"it lacks {name}")
        entry = copy.copy(self.entries[full])
        if entry.CRC == 0:
            del entry.CRC  # as `torch.serialization.set_crc32_options(False)` leaves it; nothing to compare
        return entry


def _stream(data: Any, size: int, nested: bool) -> Any:
    """A pickle, or torch.save's of before 1.6: three pickles of its own, that of the content, that of the
    storages' keys, and their bytes."""
    builders = TENSOR_BUILDERS if nested else {**TENSOR_BUILDERS, "torch.storage._load_from_bytes": _nested}
    first = read_pickle(data, size, builders)
    if first != MAGIC:
        return first
    read_pickle(data, size, {})
    system = read_pickle(data, size, {})
    if isinstance(system, dict) and system.get("little_endian", True) != (sys.byteorder == "little"):
        raise Refused("was written on a machine of another byte order; save it anew on one like this")
    storages = _StreamedStorages(data)
    content = read_pickle(data, size, TENSOR_BUILDERS, storages.of)
    storages.locate(read_pickle(data, size, {}), data.tell(), size)
    return content


def _nested(data: object = b"", *_: object) -> object:
    """The storage that pickle.dump keeps as a stream of torch.save's inside its own."""
    if not isinstance(data, bytes):
        raise UnreadablePickle("a storage is damaged")
    return _stream(io.BytesIO(data), len(data), nested=True)


class _StreamedStorages:
    """Storages whose place in the stream is known only after the pickle that refers to them."""

    def __init__(self, data: Any):
        self.data = data
        self.storages: dict[str | int, Storage] = {}
        self.sizes: dict[str | int, int] = {}
        self.places: dict[str | int, int] = {}

    def of(self, identity: Any) -> object:
        """Of the persistent id ("storage", type, key, device, number of elements, a view of it or None); of a
        whole module's source its class alone."""
        if identity[0] == "module":
            return identity[1]
        kind, of, key, _, count, *view = identity
        element, size = _element(of)
        if kind != "storage" or not _is_count(count) or not isinstance(key, str | int) or any(view):
            raise UnreadablePickle("it refers to what is no storage")
        if key not in self.storages:
            self.sizes[key] = size
            self.storages[key] = Storage(element, count * size, lambda: self._uint8(key))
        return self.storages[key]

    def locate(self, keys: Any, start: int, end: int) -> None:
        """keys: of the storages in the order in which they follow, each as a count of elements and their
        bytes."""
        for key in keys:
            if not isinstance(key, str | int):
                raise UnreadablePickle("a storage's name is none")
            self.data.seek(start)
            count = int.from_bytes(self.data.read(COUNT_BYTES), "little")
            self.places[key] = start + COUNT_BYTES
            start += COUNT_BYTES + count * self.sizes[key]
            if start > end or count * self.sizes[key] < self.storages[key].size:
                raise UnreadablePickle("its end is missing")

    def _uint8(self, key: str | int) -> Tensor:
        self.data.seek(self.places[key])
        content = bytearray(self.data.read(self.storages[key].size))
        return torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)


def _element(of: object) -> tuple[torch.dtype | None, int]:
    """The type of a storage's elements, None where torch's own types don't say it, and their size in
    bytes."""
    name = of.name if isinstance(of, Name) else ""
    if name in STORAGE_TYPES:
        return STORAGE_TYPES[name], STORAGE_TYPES[name].itemsize
    if name in ONE_BYTE_STORAGES or name in FOUR_BYTE_STORAGES:
        return None, 4 if name in FOUR_BYTE_STORAGES else 1
    raise UnreadablePickle(f"it has a storage of the unknown type {spoken(of)}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def script_tensors(content: object) -> dict[str, object]:
    """The tensors of a TorchScript archive's content, named as the network's state_dict names them.

    The content is the network as an object; its code lies in other files of the archive and is not read.
    Raises Refused where its weights have no names any more.
    """
    found: dict[str, object] = {}
    waiting = [("", content)]
    seen: set[int] = set()
    while waiting:
        prefix, value = waiting.pop()
        if not isinstance(value, Instance) or not isinstance(value.state, dict) or id(value) in seen:
            continue
        seen.add(id(value))
        for name, each in value.state.items():
            if isinstance(each, Instance) and len(prefix) <= LONGEST_NAME:
                waiting.append((f"{prefix}{name}.", each))
            elif isinstance(each, StoredTensor | Unusable):
                found[f"{prefix}{name}"] = each
    if not found:
        raise Refused(
            "is TorchScript whose weights have no names, as torch.jit.freeze leaves it; save "
            "`network.state_dict()` of the network that it was made of instead"
        )
    return found
