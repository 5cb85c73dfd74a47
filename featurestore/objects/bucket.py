"""A bucket, as far as it is read: by pyarrow alone, which is there anyway."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa

from featurestore.errors import Unavailable
from featurestore.objects.connection import ATTEMPTS, CONNECT_SECONDS, SILENCE_SECONDS, Connection

Answer = TypeVar("Answer")

FRESH_SECONDS = 5
"""For so long, an answer about what may change (which runs there are, which is current) is given again."""


@dataclass(frozen=True)
class Listed:
    """An object in a listing. written: seconds since 1970."""

    key: str
    bytes: int
    written: float


class Bucket:
    """Keys are without a slash at either end. Every method raises Unavailable, naming the place, where the
    server can't be reached or refuses; it is thread-safe."""

    def __init__(self, name: str, connection: Connection):
        self.name, self.connection = name, connection
        self._answers: dict[tuple, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def address(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}".rstrip("/")

    def open(self, key: str) -> pa.NativeFile:
        """For reading ranges, a request each. FileNotFoundError where there is no such object."""
        with self.connection.explained(self.address(key)):
            return self._files.open_input_file(self._path(key))

    def read(self, key: str) -> bytes:
        """The whole object. FileNotFoundError as above."""
        with self.connection.explained(self.address(key)), self.open(key) as file:
            return file.readall()

    def etag(self, key: str) -> str:
        """What changes with the bytes; "" where the server doesn't say. FileNotFoundError as above."""
        with self.connection.explained(self.address(key)), self.open(key) as file:
            return (file.metadata() or {}).get("ETag", b"").decode().strip('"')

    def exists(self, key: str) -> bool:
        """Whether there is an object, or are objects below it."""
        with self.connection.explained(self.address(key)):
            return self._files.get_file_info(self._path(key)).type != self._fs.FileType.NotFound

    def folders(self, key: str) -> list[str]:
        """Names right below the key that have objects below them, sorted."""
        found = self._list(key, recursive=False)
        return sorted(each.base_name for each in found if each.type == self._fs.FileType.Directory)

    def folders_with(self, key: str, name: str) -> list[str]:
        """Those of the `folders` that have an object of this name right below."""
        folders = self.folders(key)
        with ThreadPoolExecutor(8) as pool:
            there = list(pool.map(lambda folder: self.exists(f"{key}/{folder}/{name}".lstrip("/")), folders))
        return [folder for folder, has in zip(folders, there, strict=True) if has]

    def objects(self, key: str, below: bool = True) -> list[Listed]:
        """Those right below the key and, with `below`, all further down; sorted by key."""
        found = self._list(key, recursive=below)
        return sorted(
            (
                Listed(each.path.removeprefix(f"{self.name}/"), each.size, each.mtime_ns / 1e9)
                for each in found
                if each.type == self._fs.FileType.File
            ),
            key=lambda each: each.key,
        )

    def check(self) -> None:
        """Unavailable where there is no such bucket."""
        if not self.exists(""):
            raise Unavailable(f"{self.address()}: there is no such bucket on {self.connection}")

    def lately(self, question: Callable[..., Answer], *arguments: Any) -> Answer:
        """What `question(*arguments)` answered, or raised, less than FRESH_SECONDS ago; else it is asked."""
        key = (question.__name__, *arguments)
        with self._lock:
            asked, answer = self._answers.get(key, (-FRESH_SECONDS, None))
        if time.monotonic() - asked >= FRESH_SECONDS:
            try:
                answer = question(*arguments)
            except (Unavailable, FileNotFoundError) as error:
                answer = error
            with self._lock:
                self._answers[key] = time.monotonic(), answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def forget(self) -> None:
        """What was answered: something has changed."""
        with self._lock:
            self._answers.clear()

    def _list(self, key: str, recursive: bool) -> list:
        selector = self._fs.FileSelector(self._path(key), allow_not_found=True, recursive=recursive)
        with self.connection.explained(self.address(key)):
            return self._files.get_file_info(selector)

    def _path(self, key: str) -> str:
        return f"{self.name}/{key}".rstrip("/")

    @cached_property
    def _fs(self) -> ModuleType:
        """Imported late: a process that reads folders alone must not start Amazon's library."""
        from pyarrow import fs

        return fs

    @cached_property
    def _files(self) -> Any:
        fs, endpoint = self._fs, urlsplit(self.connection.endpoint)
        region = self.connection.region
        with self.connection.explained(self.address()):
            patience = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
            return fs.S3FileSystem(
                region=region or fs.resolve_s3_region(self.name),
                endpoint_override=endpoint.netloc or None,
                scheme=endpoint.scheme or "https",
                connect_timeout=CONNECT_SECONDS,
                request_timeout=SILENCE_SECONDS,
                retry_strategy=patience,
                tls_ca_file_path=self.connection.authorities or None,
            )


@lru_cache(64)
def open_bucket(name: str, connection: Connection) -> Bucket:
    """One for all who ask."""
    return Bucket(name, connection)
