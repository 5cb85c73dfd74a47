"""What a source of images lists, an item an image, and what every source can do."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

LARGEST_BYTES = 2**30
"""Of an image's file: more than `decoding.MAX_PIXELS` take in any format. Files are read whole."""


class Unreachable(ValueError):
    """The place of the images can't be asked now: nothing is known of the image that was to be read."""


@dataclass(frozen=True)
class Item:
    """One image of a source.

    path: names it in the source, with forward slashes.
    label: its class' name; those of several, for a network of independent labels, have "|" between them.
    split: such as "train".
    values: what the source says of it besides, in the order of `ImageSource.columns`; None for nothing.
    """

    path: str
    label: str | None = None
    split: str | None = None
    values: tuple[str | None, ...] = ()


class ImageSource(Protocol):
    """Where images lie, whatever they lie in.

    spec: what `open_source` takes to open it again.
    root: the folder that paths are relative to, or the spec.
    """

    spec: str
    root: str

    @property
    def items(self) -> tuple[Item, ...]:
        """Sorted by path; ValueError where there are none, or where the source can't be understood."""
        ...

    def read(self, path: str) -> bytes:
        """Return an image file's bytes.

        ValueError, with the reason, where there is none of that path or it can't be had; OSError on a failing
        disk; Unreachable where a server doesn't answer.
        """
        ...

    def prepare(self) -> None:
        """Read what `read` needs beside the images themselves; ValueError as for `items`."""
        return None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what is said of each image beside label and split."""
        return ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in their order, that a network has which brings none of its own."""
        return class_names(self.items)

    @property
    def numbered(self) -> bool:
        """Whether labels are numbers of classes, from 0, rather than their names."""
        return False


def class_names(items: Iterable[Item]) -> tuple[str, ...]:
    """The labels, sorted: the class names of a network that brings none of its own."""
    return tuple(sorted({item.label for item in items if item.label is not None}))


def by_path(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.path))


def check_size(path: str, size: int) -> None:
    """Raise ValueError for a file that is too large to be an image's, before it is read."""
    if size > LARGEST_BYTES:
        raise ValueError(f"{path!r} has {size:,} bytes, more than the {LARGEST_BYTES:,} of an image")
