"""The folder of findings: `<slug>.toml`, and beside it the thumbnail `<slug>.png`.

The folder is shared in git, so its files may come from anybody and are checked when they are read.
"""

import contextlib
import io
import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from compute.images.encoding import encoded, opened
from dashboard.data import runs
from dashboard.findings.record import Finding
from dashboard.text import slug
from featurestore.files.atomic import fsync_folder, make_folder, publish

TOML, PNG = ".toml", ".png"
LARGEST_TEXT, LARGEST_PICTURE = 256 * 1024, 2 * 1024 * 1024
"""Bytes of a finding and of its thumbnail; larger files are not read."""

MOST = 1_000
"""Findings that are listed at most."""

LONGEST_SLUG = 60
SIDE = 360
"""Longer side of a thumbnail, in pixels."""


@dataclass(frozen=True)
class FindingFile:
    """A file of the folder.

    slug: its name without the suffix.
    finding: None where the file can't be read.
    problem: why it can't be read, else "".
    """

    slug: str
    finding: Finding | None
    problem: str = ""


def findings() -> "Folder":
    """Return the folder of findings; not cached, as git may change it at any time."""
    return Folder(Path(runs.settings().findings))


class Folder:
    def __init__(self, path: Path):
        self.path = path

    def all(self) -> list[FindingFile]:
        """The latest first, then what can't be read, by name."""
        files = sorted(self.path.glob(f"*{TOML}"))[:MOST] if self.path.is_dir() else []
        kept = [_read(file) for file in files]
        readable = [each for each in kept if each.finding is not None]
        return sorted(readable, key=lambda each: each.finding.created, reverse=True) + [
            each for each in kept if each.finding is None
        ]

    def thumbnail(self, slug: str) -> bytes | None:
        """PNG of a listed finding; None where there is none, or it is none."""
        file = self.path / f"{slug}{PNG}"
        try:
            if not file.is_file() or file.stat().st_size > LARGEST_PICTURE:  # a link to a device has no end
                return None
            content = file.read_bytes()
            with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
                return content if max(picture.size) <= 2 * SIDE else None
        except (OSError, ValueError, Image.DecompressionBombError):
            return None

    def add(self, finding: Finding, picture: bytes | None) -> str:
        """The slug that it got; one that is taken is never written over.

        OSError where it can't be written, or MOST are there.
        """
        make_folder(self.path)
        if sum(1 for _ in self.path.glob(f"*{TOML}")) >= MOST:
            raise OSError(f"it has {MOST:,} findings, as many as are listed; remove some")
        stem = claim(self.path, slug_of(finding.title), finding.to_toml())
        if picture is not None:
            publish(self.path / f"{stem}{PNG}", lambda file: file.write(thumbnail_of(picture)))
        return stem


def slug_of(title: str) -> str:
    """Return a title as a file name of lower-case letters, digits and dashes."""
    return slug(title, LONGEST_SLUG) or "finding"


def thumbnail_of(picture: bytes) -> bytes:
    """Return a picture scaled down to at most SIDE pixels, as PNG."""
    with opened(picture) as whole:
        small = whole.convert("RGB")
        small.thumbnail((SIDE, SIDE))
    return encoded(small, optimize=True)


def claim(folder: Path, slug: str, text: str) -> str:
    """Write the text under the first name that is free, and return the name.

    The file is linked, since a rename would replace one of that name.
    """
    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for number in range(1, MOST):
            name = slug if number == 1 else f"{slug}-{number}"
            with contextlib.suppress(FileExistsError):
                os.link(temporary, folder / f"{name}{TOML}")
                fsync_folder(folder)
                return name
        raise OSError(f"there are {MOST} findings named {slug!r} already")
    finally:
        temporary.unlink(missing_ok=True)


def _read(file: Path) -> FindingFile:
    try:
        if not file.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        facts = file.stat()
        return _read_once(file, facts.st_mtime_ns, facts.st_size)
    except (OSError, ValueError) as error:
        return FindingFile(file.stem, None, str(error))


@lru_cache(MOST)
def _read_once(file: Path, _changed: int, size: int) -> FindingFile:
    """Read a finding's file once for each time that it was changed: a search asks for all of them."""
    try:
        if size > LARGEST_TEXT:
            raise ValueError(f"it has more than {LARGEST_TEXT // 1024} KB")
        return FindingFile(file.stem, Finding.from_toml(file.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        return FindingFile(file.stem, None, "it is not UTF-8 text")
    except (OSError, ValueError) as error:
        return FindingFile(file.stem, None, str(error))
