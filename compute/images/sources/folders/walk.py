"""All files below a folder, in an order that the disk has no say in."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MOST_NAMED = 5
"""Paths that a line names."""


@dataclass
class Walk:
    """What a walk found, as paths relative to the folder.

    files, folders: without those whose name begins with a dot
    closed: folders that can't be listed
    again: links to folders that are listed already, or that the folder itself lies in
    """

    files: list[PurePosixPath] = field(default_factory=list)
    folders: list[PurePosixPath] = field(default_factory=list)
    closed: list[PurePosixPath] = field(default_factory=list)
    again: list[PurePosixPath] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> "Walk":
        """Walk through a folder. What lies in it under its own name comes first, then what links lead to, by
        the path of the link, each place once. ValueError where the folder itself can't be listed.
        """
        found = cls()
        home = os.path.realpath(folder)
        seen = {home, *map(str, Path(home).parents)}
        links = found._through(folder, PurePosixPath(), seen)
        if PurePosixPath() in found.closed:
            raise ValueError(f"the folder {folder} can't be listed: it may not be read")
        while links:
            link = links.pop(0)
            real = os.path.realpath(folder / link)
            if real in seen:
                found.again.append(link)
                continue
            seen.add(real)
            found.folders.append(link)
            links = sorted([*links, *found._through(folder, link, seen)])
        return found

    def notes(self) -> Iterator[str]:
        """What a person should know, in lines that the folder's name completes."""
        if self.again:
            yield _line(
                self.again, "link leads", "links lead", "to a folder that is listed already, and not followed"
            )
        if self.closed:
            yield _line(
                self.closed, "folder", "folders", "can't be listed: the images are left out (table problems)"
            )

    def _through(self, top: Path, inside: PurePosixPath, seen: set[str]) -> list[PurePosixPath]:
        """Take everything below a folder but what links to folders lead to; return those links, sorted."""
        links: list[PurePosixPath] = []
        waiting = [inside]
        while waiting:
            place = waiting.pop()
            try:
                with os.scandir(top / place) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                self.closed.append(place)
                continue
            for entry in listed:
                path = place / _printable(entry.name)
                if entry.name.startswith("."):
                    continue
                if not _is_folder(entry):
                    self.files.append(path)
                elif entry.is_symlink():
                    links.append(path)
                elif (real := os.path.realpath(entry.path)) in seen:
                    self.again.append(path)
                else:
                    seen.add(real)
                    self.folders.append(path)
                    waiting.append(path)
        return sorted(links)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _line(paths: Sequence[PurePosixPath], one: str, many: str, what: str) -> str:
    named = ", ".join(map(str, sorted(paths)[:MOST_NAMED])) + (", …" if len(paths) > MOST_NAMED else "")
    return f"{len(paths):,} {one if len(paths) == 1 else many} {what} ({named})"


def _printable(name: str) -> str:
    """A name that is not UTF-8 is listed with escapes, under which it then can't be found: a problem, not a
    crash.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
