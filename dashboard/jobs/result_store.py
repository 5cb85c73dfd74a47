"""Finished live results, kept beside their store so that a link opens on them, also after a restart.

`<store>/results/<key>-<digest>.npz`: the key says what the result depends on (`Request.key`), the digest what
came out; so results of one request from two environments lie beside each other.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard.data import runs
from dashboard.jobs.result import ABOUT, THUMBNAIL, Result, arrays_of, from_file, to_file
from featurestore.files.disk_cache import CachedFile, DiskCache

FOLDER, SUFFIX = "results", ".npz"

MOST_RESULTS = 4096
"""Kept beside a store: to find one, all are listed."""

LATEST = 2**33
"""Seconds since 1970, in the year 2242: what is said to be made later, is not."""

_KEY = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Entry:
    """A kept result, without its arrays.

    key: of its request
    digest: of its arrays
    bytes: size of its file
    used, made: when, in seconds since 1970
    title: for people
    page, query: the view that shows it
    facts: what the list says of it (method, image)
    environment: see `compute.runtime.environment`
    """

    key: str
    digest: str
    bytes: int
    used: float
    title: str
    made: float
    page: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def results(store: str) -> "ResultCache":
    """Return the finished live results that are kept beside the store of this listed name."""
    return _results(str(runs.folder_beside(store)))


@st.cache_resource(show_spinner=False)
def _results(folder: str) -> "ResultCache":
    return kept_beside(Path(folder), runs.settings().results_mb * 2**20)


class ResultCache:
    """The results kept beside one store; many threads and processes may use it at once."""

    def __init__(self, folder: Path, limit_bytes: int):
        self._files = DiskCache(folder, limit_bytes, most_files=MOST_RESULTS)
        self._known: dict[CachedFile, dict | None] = {}

    @property
    def limit_bytes(self) -> int:
        return self._files.limit_bytes

    def get(self, key: str, digest: str = "") -> Result | None:
        """Return the result of this key that was used last, or the one of `digest`; None where there is none.

        A damaged file is as if it were not there.
        """
        for name in self._names(lambda its_key, its_digest: its_key == key and its_digest.startswith(digest)):
            if (result := self._load(name)) is not None:
                self._files.touch(name)
                return result
        return None

    def find_digest(self, digest: str) -> Result | None:
        """Return a result whose digest begins like that, whatever its key; None where there is none."""
        for name in self._names(lambda _, its_digest: bool(digest) and its_digest.startswith(digest)):
            if (result := self._load(name)) is not None:
                return result
        return None

    def put(
        self,
        key: str,
        title: str,
        result: Result,
        *,
        page: str = "",
        query: Mapping[str, str] | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Keep a result.

        title: for people
        page, query: the view that shows it
        facts: what the list says of it (method, image)

        OSError where it can't be written; ValueError where it alone is over the limit.
        """
        about = {
            "title": title,
            "made": time.time(),
            "page": page,
            "query": dict(query or {}),
            "facts": dict(facts or {}),
        }
        content = to_file(result, about)
        if len(content) > self.limit_bytes:
            raise ValueError(
                f"the result has {len(content) / 2**20:.1f} MB, more than all results may have together "
                f"({self.limit_bytes / 2**20:.0f} MB); start the dashboard with a larger --results-mb"
            )
        self._files.put(_name(key, result.digest), content)

    def entries(self) -> list[Entry]:
        """Return all results, the last used one first; damaged files are left out."""
        return list(self._entries())

    def thumbnail(self, entry: Entry) -> bytes | None:
        """Return the picture of a result as PNG; None where the file is gone or damaged."""
        content = self._member(_name(entry.key, entry.digest), THUMBNAIL)
        return None if content is None else content.tobytes()

    def remove(self, key: str, digest: str = "") -> None:
        """Remove all results of the key, or the one of `digest`. OSError where the store is read-only."""
        for name in self._names(lambda its_key, its_digest: its_key == key and its_digest.startswith(digest)):
            self._files.remove(name)

    def clear(self) -> None:
        """Remove all results. OSError where the store is read-only."""
        for name in self._names(lambda *_: True):
            self._files.remove(name)

    def total_bytes(self) -> int:
        """Return the size of all results together."""
        return self._files.total_bytes()

    def _names(self, wanted: Callable[[str, str], bool]) -> list[str]:
        names = [each.name for each in self._files.files()]
        return [name for name in names if (parts := _parts(name)) is not None and wanted(*parts)]

    def _entries(self) -> Iterator[Entry]:
        # A list of hundreds is drawn at every click: only what was written or used since is read again.
        self._known = {each: self._about(each) for each in self._files.files()}
        for each, about in self._known.items():
            parts = _parts(each.name)
            if parts is not None and about is not None:
                yield Entry(*parts, each.bytes, each.used, **about)

    def _about(self, file: CachedFile) -> dict | None:
        known = self._known.get(file)
        if known is not None:
            return known
        member = self._member(file.name, ABOUT)
        return None if member is None else _about(member.tobytes())

    def _member(self, name: str, member: str) -> np.ndarray | None:
        try:
            with open(self._files.folder / name, "rb") as file, arrays_of(file) as arrays:
                return arrays[member]
        except Exception:  # Whatever a damaged file makes zipfile and NumPy say.
            return None

    def _load(self, name: str) -> Result | None:
        content = self._files.read(name)
        try:
            result = None if content is None else from_file(content)
        except Exception:  # As above.
            return None
        return result if result is not None and result.digest == _parts(name)[1] else None


def kept_beside(store: Path, limit_bytes: int) -> ResultCache:
    """Return the results beside the store in this folder."""
    return ResultCache(store / FOLDER, limit_bytes)


def _about(content: bytes) -> dict | None:
    """What a file says of its result, by the names of `Entry`; None where it is of no result's kind."""
    try:
        said = json.loads(content)
        found = {name: said[name] for name in ("title", "made", "page", "query", "facts", "environment")}
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    texts, groups = (found["title"], found["page"]), (found["query"], found["facts"], found["environment"])
    is_of_kind = (
        all(isinstance(each, str) for each in texts)
        and all(isinstance(each, dict) and _holds_texts(each) for each in groups)
        and isinstance(found["made"], int | float)
        and 0 <= found["made"] < LATEST
    )
    return found if is_of_kind else None


def _holds_texts(group: dict) -> bool:
    return all(isinstance(value, str | int | float | None) for value in group.values())


def _name(key: str, digest: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no result's key: 8 to 64 hexadecimal digits")
    return f"{key}-{digest}{SUFFIX}"


def _parts(name: str) -> tuple[str, str] | None:
    """Key and digest of a file name; None for any other file."""
    key, _, digest = name.removesuffix(SUFFIX).partition("-")
    return (key, digest) if name.endswith(SUFFIX) and _KEY.fullmatch(key) and _KEY.fullmatch(digest) else None
