"""Everything that can be checked of a store: each byte, each schema, each reference between tables.

A check never stops at the first fault: it returns a list of findings, empty where all is well.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from featurestore.errors import Damaged
from featurestore.files import vector_cache
from featurestore.files.shard import Shard, describe, sha256
from featurestore.layout import BESIDE_RUNS, CURRENT, MANIFEST, RUNS, parse_shard_file, table_of
from featurestore.manifest import FileEntry, read_manifest
from featurestore.places import Place, beside
from featurestore.reader import Run, Store
from featurestore.schemas import ADDED_TABLES, NETWORK_WIDTHS, SORT_KEYS, TABLES, schema, without_optional
from featurestore.upkeep.references import CHECKS
from featurestore.writing.run_writer import check_sorted, out_of_order


@dataclass(frozen=True)
class Fault:
    """`where`: a path within the store, or a table of a run; `what` is wrong there."""

    where: str
    what: str


def verify(path: str | os.PathLike | Place, fingerprint: str | None = None) -> list[Fault]:
    """Findings of all committed runs, or of one. ValueError where `path` is no store or the run not there."""
    store = Store(path)
    if fingerprint is not None:
        return _verify_run(store.open(fingerprint).folder)
    findings = _verify_top(store)
    for name in store.runs():
        findings += _verify_run(store.path / RUNS / name)
    return findings


def _verify_top(store: Store) -> list[Fault]:
    findings = [
        Fault(entry.name, "unknown file")
        for entry in _entries(store.path)
        if entry.name not in (CURRENT, RUNS, *BESIDE_RUNS)
    ]
    findings += [
        Fault(f"{RUNS}/{entry.name}", "unknown file")
        for entry in _entries(store.path / RUNS)
        if not entry.is_dir()
    ]
    try:
        store.current()
    except ValueError as error:
        findings.append(Fault(CURRENT, str(error)))
    return findings


def _verify_run(folder: Place) -> list[Fault]:
    place = f"{RUNS}/{folder.name}"
    try:
        manifest = read_manifest(folder, anew=True)
    except ValueError as error:
        return [Fault(f"{place}/{MANIFEST}", str(error))]
    findings = [
        Fault(f"{place}/{entry.name}", "unknown file: not in the manifest")
        for entry in _entries(folder)
        if entry.name not in {MANIFEST, *manifest.files} and not _is_to_come(entry.name)
    ]
    damaged = set()
    for name, entry in manifest.files.items():
        faults = _file_faults(folder / name, entry)
        damaged |= {table_of(name)} if faults else set()
        findings += [Fault(f"{place}/{name}", fault) for fault in faults]
    findings += [Fault(f"{place}/{MANIFEST}", fault) for fault in out_of_order(manifest)]
    run = Run(folder)
    for check in CHECKS:
        if damaged.isdisjoint(check.tables) and set(check.tables) <= set(run.tables()):
            with suppress(Damaged):  # of a table that it reads where there is one: that is a finding already
                findings += [Fault(f"{place}: {check.tables[0]}", fault) for fault in check.faults(run)]
    if "features" in run.tables() and "features" not in damaged:
        cache = vector_cache.cache_path(run).relative_to(beside(folder.parents[1]))
        findings += [Fault(str(cache), fault) for fault in vector_cache.faults(run)]
    return findings


def _is_to_come(name: str) -> bool:
    """Whether it is a file of a table that a command adds to the run, and commits when it is through.

    A killed one leaves it, and goes on with it.
    """
    parsed = parse_shard_file(name)
    return parsed is not None and parsed[0] in ADDED_TABLES


def _entries(folder: Place) -> list[Place]:
    return sorted(folder.iterdir(), key=lambda entry: entry.name)


def _file_faults(path: Place, entry: FileEntry) -> list[str]:
    """What is wrong with a file as such: its bytes, its pages, its schema, its order."""
    if not path.is_file():
        is_there = isinstance(path, Path) and path.exists()
        return ["it is no file" if is_there else "file is missing"]
    if not isinstance(path, Path):
        path = path.loaded()
    faults = [] if sha256(path) == entry.sha256 else ["checksum (SHA-256) differs from the manifest"]
    try:
        shard = Shard(path, entry)
    except Damaged as error:
        return [*faults, str(error)]
    for group in range(len(entry.row_groups)):
        try:
            shard.read_group(group)
        except Damaged as error:
            faults.append(str(error))
    return faults or _content_faults(path, entry, shard)


def _content_faults(path: Place, entry: FileEntry, shard: Shard) -> list[str]:
    table = table_of(path.name)
    if table not in TABLES:
        return [f"unknown table {table!r}"]
    faults = []
    if describe(path, SORT_KEYS[table]) != entry:
        faults.append("row groups differ from the manifest")
    vector = NETWORK_WIDTHS.get(table)
    width = shard.schema.field(vector).type.list_size if vector else None
    if not shard.schema.equals(without_optional(table, schema(table, width), shard.schema.names)):
        faults.append(f"columns or types differ from those of table {table!r}")
    try:
        check_sorted(shard.read(list(SORT_KEYS[table])), SORT_KEYS[table], path.name)
    except (ValueError, pa.ArrowException) as error:
        faults.append(str(error))
    return faults
