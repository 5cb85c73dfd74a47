"""What a source of images lists, an item an image, and what every source can do."""

import errno
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol
from unicodedata import is_normalized, normalize

LARGEST_BYTES = 2**30
"""Of an image's file: more than `decoding.MAX_PIXELS` take in any format. Files are read whole."""


class Unreachable(ValueError):
    """The place of the images can't be asked now: nothing is known of the image that was to be read."""


class Unread(ValueError):
    """An image's bytes that can't be had.

    reason: why, in words that are the same wherever the image lies and on whichever system: tables hold it.
    """

    def __init__(self, reason: str, text: str = ""):
        super().__init__(text or reason)
        self.reason = reason


REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file",
    errno.EACCES: "it may not be read",
    errno.EPERM: "it may not be read",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EIO: "the disk fails",
}
UNKNOWN_REASON = "it can't be read"


def reason_of(error: OSError) -> str:
    """Say what the system means, in words of our own, without the place."""
    return REASONS.get(error.errno or 0, UNKNOWN_REASON)


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

        Unread, with the reason, where it can't be had; ValueError for a path that is none of the source's;
        Unreachable where a server doesn't answer.
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
    def further_classes(self) -> tuple[str, ...]:
        """The class names with those that no image has; a network of as many classes may have them."""
        return ()

    @property
    def numbered(self) -> bool:
        """Whether labels are numbers of classes, from 0, rather than their names."""
        return False

    @property
    def not_numbered(self) -> str:
        """Why labels that look like numbers are taken for names, in a line; "" where none do."""
        return ""


def class_names(items: Iterable[Item]) -> tuple[str, ...]:
    """The labels, sorted: the class names of a network that brings none of its own."""
    return tuple(sorted({item.label for item in items if item.label is not None}))


def by_path(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items sorted by path, their labels in one form of Unicode: an é may be one letter, or an e and an
    accent, by the system that a folder was made on.
    """
    return tuple(sorted(map(_in_one_form, items), key=lambda item: item.path))


def _in_one_form(item: Item) -> Item:
    if item.label is None or is_normalized("NFC", item.label):
        return item
    return replace(item, label=normalize("NFC", item.label))


def check_size(path: str, size: int) -> None:
    """Raise Unread for a file that is too large to be an image's, before it is read."""
    if size > LARGEST_BYTES:
        reason = f"it has {size:,} bytes, more than the {LARGEST_BYTES:,} of an image"
        raise Unread(reason, f"{path!r} {reason.removeprefix('it ')}")
