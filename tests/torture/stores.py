"""The store that is tortured, and how to tell that it is whole. Children are forked with this imported."""

import multiprocessing
from pathlib import Path
from unittest import mock

import pyarrow as pa

from featurestore.layout import TEMPORARY
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writing import run_writer as writing
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import FIELDS, FINGERPRINT, full_run

THUMBNAIL_BYTES = 3_000
ROWS_PER_GROUP = 7
"""Few, so that each file has several row groups."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


def _with_thumbnails(rows: pa.Table) -> pa.Table:
    """Large ones, so that files have many blocks."""
    made = rows.to_pylist()
    for row in made:
        if row["thumbnail"] is not None:
            row["thumbnail"]["bytes"] *= THUMBNAIL_BYTES // len(row["thumbnail"]["bytes"])
    return pa.Table.from_pylist(made, TABLES["images"])


SHARDS = [
    (table, shard, _with_thumbnails(rows()) if table == "images" else rows())
    for table, shard, rows in full_run()
]
"""(table, shard, rows) of all that is in the run."""


def small_groups():
    """Around what writes in several threads, each of which would else put the number back for all."""
    return mock.patch.object(writing, "ROWS_PER_GROUP", ROWS_PER_GROUP)


def write(path: Path, fingerprint: str = FINGERPRINT) -> None:
    """What is missing of the run, and its commit; the same bytes each time."""
    with small_groups():
        writer = RunWriter(path, fingerprint)
        for table, shard, rows in SHARDS:
            if not writer.has_shard(table, shard):
                writer.write_shard(table, shard, rows)
        writer.commit(FIELDS)


def contents(path: Path) -> dict[str, bytes]:
    """Relative name -> bytes of every file below."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def half_visible(path: Path, whole: dict[str, bytes]) -> list[str]:
    """Runs that a reader sees though they are not the whole run; temporary files may be beside it."""
    seen = Store(path).runs() if (path / "runs").is_dir() else []
    found = {name: data for name, data in contents(path).items() if f"/{TEMPORARY}" not in name}
    return [run for run in seen if _of(run, found) != _of(run, whole)]


def _of(run, files):
    return {name: data for name, data in files.items() if name.startswith(f"runs/{run}/")}
