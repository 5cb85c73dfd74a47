"""Files that several threads and processes keep for each other on disk, up to a number of bytes."""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from featurestore.files.atomic import make_folder, publish, remove_left_overs
from featurestore.layout import TEMPORARY


@dataclass(frozen=True)
class CachedFile:
    """A file of a cache.

    name: without a folder.
    bytes: its size.
    used: when it was written or read last, in seconds since 1970.
    """

    name: str
    bytes: int
    used: float


class DiskCache:
    """Files by name; each is whole or not there. The least recently used ones go once all exceed the limit.

    Names become parts of a path, so none may come from a link or a request without being looked up.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        *,
        subfolders: bool = False,
        private: bool = False,
        durable: bool = True,
        slack: float = 0.0,
        most_files: int | None = None,
        beside: bool = False,
    ):
        """Open a cache; its folder is made when the first file is written.

        limit_bytes: of all files together.
        subfolders: files lie in folders named by the first two characters of their names, for many thousands.
        private: folders that are made are closed to other users of this machine.
        durable: what was written is there after a power cut too. Without it, check what is read (`get`).
        slack: share of the limits, 0 to 1. Files are counted each time this process has written so much, and
            then as much is left free, so that a write costs the same however many there are; 0 counts them at
            each write.
        most_files: a limit of their number, if there is one: the smallest file takes a block of the disk.
        beside: they are counted in a thread of its own, and no write waits for it.
        """
        self.folder, self.limit_bytes = folder, limit_bytes
        self._subfolders, self._private, self._durable, self._slack = subfolders, private, durable, slack
        self._lock = threading.Lock()
        # What others have written before is counted at the first write.
        self._written, self._most_files, self._new_files = limit_bytes, most_files, 0
        self._beside = beside

    def put(self, name: str, content: bytes) -> None:
        """Write a file; what alone is larger than the limit is not kept.

        Raises OSError where the disk is full or read-only; all files are as before then.
        """
        if len(content) > self.limit_bytes:
            return
        path = self._path(name)
        make_folder(path.parent, private=self._private)
        publish(path, lambda file: file.write(content), scratch=self.folder, durable=self._durable)
        if not self._is_due(len(content)):
            return
        if self._beside:
            threading.Thread(target=self._make_room, args=(name,), daemon=True).start()
        else:
            self._make_room(name)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None where it is not there or can't be read. It counts as no use.

        None too for what is none of a cache's files, such as a pipe, or a link to a device without an end.
        """
        try:
            with open(self._path(name), "rb", opener=_without_waiting) as file:
                facts = os.fstat(file.fileno())
                # With a limit of 0 nothing more is kept, and what was kept before is there.
                fits = not self.limit_bytes or facts.st_size <= self.limit_bytes
                is_ours = stat.S_ISREG(facts.st_mode) and fits
                return file.read(facts.st_size) if is_ours else None
        except OSError:
            return None

    def get(self, name: str, is_right: Callable[[bytes], bool]) -> bytes | None:
        """Return a file's content and note the use; None for one that is not right, which is removed."""
        content = self.read(name)
        if content is None:
            return None
        if is_right(content):
            self.touch(name)
            return content
        with suppress(OSError):
            self.remove(name)
        return None

    def touch(self, name: str) -> None:
        """Note that a file was used, where that can be written."""
        with suppress(OSError):
            os.utime(self._path(name))

    def remove(self, name: str) -> None:
        """Remove a file; nothing where it is not there. Raises OSError where the disk is read-only."""
        self._path(name).unlink(missing_ok=True)

    def files(self) -> list[CachedFile]:
        """Return all files, the most recently used one first."""
        return sorted(self._scan(self.folder), key=lambda each: (-each.used, each.name))

    def total_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(each.bytes for each in self._scan(self.folder))

    def _is_due(self, written: int) -> bool:
        """Note a written file; return whether so much was written that all are to be counted."""
        with self._lock:
            self._written += written
            self._new_files += 1
            few = self._most_files is None or self._new_files < self._slack * self._most_files
            if few and self._written < self._slack * self.limit_bytes:
                return False
            self._written = self._new_files = 0
            return True

    def _make_room(self, newest: str) -> None:
        """Remove the least recently used files until the rest fits, and what killed writers left."""
        size, most, full = 0, (1 - self._slack) * self.limit_bytes, self._most_files
        # The newest may have the same time as others, and stays.
        for number, each in enumerate(sorted(self.files(), key=lambda each: each.name != newest)):
            size += each.bytes
            too_many = full is not None and number >= (1 - self._slack) * full
            if (size > most or too_many) and each.name != newest:
                with suppress(OSError):
                    self.remove(each.name)
        with suppress(OSError):
            remove_left_overs(self.folder)

    def _scan(self, folder: Path) -> Iterator[CachedFile]:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            # Another process may have removed it meanwhile, or somebody put an odd thing there.
            with suppress(OSError):
                if entry.is_dir():
                    if self._subfolders:
                        yield from self._scan(Path(entry.path))
                elif entry.is_file() and not entry.name.startswith(TEMPORARY):
                    facts = entry.stat()
                    yield CachedFile(entry.name, facts.st_size, facts.st_mtime)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name if self._subfolders else self.folder / name


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)
