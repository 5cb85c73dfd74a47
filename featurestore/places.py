"""Where a store is: in a folder, or in object storage. What differs between the two is asked here."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa

from featurestore.objects.parts import local_root
from featurestore.objects.path import SCHEME, ObjectPath

Place = Path | ObjectPath


def place(where: str | os.PathLike | ObjectPath) -> Place:
    """Return the place that an address or a path names; ValueError for a malformed address, or none."""
    if isinstance(where, ObjectPath):
        return where
    if isinstance(where, str) and not where.strip():
        raise ValueError(f"{where!r} names no store: it must be a folder, or s3://bucket/prefix")
    return ObjectPath.parse(where) if isinstance(where, str) and where.startswith(SCHEME) else Path(where)


def beside(store: Place) -> Path:
    """Return the folder on this machine for what is kept beside a store.

    It is the store's own, or a local one for a store in object storage.
    """
    if isinstance(store, Path):
        return store
    address = f"{store.bucket.connection} {store}"
    return local_root() / f"{store.name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def folders_with(folder: Place, name: str) -> list[str]:
    """Return the sorted names of the folders in it that hold a file of this name."""
    if isinstance(folder, Path):
        return sorted(path.parent.name for path in folder.glob(f"*/{name}"))
    return folder.bucket.lately(folder.bucket.folders_with, folder.key, name)


def folder_names(folder: Place) -> set[str]:
    if isinstance(folder, Path):
        return {path.name for path in folder.iterdir() if path.is_dir()}
    return set(folder.folders())


def read_whole(path: Place) -> bytes:
    """Read all of a file; an object is fetched only if it has changed. FileNotFoundError without one."""
    return path.read_bytes() if isinstance(path, Path) else path.read_kept()


def version(path: Place) -> str:
    """Return what changes once a file is written anew, some seconds later in object storage.

    "" where the server of an object doesn't say. FileNotFoundError without a file.
    """
    if isinstance(path, Path):
        return str(path.stat().st_mtime_ns)
    return path.bucket.lately(path.bucket.etag, path.key)


def open_source(path: Place) -> pa.NativeFile:
    """Open a file that is read all over; an object is fetched whole. OSError where there is none."""
    if not isinstance(path, Path):
        return pa.BufferReader(path.read_bytes())
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError("it is no file")
    return pa.OSFile(str(path))
