"""Finished live results, kept beside their store so that a link opens on them, also after a restart.

`<store>/results/<key>-<digest>.npz`: the key says what the result depends on (`live_request.Request.key`),
the digest what came out; so results of one request from two environments lie beside each other.
"""

import hashlib
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from compute.deviation import Sketch, sketch
from compute.method import Step
from compute.pictures import picture, png, resized, to_8_bit
from dashboard.shelf import Kept, Shelf

FOLDER = "results"
SUFFIX = ".npz"
ABOUT, THUMBNAIL, DATA, PICTURE = "about", "thumbnail", "data", "picture "
THUMBNAIL_SIDE = 160
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)

_KEY = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Result:
    """What a finished live job left: its last step, what it took, where it was computed.

    environment: see `compute.environment`. note: what went wrong in keeping it, for people.
    """

    step: Step
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def index(self) -> int:
        return self.step.index

    @property
    def total(self) -> int:
        return self.step.total

    @property
    def kind(self) -> str:
        return self.step.kind

    @property
    def data(self) -> np.ndarray:
        return self.step.data

    @property
    def pictures(self) -> Mapping[str, np.ndarray]:
        return self.step.pictures

    @property
    def numbers(self) -> Mapping[str, Any]:
        return self.step.numbers

    @property
    def score(self) -> float | None:
        return self.step.score

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the kind and every array's name, dtype, shape and bytes."""
        arrays = {DATA: self.data} | {PICTURE + name: each for name, each in sorted(self.pictures.items())}
        digest = hashlib.sha256(self.kind.encode())
        for name, array in arrays.items():
            digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @cached_property
    def sketch(self) -> Sketch:
        return sketch(self.data)


@dataclass(frozen=True)
class Entry:
    """A kept result, without its arrays. page, query: the view that it opens on. made: seconds since 1970."""

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


class ResultCache:
    """Methods may be called from many threads and processes at once."""

    def __init__(self, folder: Path, limit_bytes: int):
        self._shelf = Shelf(folder, limit_bytes)
        self._known: dict[tuple[str, int], dict] = {}

    @property
    def limit_bytes(self) -> int:
        return self._shelf.limit_bytes

    def get(self, key: str, digest: str = "") -> Result | None:
        """The result of this key that was used last (with `digest`: that one), None where there is none.
        A damaged file is as if it were not there."""
        for name in self._names(lambda its_key, its_digest: its_key == key and its_digest.startswith(digest)):
            if (result := self._load(name)) is not None:
                return result
        return None

    def find_digest(self, digest: str) -> Result | None:
        """A result whose digest begins like that, whatever its key."""
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
        """OSError where it can't be written; ValueError where it alone is over the limit.

        page, query: the view to open it by. facts: what the list says of it (method, image).
        """
        about = {
            "title": title,
            "made": time.time(),
            "page": page,
            "query": dict(query or {}),
            "facts": dict(facts or {}),
            "environment": dict(result.environment),
            "seconds": result.seconds,
            "step": _without_arrays(result.step),
        }
        content = _written(result.step, about)
        if len(content) > self.limit_bytes:
            raise ValueError(
                f"the result has {len(content) / 2**20:.1f} MB, more than all results may have together "
                f"({self.limit_bytes / 2**20:.0f} MB); start the dashboard with a larger --results-mb"
            )
        self._shelf.write(_name(key, result.digest), lambda file: file.write(content))

    def entries(self) -> list[Entry]:
        """Used last first; damaged files are not among them."""
        return list(self._entries())

    def thumbnail(self, entry: Entry) -> bytes | None:
        """PNG."""
        content = self._member(_name(entry.key, entry.digest), THUMBNAIL)
        return None if content is None else content.tobytes()

    def remove(self, key: str, digest: str = "") -> None:
        """All results of the key, or the one of `digest`. OSError where the store is read-only."""
        for name in self._names(lambda its_key, its_digest: its_key == key and its_digest.startswith(digest)):
            self._shelf.remove(name)

    def clear(self) -> None:
        for name in self._names(lambda *_: True):
            self._shelf.remove(name)

    def total_bytes(self) -> int:
        return sum(each.bytes for each in self._shelf.files())

    def _names(self, wanted) -> list[str]:
        names = [each.name for each in self._shelf.files()]
        return [name for name in names if (parts := _parts(name)) is not None and wanted(*parts)]

    def _entries(self) -> Iterator[Entry]:
        for each in self._shelf.files():
            parts, about = _parts(each.name), self._about(each)
            if parts is not None and about is not None:
                shown = {name: about[name] for name in ("title", "made", "page", "query", "facts", "environment")}
                yield Entry(*parts, each.bytes, each.used, **shown)

    def _about(self, file: Kept) -> dict | None:
        """Read once: a list of hundreds is drawn at every click."""
        if (file.name, file.bytes) not in self._known and (member := self._member(file.name, ABOUT)) is not None:
            self._known[file.name, file.bytes] = json.loads(member.tobytes())
        return self._known.get((file.name, file.bytes))

    def _member(self, name: str, member: str) -> np.ndarray | None:
        try:
            with np.load(self._shelf.folder / name, allow_pickle=False) as file:
                return file[member]
        except DAMAGED:
            return None

    def _load(self, name: str) -> Result | None:
        content = self._shelf.read(name)
        try:
            result = _read(content)
        except DAMAGED:
            return None
        return result if result.digest == _parts(name)[1] else None


def kept_beside(store: Path, limit_bytes: int) -> ResultCache:
    """The cache of a store."""
    return ResultCache(store / FOLDER, limit_bytes)


def _name(key: str, digest: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no result's key: 8 to 64 hexadecimal digits")
    return f"{key}-{digest}{SUFFIX}"


def _parts(name: str) -> tuple[str, str] | None:
    """Key and digest of a file name; None for any other file."""
    key, _, digest = name.removesuffix(SUFFIX).partition("-")
    return (key, digest) if name.endswith(SUFFIX) and _KEY.fullmatch(key) and _KEY.fullmatch(digest) else None


def _without_arrays(step: Step) -> dict[str, Any]:
    return {
        "index": step.index,
        "total": step.total,
        "kind": step.kind,
        "score": None if step.score is None else float(step.score),
        "numbers": dict(step.numbers),
    }


def _written(step: Step, about: Mapping[str, Any]) -> bytes:
    arrays = {DATA: step.data} | {PICTURE + name: each for name, each in step.pictures.items()}
    arrays[ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays[THUMBNAIL] = np.frombuffer(_thumbnail(step), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _thumbnail(step: Step) -> bytes:
    drawn = picture(step)
    drawn = np.stack([drawn] * 3, axis=2) if drawn.ndim == 2 else drawn[..., :3]
    return png(to_8_bit(resized(drawn / np.float32(255), THUMBNAIL_SIDE)))


def _read(content: bytes | None) -> Result:
    if content is None:
        raise ValueError("there is no such result")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        about = json.loads(file[ABOUT].tobytes())
        pictures = {name[len(PICTURE) :]: file[name] for name in file.files if name.startswith(PICTURE)}
        step = Step(**about["step"], data=file[DATA], pictures=pictures)
    return Result(step, about["seconds"], about["environment"])
