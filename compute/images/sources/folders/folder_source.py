"""A folder of image files."""

import os
import stat
from functools import cached_property
from pathlib import Path, PurePosixPath

from compute.images.formats.signatures import HEAD
from compute.images.sources.folders.classes_by_folder import are_splits, items_of_files, label_and_split
from compute.images.sources.folders.walk import Walk
from compute.images.sources.items import (
    ImageSource,
    Item,
    Unread,
    by_path,
    check_size,
    class_names,
    reason_of,
)
from compute.runtime.notices import notice


class FolderSource(ImageSource):
    """A folder of image files, read recursively; of arrays where there are no pictures.

    Their folders say which class and split they are of, see `classes_by_folder`. A folder that can't be
    listed stands among the images under its own path: it is a problem of the store, not a hole in it."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.spec = self.root = str(self.folder.resolve())

    @cached_property
    def items(self) -> tuple[Item, ...]:
        walk = self._walk
        for line in walk.notes():
            notice(f"{line} in {self.folder}")
        found = items_of_files(walk.files, str(self.folder), self._head)
        if not walk.closed:
            return found
        inside = [path / "image" for path in (*(PurePosixPath(item.path) for item in found), *walk.closed)]
        said = label_and_split(inside)[len(found) :]
        closed = [Item(str(path), *each) for path, each in zip(walk.closed, said, strict=True)]
        return by_path([*found, *closed])

    @property
    def further_classes(self) -> tuple[str, ...]:
        """Names of class folders that hold no image, beside those that do."""
        paths = [PurePosixPath(item.path) for item in self.items]
        depth = 1 if are_splits(paths) else 0
        empty = {path.parts[depth] for path in self._walk.folders if len(path.parts) == depth + 1}
        return tuple(sorted(empty.union(class_names(self.items))))

    def read(self, path: str) -> bytes:
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{path!r} does not lie in {self.folder}")
        return read_file(self.folder / inside, path, str(self.folder))

    @cached_property
    def _walk(self) -> Walk:
        return Walk.of(self.folder)

    def _head(self, path: PurePosixPath) -> bytes:
        return head_of(self.folder / path)


def read_file(file: Path, path: str, where: str) -> bytes:
    """The bytes of an image's file, which messages call `path` and look for in `where`; Unread without them.

    As many as the disk says that the file has, and no more: a file that a system makes up, as Linux does
    below /proc, says that it has none, may go on without end, or make its reader wait.
    """
    try:
        kind = file.stat().st_mode
        if not stat.S_ISREG(kind):
            raise Unread(_what_it_is(file, kind), f"no file {path!r} in {where}")
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            check_size(path, size)
            return opened.read(size) if size else b""
    except OSError as error:
        reason = reason_of(error)
        raise Unread(reason, f"no file {path!r} in {where} that can be read: {reason}") from error


def head_of(file: Path) -> bytes:
    """The first bytes of a file; none of what is no file, or can't be read."""
    try:
        if not file.is_file() or not file.stat().st_size:
            return b""
        with file.open("rb", buffering=0) as opened:
            return opened.read(HEAD)
    except OSError:
        return b""


def _what_it_is(file: Path, kind: int) -> str:
    """Why something that is no file can't be read."""
    if not stat.S_ISDIR(kind):
        return "it is no ordinary file"
    try:
        os.scandir(file).close()
    except OSError as error:
        return f"a folder that can't be listed ({reason_of(error)}): its images are left out"
    return "it is a folder"
