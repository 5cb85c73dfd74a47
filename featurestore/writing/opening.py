"""Whoever writes a run, wherever its store is."""

import os

from featurestore.objects.changes import Changes
from featurestore.objects.path import ObjectPath
from featurestore.objects.writer import ObjectRunWriter
from featurestore.places import Place, place
from featurestore.writing.run_writer import RunWriter


def open_writer(store: str | os.PathLike | Place, fingerprint: str) -> RunWriter | ObjectRunWriter:
    """Open the writer of a run; ValueError where object storage can't be written to."""
    where = place(store)
    if isinstance(where, ObjectPath):
        return ObjectRunWriter(where, fingerprint)
    return RunWriter(where, fingerprint)


def check_writable(store: ObjectPath) -> None:
    """Raise ValueError where a store in object storage could not be written to, as far as can be told."""
    Changes(store.bucket)
    store.bucket.check()
