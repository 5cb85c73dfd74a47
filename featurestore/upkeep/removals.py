"""What pruning removes, what it keeps, and why: the same for stores in folders and in object storage."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Removal:
    """`where`: a path within the store."""

    where: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Pruning:
    """What was removed (in a dry run: would be), and the other runs: fingerprint -> why it stays."""

    removed: tuple[Removal, ...]
    kept: dict[str, str]

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.removed)


def named_by(runs: Iterable[str], files: Iterable[Path], kind: str) -> dict[str, str]:
    """The runs that these files name -> why they stay.

    Not parsed: a damaged file, or one of another format, protects what it names just as well.
    """
    found: dict[str, str] = {}
    for file in files:
        words = set(re.findall(r"[0-9A-Za-z_-]+", file.read_text(errors="replace")))
        found |= dict.fromkeys(words.intersection(runs), f"named by the {kind} {file.name}")
    return found


def bytes_of(folder: Path) -> int:
    """Of all files in it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
