"""Reading a store: a `Store` is a folder of runs, a `Run` is one of them, pinned."""

import math
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from numbers import Integral
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from featurestore.errors import NotComputed, Unavailable, make_argument
from featurestore.files import locks
from featurestore.files.arrays import matrix
from featurestore.files.row_groups import RowGroups
from featurestore.files.shard import Shard
from featurestore.layout import CURRENT, MANIFEST, PROGRESS, RUNS, check_fingerprint
from featurestore.manifest import Manifest, read_manifest
from featurestore.notebook import cards, html
from featurestore.notebook.channel import Channel
from featurestore.notebook.images import StoredImage, StoredImages
from featurestore.objects.shard import ObjectShard, at_once
from featurestore.places import Place, folder_names, folders_with, place
from featurestore.schemas import SORT_KEYS, STAGES, check_table, schema

Key = str | int
"""A value of a sort key."""

Filter = Callable[[pa.Table], pa.Table]
"""Leaves some of the rows of a table."""

NEIGHBOR_SPACES = ("feature", "pixel")

OPEN_FILES = 128
"""Handles that a run keeps: a store of many shards must not use up the process's descriptors."""

BLOCKS = 400
"""Row groups at least that a spread of rows is taken from: neighbours in a table are often of one class."""

KEPT_IMAGES = 1024
"""Rows of `images` that a run keeps: a page asks for the same one again and again."""


class Store:
    """A folder of runs, or one in object storage. ValueError where `path` is not a store."""

    def __init__(self, path: str | os.PathLike | Place):
        self.path = place(path)
        if not (self.path / RUNS).is_dir():
            raise ValueError(
                f"{self.path} is no store: it has no folder {RUNS!r}; make one with "
                f"`make store {make_argument('STORE', self.path)}` (python -m compute store --store ...)"
            )

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    @html.never_raising
    def _repr_html_(self) -> str:
        return cards.store_card(self)

    def runs(self) -> list[str]:
        """Fingerprints of the committed runs, sorted. Runs that are being written are not among them."""
        return folders_with(self.path / RUNS, MANIFEST)

    def unfinished(self) -> list[str]:
        """Names of run folders without a manifest: being written, or left by a killed writer."""
        return sorted(folder_names(self.path / RUNS) - set(self.runs()))

    def progress(self) -> str | None:
        """How far the run is that is being written now, in a line of its writer's, which may be empty.

        None where nobody writes one on this machine; in object storage it can't be seen.
        """
        if not isinstance(self.path, Path):
            return None
        for name in self.unfinished():
            folder = self.path / RUNS / name
            with suppress(FileNotFoundError), locks.claimed(folder) as nobody_writes:
                if not nobody_writes:
                    return _text(folder / PROGRESS)
        return None

    def current(self) -> str:
        """Fingerprint of the run to show, read anew at each call."""
        named = self._named()
        while True:
            try:
                return self._check_run(_whole_line(named))
            except Unavailable:
                raise
            except ValueError as error:
                before, named = named, self._named()
                if named == before:  # else it was replaced, and pruned, just now
                    raise ValueError(f"{self.path / CURRENT} is wrong: {error}") from error

    def open(self, fingerprint: str | None = None) -> "Run":
        """One run, pinned: what is written to the store later does not change it, and `prune` lets it be."""
        while True:
            chosen = self.current() if fingerprint is None else self._check_run(fingerprint)
            try:
                return Run(self.path / RUNS / chosen)
            except FileNotFoundError:
                if fingerprint is not None or self._named() == f"{chosen}\n":
                    raise self._gone(chosen) from None

    def _named(self) -> str:
        named = self.path / CURRENT
        if isinstance(named, Path) and named.exists() and not named.is_file():
            raise ValueError(f"{named} is wrong: it is no file")
        try:
            return named.read_text(errors="replace")
        except FileNotFoundError:
            raise ValueError(
                f"store {self.path} has no finished run yet; where it was interrupted, the command that "
                "began it goes on with it"
            ) from None

    def _check_run(self, fingerprint: str) -> str:
        if check_fingerprint(fingerprint) not in self.runs():
            if not isinstance(self.path, Path):
                self.path.bucket.forget()  # the listing may be some seconds old
            if fingerprint not in self.runs():
                raise self._gone(fingerprint)
        return fingerprint

    def _gone(self, fingerprint: str) -> ValueError:
        return ValueError(
            f"run {fingerprint!r} is not in {self.path} (any more); there are: "
            f"{', '.join(self.runs()) or 'none'}"
        )


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


class Run:
    """One committed run. Every method may be called from many threads at once.

    It shares the lock on its folder for as long as it lives: nobody prunes what is being looked at. In object
    storage there are no locks, and `folder` is a place there.

    All raise ValueErrors: NotComputed for a table the run lacks, Damaged for bytes that are not what was
    written, and plain ones for an image, layer, column ... that there is not, naming the choices.
    """

    def __init__(self, folder: Place):
        self.folder = folder
        if isinstance(folder, Path):
            weakref.finalize(self, os.close, locks.shared(folder))
        self.manifest: Manifest = read_manifest(folder)
        self._each = map if isinstance(folder, Path) else at_once
        # None of these holds the run itself: it is let go, and its lock with it, with the last reference.
        self._shard = lru_cache(OPEN_FILES)(partial(_open_shard, folder, self.manifest))
        self._image = lru_cache(KEPT_IMAGES, typed=True)(partial(_read_image, weakref.proxy(self)))
        self._files = lru_cache(None)(partial(_list_files, folder, self.manifest))
        self._groups = lru_cache(None)(partial(_row_groups, self.manifest, self._files))

    def __repr__(self) -> str:
        name = html.one_line(self.manifest.model.get("name"))
        return f"<run {self.fingerprint} of {self.folder.parent.parent}: {name}, {self.image_count:,} images>"

    @html.never_raising
    def _repr_html_(self) -> str:
        return cards.run_card(self)

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.manifest.class_names

    def tables(self) -> tuple[str, ...]:
        return self.manifest.tables

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table, in the order of its sort keys."""
        columns = self._check_columns(name, columns)
        return pa.concat_tables(self._each(lambda file: self._shard(file).read(columns), self._files(name)))

    def shards(self, name: str) -> list[Callable[[], Shard | ObjectShard]]:
        """What opens each of a table's files, in order; a file that was opened of late is open still."""
        return [partial(self._shard, file) for file in self._files(name)]

    def select(self, name: str, *key: Key, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows whose sort key begins with `key`, such as (layer, channel); only their row groups are read.

        A file all of whose rows are asked for is read at once.
        Empty where there are none.
        """
        columns = self._check_columns(name, columns)
        names = _check_key(name, key)
        read_first = None if columns is None else list(dict.fromkeys([*names, *columns]))
        kept = columns or read_first  # without any column a table would have no rows
        keep = _with_key(names, key)

        def read(part: tuple[str, int | None]) -> pa.Table:
            file, group = part
            if group is None:
                return self._shard(file).read(kept)
            rows = keep(self._shard(file).read_group(group, read_first))
            return rows if kept is None else rows.select(kept)

        empty = self._shard(self._files(name)[0]).schema.empty_table()
        parts = self._each(read, self._groups(name).whole_or_parts(key))
        rows = pa.concat_tables([empty if kept is None else empty.select(kept), *parts])
        return rows if columns is None else rows.select(columns)

    def spread(self, name: str, *key: Key, most: int, columns: Sequence[str]) -> pa.Table:
        """About `most` of the rows whose sort key begins with `key`; all where there are no more.

        They come in blocks that lie evenly over all, some hundreds where there are as many.
        """
        self._check_columns(name, columns)
        names = _check_key(name, key)
        groups = self._groups(name)
        there = np.asarray(groups.starting_with(key))
        rows = np.array([groups.rows[group] for group in there])
        needed = -(-len(there) * most // max(1, rows.sum()))
        blocks = np.linspace(0, len(there) - 1, min(max(needed, BLOCKS), len(there))).round().astype(int)
        # Some rows of the first and the last group may be of another key: there are fewer than it seems.
        share = 1.0 if needed >= len(there) else min(1.0, most / rows[blocks].sum())
        keep = _with_key(names, key)

        def beginning(group: pa.Table) -> pa.Table:
            found = keep(group)
            return found.slice(0, math.ceil(share * len(found)))

        wanted = list(dict.fromkeys([*names, *columns]))
        return self._read_groups(name, there[blocks], wanted, beginning).select(columns)

    def rows(
        self, name: str, image_ids: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Rows of the images, in the order asked, for the tables keyed by image_id.

        ValueError names images that the table has no row for.
        """
        columns = self._check_columns(name, columns)
        if SORT_KEYS[name][0] != "image_id":
            raise ValueError(f"table {name!r} is keyed by {', '.join(SORT_KEYS[name])}, not by image_id")
        ids = _check_ids(image_ids)
        wanted = None if columns is None else list(dict.fromkeys(["image_id", *columns]))
        rows = self._read_groups(
            name,
            self._groups(name).holding(ids),
            wanted,
            lambda rows: rows.filter(np.isin(rows["image_id"].to_numpy(), ids)),
        )
        found = rows["image_id"].to_numpy()
        first, last = np.searchsorted(found, ids, "left"), np.searchsorted(found, ids, "right")
        if (first == last).any():
            raise ValueError(
                f"table {name!r} has no image {ids[first == last][:10].tolist()}; "
                f"images are 0 to {self.image_count - 1}"
            )
        picked = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
        rows = rows.take(np.concatenate([np.arange(0), *picked]))
        return rows if columns is None else rows.select(columns)

    @cached_property
    def image_count(self) -> int:
        """Number of images, unreadable ones included: image_id is 0 to image_count - 1."""
        return sum(self.manifest.files[file].rows for file in self._files("images"))

    def image(self, image_id: int) -> StoredImage:
        """The row of `images` as a dict, without the thumbnail; in a notebook it shows itself with it."""
        return StoredImage(self, self._image(image_id))

    def images(self, image_ids: Sequence[int] | np.ndarray | None = None) -> StoredImages:
        """These images, in this order, or all: a sequence that shows itself as a wall of thumbnails."""
        ids = np.arange(self.image_count) if image_ids is None else _check_ids(image_ids)
        if ((ids < 0) | (ids >= self.image_count)).any():
            raise ValueError(f"images are 0 to {self.image_count - 1}, not {ids.min()} to {ids.max()}")
        return StoredImages(self, ids)

    def thumbnail(self, image_id: int) -> bytes:
        """The encoded thumbnail (PNG or JPEG). ValueError where the image could not be read."""
        picture = self.rows("images", [image_id], ["thumbnail"])["thumbnail"][0].as_py()
        if picture is None or picture["bytes"] is None:
            raise ValueError(f"image {image_id} has no thumbnail: it could not be read")
        return picture["bytes"]

    def features(self) -> np.ndarray:
        """(N, D) float32, row i of image i; rows of NaN where the image could not be read."""
        return matrix(self.table("features", ["feature"])["feature"])

    def feature_blocks(self) -> Iterator[np.ndarray]:
        """The rows of `features` a row group at a time: (n, D) float32 each, in order."""

        def read(at: tuple[str, int]) -> np.ndarray:
            return matrix(self._shard(at[0]).read_group(at[1], ["feature"])["feature"])

        return iter(self._each(read, self._groups("features").places))

    def channels(self, layer: str) -> pa.Table:
        """Statistics of a layer's channels, one row each."""
        return self._choose("channels", layer)

    def channel(self, layer: str, channel: int) -> Channel:
        """A channel with its statistics and patches, which shows itself in a notebook."""
        return Channel(self, layer, channel)

    def top_patches(self, layer: str, channel: int) -> pa.Table:
        """Patches that activate a channel most, by rank."""
        return self._choose("top_patches", layer, channel)

    def occlusion(self, image_id: int, target: str | None = None) -> dict:
        """Occlusion maps of an image: a row of `occlusion` with `probability`, `logit` (float32) and
        `argmax` (int32) as (rows, cols) arrays. Without `target`, the image's first one."""
        key = (image_id,) if target is None else (image_id, target)
        row = self._choose("occlusion", *key).slice(0, 1).to_pylist()[0]
        shape = row["rows"], row["cols"]
        for name, dtype in (("probability", np.float32), ("logit", np.float32), ("argmax", np.int32)):
            row[name] = np.asarray(row[name], dtype).reshape(shape)
        return row

    def neighbors(self, space: str, image_id: int) -> pa.Table:
        """Nearest images by rank; space is "feature" (cosine) or "pixel" (Euclidean).

        Empty where there is no other image, or none but copies of its file.
        """
        rows = self.select("neighbors", space, image_id)
        if len(rows) or (space in NEIGHBOR_SPACES and self.image(image_id)):
            return rows
        return self._choose("neighbors", space, image_id)

    def embedding(self, method: str) -> pa.Table:
        """x and y of every image by a method."""
        return self._choose("embeddings", method)

    def grid(self, method: str, kind: str) -> pa.Table:
        """Cells of a grid by row and col; kind is "nearest" or "unique"."""
        return self._choose("grids", method, kind)

    def filters(self) -> pa.Table:
        """First-layer filters, one row an output channel."""
        return self.table("filters")

    def _choose(self, name: str, *key: Key) -> pa.Table:
        """`select`, where no row is an error that names the choices of the part of the key that fails."""
        rows = self.select(name, *key)
        if len(rows):
            return rows
        depth = next(n for n in range(len(key)) if not len(self.select(name, *key[: n + 1], columns=[])))
        column, value = SORT_KEYS[name][depth], key[depth]
        choices = self.select(name, *key[:depth], columns=[column])[column].unique().to_pylist()
        of = f" of {', '.join(map(str, key[:depth]))}" if depth else ""
        raise ValueError(f"unknown {column} {value!r}{of} in table {name!r}; there are {_shorten(choices)}")

    def _check_columns(self, name: str, columns: Sequence[str] | None) -> list[str] | None:
        names = self._shard(self._files(name)[0]).schema.names
        if columns is None:
            return None
        unknown = [column for column in columns if column not in names]
        if unknown:
            raise ValueError(f"table {name!r} has no column {unknown[0]!r}; columns are {', '.join(names)}")
        return list(columns)

    def _read_groups(
        self, name: str, indices: Iterable[int], columns: list[str] | None, keep: Filter
    ) -> pa.Table:
        """Rows that `keep` leaves of each of these row groups; one group at a time is in memory, or a few."""
        places = (self._groups(name).places[index] for index in indices)
        kept = self._each(lambda at: keep(self._shard(at[0]).read_group(at[1], columns)), places)
        empty = self._shard(self._files(name)[0]).schema.empty_table()
        return pa.concat_tables([empty if columns is None else empty.select(columns), *kept])


def _with_key(names: Sequence[str], key: Sequence[Key]) -> Filter:
    """The rows of a table whose first columns, `names`, are `key`."""

    def keep(rows: pa.Table) -> pa.Table:
        for column, value in zip(names, key, strict=True):
            rows = rows.filter(_equal(rows[column], value))
        return rows

    return keep


def _equal(column: pa.ChunkedArray, value: Key) -> pa.ChunkedArray:
    """Where a column has a value; nowhere where it can't hold it, such as a number of more than 64 bits."""
    try:
        wanted = pa.scalar(value, pa.string() if isinstance(value, str) else pa.int64())
    except (OverflowError, UnicodeEncodeError):
        return pa.chunked_array([pa.repeat(False, len(column))])
    return pc.equal(column, wanted)


def _whole_line(text: str) -> str:
    if not text.endswith("\n"):
        raise ValueError(f"{text!r} is cut off: it has no end of line")
    return text[:-1]


def _read_image(run: "Run", image_id: int) -> dict:
    columns = [name for name in schema("images").names if name != "thumbnail"]
    return run.rows("images", [image_id], columns).to_pylist()[0]


def _open_shard(folder: Place, manifest: Manifest, file: str) -> Shard | ObjectShard:
    if isinstance(folder, Path):
        return Shard(folder / file, manifest.files[file])
    return ObjectShard(folder / file, manifest.files[file])


def _list_files(folder: Place, manifest: Manifest, name: str) -> list[str]:
    files = manifest.table_files(check_table(name))
    if not files:
        raise NotComputed(
            f"table {name!r} is not computed in run {manifest.fingerprint}; there are: "
            f"{', '.join(manifest.tables) or 'none'}. Make it with "
            f"`make store {make_argument('STORE', folder.parents[1])}` "
            f"(python -m compute store --stages {STAGES.get(name, 'activations')} ...)"
        )
    return files


def _row_groups(manifest: Manifest, files: Callable[[str], list[str]], name: str) -> RowGroups:
    return RowGroups(manifest, files(name))


def _check_key(name: str, key: Sequence[Key]) -> tuple[str, ...]:
    names = SORT_KEYS[name][: len(key)]
    for column, value in zip(names, key, strict=True):
        kind = str if pa.types.is_string(schema(name, 1).field(column).type) else Integral
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{column} of table {name!r} must be a {kind.__name__}, not {value!r}")
    return names


def _check_ids(image_ids: Sequence[int] | np.ndarray) -> np.ndarray:
    ids = np.asarray(image_ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise ValueError(f"image_ids must be a list of whole numbers, not {image_ids!r}")
    return ids.astype(np.int64)


def _shorten(values: Sequence, limit: int = 30) -> str:
    shown = ", ".join(map(str, values[:limit]))
    return shown if len(values) <= limit else f"{shown}, ... ({len(values)} in all)"
