"""Writing a run into object storage: shards into a scratch folder of this machine, and up from there.

A shard goes up as one object, if there is none of that name yet: of two writers of one run the first one's
stays, and the other must have the same bytes. The manifest goes up last, in the same way: one wins, and it
is over a whole run. Then CURRENT, on the condition that it is as it was read. A run that was interrupted
goes on from what is up, also on another machine.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurestore.errors import Damaged
from featurestore.files import locks
from featurestore.files.atomic import make_folder, publish
from featurestore.files.shard import sha256
from featurestore.layout import CURRENT, MANIFEST, RUNS, check_fingerprint, parse_shard_file, shard_file
from featurestore.manifest import FileEntry, Manifest
from featurestore.objects.bucket import FRESH_SECONDS
from featurestore.objects.changes import Changes, Stored
from featurestore.objects.path import ObjectPath
from featurestore.objects.shard import AT_ONCE
from featurestore.places import beside
from featurestore.schemas import check_table
from featurestore.writing.run_writer import RunWriter

SCRATCH = "writing"
"""Folder beside the store's other things on this machine: runs that are being written."""
STALE_ANSWERS = 3
"""How often it is asked what an object's bytes are before they are said to be others: a server that stands
behind copies may answer with what was there before."""

PATIENCE = 30
"""How often CURRENT is tried where others change it at the same time."""


class ObjectRunWriter:
    """As `RunWriter`, for a run of the store at `store`. `folder` is the run's scratch folder.

    scratch: where that lies, if not beside the store's other things on this machine. Everything raises
    Unavailable too; the constructor also ValueError where botocore isn't installed.
    """

    def __init__(self, store: ObjectPath, fingerprint: str, scratch: Path | None = None):
        self.address, self.fingerprint = str(store), fingerprint
        self._store, self._place = store, store / RUNS / check_fingerprint(fingerprint)
        self._changes = Changes(store.bucket)
        self._scratch = RunWriter(scratch or beside(store) / SCRATCH, fingerprint)
        self.folder = self._scratch.folder
        self._sound: dict[str, bool] = {}
        self._alike: set[str] = set()
        self._up: tuple[float, set[str]] = (-FRESH_SECONDS, set())
        self._entries: Mapping[str, FileEntry] | None = None

    def committed(self) -> Manifest | None:
        place = self._place / MANIFEST
        try:
            return Manifest.from_bytes(place.read_bytes(), str(place))
        except FileNotFoundError:
            return None

    def damaged(self) -> list[str]:
        self._entries = None
        self._sound.clear()
        try:
            found, entries = [], self._committed_files()
        except ValueError:
            found, entries = [MANIFEST], {}
        sound = _at_once(lambda item: self._is_as_committed(*item), entries.items())
        found += [name for name, is_sound in zip(entries, sound, strict=True) if not is_sound]
        _at_once(self.take, self._shards_up() - set(entries))
        return found + [name for name in self._scratch.damaged() if name not in entries]

    def drop_damaged(self) -> list[str]:
        names = self.damaged()
        kept = {} if MANIFEST in names else self._committed_files()
        self._scratch.drop_damaged()
        self._changes.remove([(self._place / name).key for name in names if name not in kept])
        self._alike -= set(names)
        self._up, self._entries = (-FRESH_SECONDS, set()), None
        return names

    def has_shard(self, table: str, shard: int) -> bool:
        """Whether the shard is up. One that only this machine has, after a kill, goes up now."""
        name = shard_file(check_table(table), shard)
        if (entry := self._committed_files().get(name)) is not None:
            return self._is_as_committed(name, entry)
        if name not in self._names_up() and (self.folder / name).is_file():
            self._bring_up(name)
        return name in self._names_up()

    def write_shard(self, table: str, shard: int, rows: pa.Table) -> None:
        """Raises ValueError also where another writer has put other bytes there."""
        self._scratch.write_shard(table, shard, rows)
        self._bring_up(shard_file(table, shard))

    def file(self, table: str, shard: int) -> Path:
        return self.take(shard_file(check_table(table), shard))

    def give(self, name: str) -> None:
        self._changes.put((self._place / name).key, self.folder / name)
        self._alike.add(name)

    def take(self, name: str) -> Path:
        """The local path; fetched where it isn't there, or is not what is up."""
        path = self.folder / name
        if name not in self._alike:
            stored = self._changes.stored((self._place / name).key)
            if stored is None:
                return path
            if not path.is_file() or self._digest(name, stored.sha256) != sha256(path):
                self._fetch(name, stored.sha256)
            self._alike.add(name)
        return path

    def take_back(self, folder: str) -> None:
        self._changes.remove([each.key for each in self._store.bucket.objects((self._place / folder).key)])

    def leave(self) -> None:
        """Clears the scratch folder, unless another writer of this machine is at this run: it does so
        itself.
        """
        self._scratch.release()
        with suppress(FileNotFoundError), locks.claimed(self.folder) as alone:
            if alone:
                shutil.rmtree(self.folder)
                self._alike.clear()

    def commit(self, manifest_fields: Mapping[str, Any]) -> Manifest:
        """As `RunWriter.commit`. Where another writer was first with the same files, its manifest is
        returned.
        """
        self._up = -FRESH_SECONDS, set()
        for name in [path.name for path in self.folder.iterdir() if parse_shard_file(path.name)]:
            if name not in self._shards_up():
                self._bring_up(name)
        _at_once(self.take, self._shards_up())
        manifest = self._publish(manifest_fields)
        self._make_current()
        if not (self._place / MANIFEST).is_file():
            raise ValueError(f"{self._place} was pruned just now; give the same command again")
        self.leave()
        return manifest

    def _publish(self, manifest_fields: Mapping[str, Any]) -> Manifest:
        place, manifest = self._place / MANIFEST, self._scratch.draft(manifest_fields)
        if self._changes.create(place.key, manifest.to_bytes()):
            return manifest
        found, etag = self._changes.read(place.key) or (b"", "")
        there = Manifest.from_bytes(found, str(place))
        if unlisted := set(there.files) - set(manifest.files):  # the listing was older than these
            _at_once(self.take, sorted(unlisted))
            manifest = self._scratch.draft(manifest_fields)
        for name, entry in there.files.items():
            if manifest.files.get(name) != entry:
                raise ValueError(
                    f"run {self.fingerprint} is committed with other bytes in {name}, by "
                    f"another writer; remove {self._place} to compute it anew"
                )
        if there.files == manifest.files and _places(there) == _places(manifest):
            return there
        if not self._changes.replace(place.key, manifest.to_bytes(), etag):
            raise ValueError(f"another writer added to {self._place} just now; give the same command again")
        return manifest

    def _make_current(self) -> None:
        place, content = self._store / CURRENT, f"{self.fingerprint}\n".encode()
        for _ in range(PATIENCE):
            found = self._changes.read(place.key)
            if found is None:
                is_done = self._changes.create(place.key, content)
            else:
                is_done = found[0] == content or self._changes.replace(place.key, content, found[1])
            if is_done:
                return
            time.sleep(random.uniform(0, 0.2))
        raise ValueError(f"{place} is changed by others all the time; give the same command again")

    def _bring_up(self, name: str) -> None:
        path, place = self.folder / name, self._place / name
        digest, stored = sha256(path), None
        for attempt in range(STALE_ANSWERS):
            time.sleep(0.2 * attempt)
            if self._changes.create(place.key, path):
                break
            stored = self._changes.stored(place.key)
            if stored is not None and self._digest(name, stored.sha256) == digest:
                break
        else:
            self._replace(name, digest, stored)
        self._alike.add(name)
        self._sound.pop(name, None)
        self._names_up().add(name)

    def _replace(self, name: str, digest: str, stored: Stored | None) -> None:
        """Only by what the manifest says."""
        self._entries = None  # a manifest may have come since
        place, entry = self._place / name, self._committed_files().get(name)
        if entry is None or entry.sha256 != digest:
            raise ValueError(
                f"{place} is there already, with other bytes than those computed here: another "
                "writer works on this run, on another kind of machine. Given again, the command "
                "takes what is there"
            )
        if stored is None or not self._changes.replace(place.key, self.folder / name, stored.etag):
            raise ValueError(f"{place} is changed by another writer just now; give the same command again")

    def _fetch(self, name: str, digest: str) -> None:
        place, path = self._place / name, self.folder / name
        content = place.loaded()
        if digest and sha256(content) != digest:
            raise Damaged(f"{place} is not what the server says that it is; give the same command again")
        make_folder(path.parent)
        publish(path, lambda file: file.write(content.read_bytes()))

    def _is_as_committed(self, name: str, entry: FileEntry) -> bool:
        if name not in self._sound:
            stored = self._changes.stored((self._place / name).key)
            self._sound[name] = (
                stored is not None
                and stored.bytes == entry.bytes
                and self._digest(name, stored.sha256) == entry.sha256
            )
        return self._sound[name]

    def _digest(self, name: str, said: str) -> str:
        """SHA-256 of an object: what the server reckoned, or, where it did not, from the bytes."""
        return said or sha256(self._place / name)

    def _committed_files(self) -> Mapping[str, FileEntry]:
        if self._entries is None:
            manifest = self.committed()
            self._entries = {} if manifest is None else manifest.files
        return self._entries

    def _shards_up(self) -> set[str]:
        return {name for name in self._names_up() if parse_shard_file(name)}

    def _names_up(self) -> set[str]:
        """Names of the run's objects: a moment old, but for what this writer has brought up."""
        asked, _ = self._up
        if time.monotonic() - asked >= FRESH_SECONDS:
            found = self._store.bucket.objects(self._place.key, below=False)
            self._up = time.monotonic(), {each.key.rpartition("/")[2] for each in found}
        return self._up[1]


def _places(manifest: Manifest) -> tuple:
    """Where images and network are, which may be moved: the last writer knows."""
    images, model = manifest.images, manifest.model
    return images.get("spec"), images.get("root"), model.get("spec")


def _at_once(do: Callable, items: Iterable) -> list:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, list(items)))
