"""Places in an object store, `s3://bucket/prefix/...`."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from featurestore.objects import parts
from featurestore.objects.bucket import Bucket, open_bucket
from featurestore.objects.connection import Connection

SCHEME = "s3://"
DIGEST_BYTES = 32
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, eq=False)
class ObjectPath:
    """A place in a bucket, used as a `pathlib.Path` is: by the same names, but for what makes no sense there.

    It can't be opened as a file (there is no `__fspath__`). Raises Unavailable as `Bucket` does. What it
    says of folders and of `read_text` may be some seconds old (`Bucket.lately`); bytes never are.
    """

    bucket: Bucket
    key: str = ""

    @classmethod
    def parse(cls, address: str) -> "ObjectPath":
        """ValueError for anything but s3://bucket or s3://bucket/prefix."""
        name, _, key = address.removeprefix(SCHEME).rstrip("/").partition("/")
        if not address.startswith(SCHEME) or not _BUCKET.fullmatch(name):
            raise ValueError(f"{address!r} is no address in object storage, such as s3://bucket/prefix")
        if not all(part not in ("", ".", "..") and part.isprintable() for part in key.split("/") if key):
            raise ValueError(f"{address!r} has an empty part, a dot or an odd letter in its prefix")
        return cls(open_bucket(name, Connection.of_environment()), key)

    def __str__(self) -> str:
        return self.bucket.address(self.key)

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and self.bucket is other.bucket and self.key == other.key

    def __hash__(self) -> int:
        return hash((id(self.bucket), self.key))

    def __truediv__(self, name: str) -> "ObjectPath":
        return ObjectPath(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        """Its last part: the bucket's name at the top."""
        return self.key.rpartition("/")[2] or self.bucket.name

    @property
    def parent(self) -> "ObjectPath":
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    @property
    def parents(self) -> tuple["ObjectPath", ...]:
        return (self.parent, *self.parent.parents) if self.key else ()

    def resolve(self) -> "ObjectPath":
        return self

    def is_file(self) -> bool:
        """Asked anew each time."""
        try:
            self.bucket.open(self.key).close()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is anything below."""
        return bool(
            self.bucket.lately(self.bucket.folders, self.key)
            or self.bucket.lately(self.bucket.objects, self.key, False)
        )

    def folders(self) -> list[str]:
        """Names of the folders in it, sorted."""
        return self.bucket.lately(self.bucket.folders, self.key)

    def iterdir(self) -> Iterator["ObjectPath"]:
        names = [each.key.rpartition("/")[2] for each in self.bucket.objects(self.key, False)]
        return (self / name for name in [*self.bucket.folders(self.key), *names])

    def read_bytes(self) -> bytes:
        """The whole object. FileNotFoundError where there is none."""
        return self.bucket.read(self.key)

    def read_kept(self) -> bytes:
        """As `read_bytes`; from this machine's disk where the object is the one that was read before."""
        tag = self.bucket.etag(self.key)
        if not tag:
            return self.read_bytes()
        name = hashlib.sha256(f"{self.bucket.connection} {self} {tag}".encode()).hexdigest()
        found = parts.get(name, _is_whole)
        if found is not None:
            return found[DIGEST_BYTES:]
        content = self.read_bytes()
        parts.put(name, hashlib.sha256(content).digest() + content)
        return content

    def read_text(self, errors: str = "strict") -> str:
        return self.bucket.lately(self.bucket.read, self.key).decode(errors=errors)

    def loaded(self) -> "LoadedObject":
        """The same place, its bytes fetched now and once."""
        return LoadedObject(self.bucket, self.key, self.read_bytes())


def _is_whole(content: bytes) -> bool:
    """Of bytes behind their digest."""
    return hashlib.sha256(content[DIGEST_BYTES:]).digest() == content[:DIGEST_BYTES]


@dataclass(frozen=True, eq=False)
class LoadedObject(ObjectPath):
    """A place whose bytes are in memory."""

    content: bytes = b""

    def is_file(self) -> bool:
        return True

    def read_bytes(self) -> bytes:
        return self.content
