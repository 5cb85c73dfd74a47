"""Where the members of a tar archive lie in it, told by its headers alone; nothing is unpacked.

Headers are read with Python's `tarfile`, but what they point to is bounded here: extended headers, which
`tarfile` reads whole, may claim any size.
"""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from compute.images.formats.signatures import HEAD
from compute.images.sources.items import Unread, reason_of
from compute.runtime.notices import notice

BLOCK = tarfile.BLOCKSIZE
MAX_EXTENDED = 2**20
"""Bytes of a long name, or of what else is said of one member."""

LONGEST_PATH = 4096
"""Letters of a path that an extended header says: no system has files with longer ones."""

LONG_NAME, LONG_LINK = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
OF_ONE = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
OF_ALL = tarfile.XGLTYPE
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
PATH, SIZE, SPARSE = "path", "size", "GNU.sparse"
"""What an extended header says that is heard; the last is how the names of all begin that tell of holes."""

SPARSE_MORE = (482, 504)
"""Where the first, and each further, header of a file with holes says whether another one follows."""


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    name: as text, odd letters escaped.
    offset, size: of its bytes in the archive.
    problem: why it is not read; None where it is.
    """

    name: str
    offset: int
    size: int
    problem: str | None = None


def members(archive: str) -> Iterator[Member]:
    """The files of an archive in order; folders and hidden files are left out.

    ValueError for what is no tar archive (a compressed one is none), or is damaged or cut short.
    """
    with open(archive, "rb", buffering=0) as file:
        yield from _members(file.fileno(), archive)


def read_member(archive: str, member: Member) -> bytes:
    """The bytes of a file in an archive; Unread where they are not there any more."""
    try:
        with open(archive, "rb", buffering=0) as file:
            return _read(file.fileno(), member.offset, member.size, f"{archive}: {member.name}")
    except OSError as error:
        raise Unread(reason_of(error), f"{archive} can't be read: {reason_of(error)}") from error


def head_of_member(archive: str, member: Member) -> bytes:
    """The first bytes of a file in an archive; none of one that is not read."""
    if member.problem is not None:
        return b""
    return read_member(archive, replace(member, size=min(HEAD, member.size)))


def _members(file: int, archive: str) -> Iterator[Member]:
    size, at = os.fstat(file).st_size, 0
    said: dict[str, str] = {}
    of_all: dict[str, str] = {}
    while True:
        if at == size:
            notice(f"{archive} has no end mark, as if it were cut short")
            return
        block = _read(file, at, BLOCK, archive)
        if block.count(0) == BLOCK:
            return
        header = _header(block, at, archive)
        at += BLOCK
        if header.type in (LONG_NAME, LONG_LINK, *OF_ONE, OF_ALL):
            content = _extended(file, at, header.size, archive)
            at += _padded(header.size)
            if header.type == LONG_NAME:
                said[PATH] = _text(content.split(b"\0")[0])
            elif header.type != LONG_LINK:
                (of_all if header.type == OF_ALL else said).update(_records(content, archive))
            continue
        if header.type == tarfile.GNUTYPE_SPARSE:
            at = _after_holes(file, at, block, archive)
        facts, said = of_all | said, {}
        length = _number(facts[SIZE], archive) if SIZE in facts else header.size
        if length < 0 or at + length > size:
            raise ValueError(
                f"{archive} is cut short: {_printable(facts.get(PATH, header.name))} is not whole"
            )
        found = _member(facts.get(PATH, header.name), header.type, facts, at, length)
        if found is not None:
            yield found
        at += _padded(length if header.type not in LINKS else 0)


def _member(name: str, kind: bytes, facts: dict[str, str], at: int, length: int) -> Member | None:
    path = PurePosixPath(name)
    if kind == tarfile.DIRTYPE or any(part.startswith(".") and part != ".." for part in path.parts):
        return None
    problem = None
    if kind in LINKS:
        problem = "it is a link in the archive, and links are not followed"
    elif kind == tarfile.GNUTYPE_SPARSE or SPARSE in facts:
        problem = "it is stored with holes in the archive, which is not supported"
    elif kind not in FILES:
        problem = "it is no ordinary file in the archive"
    elif path.is_absolute() or ".." in path.parts or not name.isprintable() or _is_odd(name):
        problem = "it has a name in the archive that no image should have"
    return Member(_printable(str(path)), at, length, problem)


def _header(block: bytes, at: int, archive: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        what = "is no tar archive (compressed ones must be unpacked to .tar)" if not at else "is damaged"
        raise ValueError(f"{archive} {what}: {error} at byte {at:,}") from error


def _extended(file: int, at: int, length: int, archive: str) -> bytes:
    if not 0 <= length <= MAX_EXTENDED:
        raise ValueError(f"{archive} is damaged: a header of {length:,} bytes at byte {at:,}")
    return _read(file, at, length, archive)


def _records(content: bytes, archive: str) -> dict[str, str]:
    """`LENGTH KEY=VALUE` lines of an extended header (POSIX.1-2001), those that matter here.

    A header of all files counts anew for each of them, so nothing else is kept.
    """
    found, at = {}, 0
    while at < len(content) and content[at]:
        length = _number(_text(content[at : content.find(b" ", at)]), archive)
        key, equals, value = content[at : at + length].partition(b" ")[2].rstrip(b"\n").partition(b"=")
        if length < 5 or at + length > len(content) or not equals:
            raise ValueError(f"{archive} is damaged: an extended header can't be read")
        name = SPARSE if key.startswith(SPARSE.encode()) else _text(key)
        if name in (PATH, SIZE, SPARSE):
            if len(value) > LONGEST_PATH:
                raise ValueError(f"{archive} is damaged: a {name} of {len(value):,} letters")
            found[name] = _text(value)
        at += length
    return found


def _after_holes(file: int, at: int, block: bytes, archive: str) -> int:
    """Where the bytes of a file with holes begin, which stand behind further headers."""
    more = block[SPARSE_MORE[0]]
    while more:
        more = _read(file, at, BLOCK, archive)[SPARSE_MORE[1]]
        at += BLOCK
    return at


def _read(file: int, at: int, length: int, where: str) -> bytes:
    parts, left = [], length
    while left:
        part = os.pread(file, left, at + length - left)
        if not part:
            raise Unread("its archive is cut short", f"{where} is cut short")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _number(text: str, archive: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"{archive} is damaged: {text[:20]!r} is no number of bytes")
    return int(text)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _is_odd(name: str) -> bool:
    """Whether a name is not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in name)


def _printable(name: str) -> str:
    """A name with its odd letters escaped, so that it can be said."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
