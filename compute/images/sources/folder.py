"""A folder of image files."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from compute.images.sources.classes_by_folder import items_of_files
from compute.images.sources.items import ImageSource, Item, check_size


class FolderSource(ImageSource):
    """A folder of image files, read recursively; of arrays where there are no pictures.

    Their folders say which class and split they are of, see `classes_by_folder`."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.spec = self.root = str(self.folder.resolve())

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return items_of_files(list(_walk(self.folder)), str(self.folder))

    def read(self, path: str) -> bytes:
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts:
            raise ValueError(f"{path!r} does not lie in {self.folder}")
        return read_file(self.folder / inside, path, str(self.folder))


def read_file(file: Path, path: str, where: str) -> bytes:
    """The bytes of an image's file, which messages call `path` and look for in `where`.

    As many as the disk says that the file has, and no more: a file that a system makes up, as Linux does
    below /proc, says that it has none, may go on without end, or make its reader wait.
    """
    if not file.is_file():
        raise ValueError(f"no file {path!r} in {where}")
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        check_size(path, size)
        return opened.read(size) if size else b""


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
