"""Files of one folder that several processes share: each is whole or not there; those used longest ago go."""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from featurestore.files.atomic import make_folder, publish
from featurestore.layout import TEMPORARY

ABANDONED = 3600
"""Seconds after which a file that is still being written was left by a killed process."""


@dataclass(frozen=True)
class Kept:
    """A file of a shelf. used: when it was written or read last, seconds since 1970."""

    name: str
    bytes: int
    used: float


class Shelf:
    """limit_bytes: of all files together. Names are the caller's own, never a link's unless looked up."""

    def __init__(self, folder: Path, limit_bytes: int):
        self.folder, self.limit_bytes = folder, limit_bytes

    def write(self, name: str, write: Callable[[BinaryIO], object]) -> None:
        """OSError where the disk is full or read-only: then all is as it was."""
        make_folder(self.folder)
        publish(self.folder / name, write)
        self._trim(name)

    def read(self, name: str) -> bytes | None:
        """None where it is not there, or can't be read."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def touch(self, name: str) -> None:
        """Note that it was used, where that can be written."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / name)

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def files(self) -> list[Kept]:
        """Used last first."""
        return sorted(self._scan(), key=lambda each: (-each.used, each.name))

    def _scan(self) -> list[Kept]:
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if not entry.name.startswith(TEMPORARY) and (kept := _kept(entry)) is not None:
                        found.append(kept)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return found

    def _trim(self, newest: str) -> None:
        """Removes what was used longest ago until the rest fits, the newest last, and what was abandoned."""
        files = sorted(self.files(), key=lambda each: each.name != newest)
        size = 0
        for each in files:
            size += each.bytes
            if size > self.limit_bytes and each.name != newest:
                self.remove(each.name)
        for path in self.folder.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - ABANDONED:
                    path.unlink()


def reason(error: OSError) -> str:
    """Why a file could not be written, in the system's own few words."""
    return os.strerror(error.errno) if error.errno else str(error)


def _kept(entry: os.DirEntry) -> Kept | None:
    """None where another process has removed it meanwhile, or it is no file."""
    try:
        facts = entry.stat()
        return Kept(entry.name, facts.st_size, facts.st_mtime) if entry.is_file() else None
    except FileNotFoundError:
        return None
