"""A run written anew, wherever to: `python copied_run.py FOLDER ADDRESS` does it in a process that may be
killed.
"""

import dataclasses
import sys

from featurestore.files.shard import Shard
from featurestore.layout import parse_shard_file
from featurestore.manifest import Manifest
from featurestore.reader import Run, Store
from featurestore.writing.opening import open_writer


def copy_run(run: Run, place, writer=None, **changed) -> Manifest:
    """By `writer`, or by a new one for the store at `place`; shards that are there stay. changed: fields of
    the manifest."""
    writer = writer or open_writer(place, run.fingerprint)
    for name, entry in run.manifest.files.items():
        if not writer.has_shard(*parse_shard_file(name)):
            writer.write_shard(*parse_shard_file(name), Shard(run.folder / name, entry).read())
    return writer.commit(fields_of(run) | changed)


def fields_of(run: Run) -> dict:
    """What `commit` takes."""
    by_commit = ("fingerprint", "files", "schema_version")
    fields = [each.name for each in dataclasses.fields(run.manifest) if each.name not in by_commit]
    return {name: getattr(run.manifest, name) for name in fields}


if __name__ == "__main__":
    copy_run(Store(sys.argv[1]).open(), sys.argv[2])
