"""Writing a run: shards in any order, from any number of processes, then one commit.

A shard is written to a temporary name, fsynced, renamed, and its folder fsynced; the manifest comes last in
the same way, and then CURRENT. So a run that has a manifest is complete, at every moment and after a crash.
The same rows give the same bytes, so two writers of one run can only agree.
"""

import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from featurestore.errors import Damaged
from featurestore.files import locks
from featurestore.files.atomic import make_folder, publish, remove_left_overs
from featurestore.files.shard import describe, sha256
from featurestore.layout import CURRENT, MANIFEST, parse_shard_file, run_folder, shard_file, table_of
from featurestore.manifest import FileEntry, Manifest, read_manifest
from featurestore.schemas import ROWS_PER_GROUP, SHORT_ROWS, SORT_KEYS, check_table, conform


class RunWriter:
    """Writes runs/<fingerprint>/ of the store at `store_path`; both are made where missing."""

    def __init__(self, store_path: str | os.PathLike, fingerprint: str):
        self.store_path, self.fingerprint = Path(store_path), fingerprint
        self.folder = run_folder(self.store_path, fingerprint)
        self.address = str(self.store_path.resolve())
        self._share_folder()
        remove_left_overs(self.folder)

    def committed(self) -> Manifest | None:
        """The manifest as it is now; None where there is none. ValueError where it can't be read."""
        try:
            return read_manifest(self.folder)
        except FileNotFoundError:
            return None

    def damaged(self) -> list[str]:
        """Names of files that are not as they were committed, or, not committed yet, can't be read back.

        A manifest that is damaged, or of another schema version, is one of them; nothing is committed then.
        """
        try:
            found, entries = [], self._committed_files()
        except ValueError:
            found, entries = [MANIFEST], {}
        found += [name for name, entry in entries.items() if not self._is_as_committed(name, entry)]
        others = [name for name in self._shard_files() if name not in entries]
        return found + [name for name in others if not self._is_readable(name)]

    def drop_damaged(self) -> list[str]:
        """Makes `has_shard` say no of all that is `damaged`, and returns their names.

        Committed files stay until they are written again: their sound row groups can be read meanwhile.
        Without its manifest the run is unfinished.
        """
        names = self.damaged()
        entries = {} if MANIFEST in names else self._committed_files()
        for name in names:
            if name not in entries:
                (self.folder / name).unlink()
        return names

    def has_shard(self, table: str, shard: int) -> bool:
        """Whether the shard is there; where the run is committed, with the bytes it was committed with."""
        name = shard_file(check_table(table), shard)
        entry = self._committed_files().get(name)
        return (self.folder / name).is_file() if entry is None else self._is_as_committed(name, entry)

    def write_shard(self, table: str, shard: int, rows: pa.Table) -> None:
        """Write one shard, or replace it.

        `rows` has the columns of the table (`schemas.TABLES`) and is sorted by its `SORT_KEYS`, no key twice;
        ValueError otherwise. Sort keys ascend from shard to shard too (checked by `commit`).
        """
        name = shard_file(check_table(table), shard)
        rows = conform(table, rows)
        check_sorted(rows, SORT_KEYS[table], name)
        group = ROWS_PER_GROUP * SHORT_ROWS.get(table, 1)
        publish(self.folder / name, lambda file: _write_parquet(rows, group, file))

    def file(self, table: str, shard: int) -> Path:
        """Where a shard that is there lies on this machine."""
        return self.folder / shard_file(check_table(table), shard)

    def give(self, name: str) -> None:
        """Lets writers of this run on other machines `take` a file of its folder that is no shard: here they
        see the same folder."""

    def take(self, name: str) -> Path:
        """Where such a file lies on this machine, if there is one."""
        return self.folder / name

    def take_back(self, folder: str) -> None:
        """Nobody needs the files of this folder in the run's own any more; who has them here, removes them
        here.
        """

    def leave(self) -> None:
        """Nothing further is written here by this writer; others go on. What only it needed goes."""

    def commit(self, manifest_fields: Mapping[str, Any]) -> Manifest:
        """Publish the run: read back and checksum every shard, write the manifest, then CURRENT.

        manifest_fields: the fields of `Manifest` except fingerprint, files and schema_version. A committed
        run may be committed again with further tables; ValueError where one of its files has changed.
        """
        manifest = self.draft(manifest_fields)
        # One writer at a time, or the tables that another one adds meanwhile would be lost.
        with locks.in_turn(self.folder.parent):
            while self._has_gained(manifest):
                manifest = self.draft(manifest_fields)
            self._check_unchanged(manifest)
            publish(self.folder / MANIFEST, lambda file: file.write(manifest.to_bytes()))
            publish(
                self.store_path / CURRENT,
                lambda file: file.write(f"{self.fingerprint}\n".encode()),
                scratch=self.folder,
            )
        return manifest

    def draft(self, manifest_fields: Mapping[str, Any]) -> Manifest:
        """What `commit` would publish, every shard read back and checksummed."""
        files = {name: self._describe(name) for name in self._shard_files()}
        manifest = _manifest(self.fingerprint, manifest_fields, files)
        _check_tables(self.folder, manifest)
        return manifest

    def release(self) -> None:
        """Ends its share of the lock on the folder."""
        self._sharing()

    def _share_folder(self) -> None:
        """For as long as this writer lives. It is made anew where `prune` removes it at the same time."""
        while True:
            make_folder(self.folder)
            with suppress(FileNotFoundError):
                self._sharing = weakref.finalize(self, os.close, locks.shared(self.folder))
                return

    def _describe(self, name: str) -> FileEntry:
        """The file's entry. A damaged file is removed, or every later commit would fail on it."""
        try:
            return describe(self.folder / name, SORT_KEYS[check_table(table_of(name))])
        except Damaged as error:
            (self.folder / name).unlink()
            raise Damaged(f"{error}; it is removed: write it again") from error

    def _is_readable(self, name: str) -> bool:
        try:
            describe(self.folder / name, SORT_KEYS[check_table(table_of(name))])
        except ValueError:
            return False
        return True

    def _is_as_committed(self, name: str, entry: FileEntry) -> bool:
        path = self.folder / name
        return path.is_file() and path.stat().st_size == entry.bytes and sha256(path) == entry.sha256

    def _shard_files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if parse_shard_file(path.name))

    def _committed_files(self) -> Mapping[str, FileEntry]:
        manifest = self.committed()
        return {} if manifest is None else manifest.files

    def _has_gained(self, manifest: Manifest) -> bool:
        """Whether files are committed that came after this draft of the manifest."""
        return any((self.folder / name).is_file() for name in self._committed_files().keys() - manifest.files)

    def _check_unchanged(self, manifest: Manifest) -> None:
        for name, entry in self._committed_files().items():
            if manifest.files.get(name) != entry:
                raise ValueError(
                    f"run {self.fingerprint} is committed with other bytes in {name}; "
                    f"delete {self.folder} to compute it anew"
                )


def check_sorted(rows: pa.Table, keys: tuple[str, ...], name: str) -> None:
    """ValueError where rows are not in strictly ascending order of `keys`."""
    count = len(rows)
    if count < 2:
        return
    equal = np.ones(count - 1, bool)
    for key in keys:
        column = rows[key].combine_chunks()
        before, after = column.slice(0, count - 1), column.slice(1)
        _refuse(equal & _numpy(pc.greater(before, after)), name, keys, "out of order")
        equal &= _numpy(pc.equal(before, after))
    _refuse(equal, name, keys, "there twice")


def _refuse(wrong: np.ndarray, name: str, keys: tuple[str, ...], what: str) -> None:
    if wrong.any():
        row = int(wrong.argmax()) + 1
        raise ValueError(f"{name}: row {row} is {what}; rows must ascend strictly by {', '.join(keys)}")


def _numpy(booleans: pa.BooleanArray) -> np.ndarray:
    return booleans.to_numpy(zero_copy_only=False)


def _write_parquet(rows: pa.Table, group: int, file: BinaryIO) -> None:
    """zstd-3, page checksums, `group` rows a row group; dictionaries for words, not for numbers."""
    words = [field.name for field in rows.schema if pa.types.is_string(field.type)]
    with pq.ParquetWriter(
        file,
        rows.schema,
        compression="zstd",
        compression_level=3,
        write_page_checksum=True,
        use_dictionary=words,
    ) as parquet:
        if len(rows):
            parquet.write_table(rows, row_group_size=group)


def _manifest(fingerprint: str, fields: Mapping[str, Any], files: Mapping[str, FileEntry]) -> Manifest:
    try:
        return Manifest(fingerprint=fingerprint, files=files, **fields)
    except TypeError as error:
        raise ValueError(f"manifest fields do not fit: {error}") from error


def _check_tables(folder: Path, manifest: Manifest) -> None:
    """Shards of a table have one schema, and their rows follow each other."""
    for table in manifest.tables:
        names = manifest.table_files(table)
        schemas = {name: pq.read_schema(folder / name) for name in names}
        for before, after in pairwise(names):
            if schemas[before] != schemas[after]:
                raise ValueError(f"{before} and {after} have different columns: widths or types differ")
    for fault in out_of_order(manifest):
        raise ValueError(fault)


def out_of_order(manifest: Manifest) -> Iterator[str]:
    """Yield, in words, which row groups of a table don't follow those before them, across its files."""
    for table in manifest.tables:
        names = manifest.table_files(table)
        groups = [(name, group) for name in names for group in manifest.files[name].row_groups]
        for (before, first), (after, second) in pairwise(groups):
            if first.last >= second.first:
                yield f"{after} must follow {before}: {second.first} comes after {first.last}"
