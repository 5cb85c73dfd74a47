"""Code of the operator's own that live methods may run: one function of one file, as that file was when the
server started.

A store names the code that made its network, and a store may be somebody else's. So only what the command
line named runs: that file, by the path that was trusted and with the bytes that it had then, and that
function. Of a file that was named without one, it is what the operator made stores with
(`compute.cli.own_functions`).
"""

import dataclasses
import os
import shlex
import sys
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from compute.cli.own_functions import noted_of
from compute.models.source_files import sha256_of, source_of
from dashboard.settings import Settings, find_stores
from featurestore.errors import make_argument

SUFFIX = ".py"
PROGRAM = Path(__file__).resolve().parents[2]
"""Where the packages of this program lie: in a clone, the folder that it is started in."""


class Code(NamedTuple):
    """model: "FILE.py:FUNCTION" with a whole path, or "MODULE:FUNCTION". sha256: of the file; None where it
    was not looked at when the server started."""

    model: str
    sha256: str | None


def pinned(settings: Settings) -> Settings:
    """Return the settings with whole paths of the trusted files, links followed, and their SHA-256 now.

    ValueError for what is none of FILE.py, FILE.py:FUNCTION and MODULE:FUNCTION, and without such a file.
    """
    trusted = [_whole(each) for each in settings.trusted]
    return dataclasses.replace(
        settings, trusted=tuple(trusted), trusted_sha256=tuple(sha256_of(_file_of(each)) for each in trusted)
    )


def take_no_modules_from_stores(settings: Settings) -> None:
    """Leave the folders of stores out of those that Python finds modules in.

    `python -m` looks first in the folder that it was started in. Where that is one of stores, a store named
    as a module that is imported later would be run in its place.
    """
    stores = [each for each in find_stores(settings.stores).values() if isinstance(each, Path)]
    places = {Path(each).resolve() for each in settings.stores} | {*stores, *(each.parent for each in stores)}
    sys.path[:] = [each for each in sys.path if Path(each).resolve() not in places - {PROGRAM}]


def said(settings: Settings) -> list[str]:
    """Return a line for each trusted file: which function of it, and its SHA-256."""
    lines = []
    for each, sha256 in zip(settings.trusted, settings.trusted_sha256, strict=True):
        file, function = _split(each)
        own = ", ".join(noted_of(Path(file)))
        otherwise = f"what you made stores with: {own or f'none yet, name one as {file}:FUNCTION'}"
        lines.append(f"trusted code: {file}, {function or otherwise} (SHA-256 {sha256})")
    return lines


def trusted(model: str, settings: Settings) -> Code:
    """Return the code to run for what a store names; ValueError, with what to do, where it is not trusted."""
    place, _, function = model.rpartition(":")
    is_file = place.endswith(SUFFIX)
    asked = os.path.realpath(place) if is_file else place
    known: list[str] = []
    for each, sha256 in zip_longest(settings.trusted, settings.trusted_sha256):
        named, only = _split(each)
        named = os.path.realpath(named) if named.endswith(SUFFIX) else named
        if named != asked:
            continue
        known += [only] if only else noted_of(Path(named))
        if function in known:
            return Code(f"{named}:{function}", sha256)
    advice = (
        f"If you trust it, start the dashboard with `--trust-model {shlex.quote(model)}` "
        f"(make dashboard {make_argument('TRUST', model)})"
    )
    if known:
        raise ValueError(
            f"live methods would run {function} of {place}, and of that file the dashboard was started to "
            f"trust {', '.join(known)}. {advice}"
        )
    raise ValueError(f"live methods would run {model}, code of your own. {advice}")


def _split(named: str) -> tuple[str, str]:
    """Return file or module, and function; "" where none is named."""
    if named.endswith(SUFFIX):
        return named, ""
    place, _, function = named.rpartition(":")
    return place, function


def _whole(named: str) -> str:
    place, function = _split(named)
    if not place or (not function and not place.endswith(SUFFIX)):
        raise ValueError(f"--trust-model {named!r} is none of FILE.py:FUNCTION, FILE.py and MODULE:FUNCTION")
    if not place.endswith(SUFFIX):
        return named
    if not Path(place).is_file():
        raise ValueError(f"--trust-model {named!r}: there is no file {place!r}")
    whole = str(Path(place).resolve())
    return f"{whole}:{function}" if function else whole


def _file_of(named: str) -> Path:
    place = _split(named)[0]
    return Path(place) if place.endswith(SUFFIX) else source_of(place)
