"""Image sources: a folder, a torchvision data set, an embedded one. Each lists its items and reads their
bytes.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from compute.images.decoding import EXTENSIONS
from compute.images.encoding import encoded
from compute.images.formats import arrays
from compute.runtime.notices import notice

SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
LIST_SEPARATOR = "|"
"""Between the classes of an image that has several."""

LARGEST_BYTES = 2**30
"""Of an image's file: more than `decoding.MAX_PIXELS` take in any format. Files are read whole."""

EMBEDDED = ("photographs", "demo", "digits")
"""Images that come with packages."""

TORCHVISION = "torchvision:"
DATASETS = {
    "CIFAR10": ("train", True),
    "CIFAR100": ("train", True),
    "MNIST": ("train", True),
    "FashionMNIST": ("train", True),
    "KMNIST": ("train", True),
    "STL10": ("split", "train"),
    "SVHN": ("split", "train"),
}
"""torchvision's data sets by name: the argument that chooses the split, and its value for training."""


@dataclass(frozen=True)
class Item:
    """One image of a source. path: with forward slashes, names it in the source. label: its class' name;
    those of several, for a network of independent labels, have "|" between them."""

    path: str
    label: str | None = None
    split: str | None = None


class ImageSource(Protocol):
    """spec: what `open_source` takes to open it again. root: the folder that paths are relative to, or the
    spec.
    """

    spec: str
    root: str

    @property
    def items(self) -> tuple[Item, ...]:
        """Sorted by path."""

    def read(self, path: str) -> bytes:
        """An image file's bytes; ValueError where there is none of that path, OSError on a failing disk."""


def open_source(spec: str) -> ImageSource:
    """One of `EMBEDDED`, a folder, or "torchvision:NAME". Raises ValueError that says what to do."""
    if spec in EMBEDDED:
        return EmbeddedSource(spec)
    if spec.startswith(TORCHVISION):
        return TorchvisionSource(spec.removeprefix(TORCHVISION))
    return FolderSource(spec)


def check_source(spec: str) -> None:
    """Raise ValueError for what is no source, without reading one."""
    if spec.startswith(TORCHVISION):
        _check_dataset(spec.removeprefix(TORCHVISION))
    elif spec not in EMBEDDED:
        FolderSource(spec)


def class_names(items: Iterable[Item]) -> tuple[str, ...]:
    """The labels, sorted: the class names of a network that brings none of its own."""
    return tuple(sorted({item.label for item in items if item.label is not None}))


def names_of_label(label: str | None, classes: Collection[str]) -> tuple[str, ...] | None:
    """The classes that a label names: itself, or those of a list such as "cat|dog"; None where one is no
    class."""
    if label is None or label in classes:
        return None if label is None else (label,)
    names = names_apart(label)
    return names if len(names) > 1 and all(name in classes for name in names) else None


def are_lists(items: Iterable[Item], classes: Collection[str]) -> bool:
    """Whether some image's label names several classes."""
    labels = {item.label for item in items}
    return any(len(names_of_label(label, classes) or ()) > 1 for label in labels)


def names_in_lists(labels: Iterable[str]) -> tuple[str, ...]:
    """Every name that occurs in labels, alone or in a list; sorted."""
    return tuple(sorted({name for label in labels for name in names_apart(label)}))


def names_apart(label: str) -> tuple[str, ...]:
    """The names in a list such as "cat|dog", each once; of any other label, itself."""
    return tuple(dict.fromkeys(name.strip() for name in label.split(LIST_SEPARATOR) if name.strip()))


def sample(items: Iterable[Item], limit: int | None, seed: int) -> tuple[Item, ...]:
    """At most `limit` items, of each class its share (largest remainders first), drawn by `seed`; sorted by
    path.
    """
    items = _by_path(items)
    if limit is None or limit >= len(items):
        return items
    if limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1")
    classes: dict[str, list[Item]] = {}
    for item in items:
        classes.setdefault(item.label or "", []).append(item)
    rng = np.random.default_rng(seed)
    chosen = []
    for members, number in zip(
        classes.values(), _shares([len(m) for m in classes.values()], limit), strict=True
    ):
        chosen += [members[index] for index in rng.permutation(len(members))[:number]]
    return _by_path(chosen)


class FolderSource:
    """A folder of image files, read recursively; of arrays where there are no pictures.

    The first folder below it is the class; where all first folders are called train, test, val and their
    like, they are the splits and the second one is the class. Files that lie in none have no label."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ValueError(
                f"no folder {str(folder)!r}; images are a folder, {', '.join(map(repr, EMBEDDED))} or "
                "'torchvision:NAME'"
            )
        self.spec = self.root = str(self.folder.resolve())

    @cached_property
    def items(self) -> tuple[Item, ...]:
        files = list(_walk(self.folder))
        pictures, others = _of_kind(files, EXTENSIONS), _of_kind(files, arrays.EXTENSIONS)
        paths = pictures or others
        if pictures and others:
            number = f"{len(others)} array{'s' * (len(others) != 1)}"
            notice(
                f"{number} beside the pictures in {self.folder} (such as {min(others)}) left out: a folder's "
                "arrays are images where it has no pictures"
            )
        if not paths:
            accepted = ", ".join((*EXTENSIONS, *arrays.EXTENSIONS))
            raise ValueError(f"no images in {self.folder}: {_found(files)}; accepted are {accepted}")
        first = {path.parts[0].lower() for path in paths if len(path.parts) > 1}
        has_splits = bool(first) and first <= SPLITS
        return _by_path(_folder_item(path, has_splits) for path in paths)

    def read(self, path: str) -> bytes:
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{path!r} does not lie in {self.folder}")
        file = self.folder / inside
        if not file.is_file():
            raise ValueError(f"no file {path!r} in {self.folder}")
        if (size := file.stat().st_size) > LARGEST_BYTES:
            raise ValueError(f"{path!r} has {size:,} bytes, more than the {LARGEST_BYTES:,} of an image")
        return file.read_bytes()


class EmbeddedSource:
    """The photographs, the demo's crops of them, or the digits (`compute.demo`), as PNG files."""

    def __init__(self, name: str):
        from compute.demo.images import demo_crops, digit_images
        from compute.demo.photographs import photographs

        self.spec = self.root = name
        crops = {"photographs": photographs, "demo": demo_crops, "digits": digit_images}[name]()
        self._crops = {crop.path: crop for crop in crops}
        self._png = lru_cache(None)(lambda path: self._crops[path].png())

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return _by_path(Item(crop.path, crop.label, crop.split) for crop in self._crops.values())

    def read(self, path: str) -> bytes:
        if path not in self._crops:
            raise ValueError(f"no image {path!r} in the embedded {self.spec!r} images")
        return self._png(path)


class TorchvisionSource:
    """One of torchvision's small data sets, training and test images; downloaded on first use."""

    def __init__(self, name: str):
        _check_dataset(name)
        self.name = name
        self.spec = self.root = TORCHVISION + name
        self._splits = {split: self._open(split) for split in ("train", "test")}

    @cached_property
    def items(self) -> tuple[Item, ...]:
        items = []
        for split, dataset in self._splits.items():
            names = getattr(dataset, "classes", None)
            for index, target in enumerate(_targets(dataset)):
                label = names[target].replace("/", "-") if names else str(target)
                items.append(Item(f"{split}/{label}/{index:05d}.png", label, split))
        return _by_path(items)

    def read(self, path: str) -> bytes:
        split, _, file = path.partition("/")
        index = file.rpartition("/")[2].removesuffix(".png")
        if split not in self._splits or not index.isdigit() or int(index) >= len(self._splits[split]):
            raise ValueError(f"no image {path!r} in {self.spec}")
        return encoded(self._splits[split][int(index)][0])

    def _open(self, split: str) -> Any:
        from compute.runtime.vision import datasets

        argument, training = DATASETS[self.name]
        value = (split == "train") if training is True else split
        folder = dataset_folder()
        try:
            return getattr(datasets, self.name)(folder, download=True, **{argument: value})
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"{self.name} can't be had ({error}). If this machine has no network: download it elsewhere "
                f"with torchvision.datasets.{self.name}(FOLDER, download=True) and put FOLDER's content in "
                f"{folder}"
            ) from error


def _check_dataset(name: str) -> None:
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; choose from {', '.join(DATASETS)}, or give a folder")


def dataset_folder() -> Path:
    """Where torchvision's data sets are kept: beside its weights, under $TORCH_HOME (~/.cache/torch)."""
    import torch

    return Path(torch.hub.get_dir()).parent / "datasets"


def _by_path(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.path))


def _walk(folder: Path) -> Iterable[PurePosixPath]:
    """Files below `folder`, relative to it; hidden ones are left out, links are followed, once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
        if real not in seen:
            relative = PurePosixPath(Path(place).relative_to(folder).as_posix())
            yield from (relative / _printable(name) for name in files if not name.startswith("."))
        seen.add(real)


def _printable(name: str) -> str:
    """A name that is not UTF-8 is listed with escapes, under which it then can't be found: a problem, not a
    crash.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _of_kind(files: Iterable[PurePosixPath], extensions: tuple[str, ...]) -> list[PurePosixPath]:
    return [path for path in files if path.suffix.lower() in extensions]


def _folder_item(path: PurePosixPath, has_splits: bool) -> Item:
    *folders, _ = path.parts
    split = folders.pop(0) if has_splits and folders else None
    return Item(str(path), folders[0] if folders else None, split)


def _found(files: list[PurePosixPath]) -> str:
    if not files:
        return "it is empty"
    kinds = Counter(path.suffix.lower() or "no extension" for path in files).most_common(5)
    return f"found {len(files)} files ({', '.join(f'{number} {kind}' for kind, number in kinds)})"


def _shares(sizes: list[int], total: int) -> list[int]:
    """`total` split in proportion to `sizes`, in whole numbers by the largest remainder."""
    exact = np.array(sizes) * (total / sum(sizes))
    shares = np.floor(exact).astype(int)
    largest_remainders = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[largest_remainders] += 1
    return shares.tolist()


def _targets(dataset: Any) -> list[int]:
    values = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    return [int(value) for value in values]
