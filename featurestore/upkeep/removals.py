"""What pruning removes, what it keeps, and why: the same for stores in folders and in object storage."""

import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from featurestore.files import locks


@dataclass(frozen=True)
class Removal:
    """`where`: a path within the store."""

    where: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What was removed, or in a dry run would be.

    kept: the other runs, fingerprint -> why it stays. left: what else is old and stays, place -> why.
    """

    removed: tuple[Removal, ...]
    kept: dict[str, str]
    left: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.removed)


def named_by(runs: Iterable[str], files: Iterable[Path], kind: str) -> dict[str, str]:
    """The runs that these files name -> why they stay.

    Not parsed: a damaged file, or one of another format, protects what it names just as well.
    """
    found: dict[str, str] = {}
    for file in files:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe or a folder names nothing
            continue
        words = set(re.findall(r"[0-9A-Za-z_-]+", file.read_text(errors="replace")))
        found |= dict.fromkeys(words.intersection(runs), f"named by the {kind} {file.name}")
    return found


class Clearing:
    """Removes what lies in a folder and nobody has locked, or only says so.

    Of a link the link goes, never what it leads to.

    top: the folder; what is said of a place is its path within it. removed, left: as in `Pruning`.
    """

    def __init__(self, top: Path, dry_run: bool, named_whole: bool = False):
        self.top, self.dry_run, self.named_whole = top, dry_run, named_whole
        self.removed: list[Removal] = []
        self.left: dict[str, str] = {}

    def clear(self, path: Path, why: str) -> None:
        """Remove a file, or a folder with all that is in it. OSError where that can't be done."""
        with ExitStack() as claims:
            reason = _why_not(path, claims)
            if reason is not None:
                self.left[self.name(path)] = reason
            elif os.path.lexists(path):
                self.removed.append(Removal(self.name(path), why, bytes_of(path)))
                if not self.dry_run:
                    remove(path)

    def name(self, path: Path) -> str:
        """Return how a place is named."""
        return str(path) if self.named_whole else str(path.relative_to(self.top))


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it; nothing where it is gone already."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def may_be_removed(path: Path) -> bool:
    """Return whether this user may remove it, with all that is in it."""
    folders = [path.parent, *(each for each in _within(path) if each.is_dir() and not each.is_symlink())]
    return all(os.access(each, os.W_OK | os.X_OK) for each in folders)


def is_in_use(folder: Path) -> bool:
    """Return whether somebody has a lock on a folder; not where there is none."""
    with suppress(FileNotFoundError), locks.claimed(folder) as alone:
        return not alone
    return False


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; 0 of a link."""
    sizes = []
    for each in _within(path):
        with suppress(FileNotFoundError):
            found = each.lstat()
            sizes.append(found.st_size if stat.S_ISREG(found.st_mode) else 0)
    return sum(sizes)


def age(path: Path) -> float:
    """Return the seconds since anything in it was written."""
    times = []
    for each in _within(path):
        with suppress(FileNotFoundError):
            times.append(each.lstat().st_mtime)
    return time.time() - max(times, default=time.time())


def _within(path: Path) -> Iterator[Path]:
    """Yield a place and all that lies in it; no link is followed."""
    yield path
    if path.is_symlink():
        return
    for folder, folders, files in os.walk(path):
        yield from (Path(folder) / name for name in (*folders, *files))


def _why_not(path: Path, claims: ExitStack) -> str | None:
    """Return why it stays; None where it is claimed until `claims` end, and may go."""
    try:
        if not may_be_removed(path):
            return "this user may not remove it"
        for each in _within(path):
            if (each.is_file() or each.is_dir()) and not each.is_symlink():
                descriptor = os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                claims.callback(os.close, descriptor)
                if not locks.claim(descriptor):
                    return "open, or being written"
    except FileNotFoundError:
        return None  # somebody else removes it just now
    except OSError as error:
        return f"who uses it can't be told ({os.strerror(error.errno or 0)})"
    return None
