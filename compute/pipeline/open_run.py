"""A run while it is being computed: what is there already, and what the later stages read of it."""

import io
import json
import os
import shutil
import weakref
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compute.analysis.knn import Graph, nearest
from compute.analysis.search import SPACES
from compute.pipeline.job import Job
from compute.pipeline.shards import OCCLUSION_SHARD_IMAGES, SHARD_IMAGES, ActivationsShard, shard_ids
from compute.pipeline.stages.channels import Summary, merge
from compute.pipeline.stages.embeddings import GRAPH_NEIGHBORS, normalised
from featurestore.files import locks
from featurestore.files.arrays import matrix
from featurestore.files.atomic import make_folder, publish
from featurestore.writers import open_writer

PARTIALS = "partials"
"""Folder of what is merged at the end and removed after the commit: one file a shard, no part of the store.
"""


class OpenRun:
    """A job's run in the store at `store`: a folder, or an address in object storage."""

    def __init__(self, job: Job, store: str | PathLike):
        self.job = job
        self.writer = open_writer(store, job.fingerprint)
        self._graph: Graph | None = None
        self.partials: Path = self.writer.folder / PARTIALS

    def has(self, *tables: str, shard: int = 0) -> bool:
        return all(self.writer.has_shard(table, shard) for table in tables)

    def write(self, table: str, rows: pa.Table, shard: int = 0) -> None:
        self.writer.write_shard(table, shard, rows)

    def write_missing(self, tables: Mapping[str, pa.Table], shard: int = 0) -> None:
        """Those that are there and sound stay as they are."""
        for name, rows in tables.items():
            if not self.has(name, shard=shard):
                self.write(name, rows, shard)

    def read(self, table: str, columns: list[str], shard: int) -> pa.Table:
        return pq.read_table(self.writer.file(table, shard), columns=columns, partitioning=None)

    def read_all(self, table: str, columns: list[str]) -> pa.Table:
        """Of a table that has a shard for each of `SHARD_IMAGES` images."""
        return pa.concat_tables(self.read(table, columns, shard) for shard in range(len(self.shards)))

    @cached_property
    def shards(self) -> list[range]:
        return shard_ids(len(self.job.items), SHARD_IMAGES)

    @cached_property
    def occlusion_shards(self) -> list[range]:
        return shard_ids(len(self.job.items), OCCLUSION_SHARD_IMAGES)

    def targets(self, ids: range) -> list[str | None]:
        """The predicted classes of these images, None for one that can't be read; their shards are there."""
        overlap = self.shards_with(ids)
        rows = pa.concat_tables(self.read("images", ["predicted"], shard) for shard in overlap)
        return rows["predicted"].slice(ids.start - self.shards[overlap[0]].start, len(ids)).to_pylist()

    def shards_with(self, ids: range) -> range:
        """The shards of `images` that these images are in."""
        size = len(self.shards[0])
        return range(ids.start // size, (ids.stop - 1) // size + 1)

    @cached_property
    def readable(self) -> np.ndarray:
        """(n,) image_ids of the images that have features; ValueError without any."""
        number = len(self.job.items)
        if self.has("problems"):
            rows = self.read("problems", ["image_id", "reason"], 0)
            problems = list(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))
        else:
            problems = self.problems()
        ids = np.setdiff1d(np.arange(number), [image_id for image_id, _ in problems])
        if not len(ids):
            raise ValueError(f"none of the {number} images can be read; the first: {problems[0][1]}")
        return ids

    @cached_property
    def digests(self) -> np.ndarray:
        """(n,) SHA-256 of the readable images."""
        return np.array(self.read_all("images", ["sha256"])["sha256"].to_pylist(), object)[
            self.readable
        ].astype(str)

    @cached_property
    def unit_features(self) -> np.ndarray:
        """(n, D) float32 features of the readable images, of length 1."""
        return normalised(matrix(self.read_all("features", ["feature"])["feature"])[self.readable])

    def graph(self, advance: Callable[[int], None] = lambda number: None) -> Graph:
        """Nearest neighbours in feature space, computed once. advance: called with the number of images just
        done.
        """
        if self._graph is None:
            self._graph = nearest(self.unit_features, GRAPH_NEIGHBORS, SPACES["feature"], advance)
        return self._graph

    def pixels(self) -> np.ndarray:
        """(n, P) float32 pixel vectors of the readable images."""
        parts = [self._partial(shard, "pixels") for shard in range(len(self.shards))]
        return np.concatenate([part for part in parts if len(part)])

    def summary(self) -> Summary | None:
        """Of all images' channels; None for a network without any."""
        found = None
        for shard in range(len(self.shards)):
            with self._open_partial(shard) as arrays:
                if "images" in arrays:
                    part = Summary.from_dict(arrays)
                    found = part if found is None else merge(found, part)
        return found

    def problems(self) -> list[tuple[int, str]]:
        """image_id and reason of each image that can't be read."""
        texts = [str(self._partial(shard, "problems")) for shard in range(len(self.shards))]
        return [tuple(problem) for text in texts for problem in json.loads(text)]

    def has_partial(self, shard: int) -> bool:
        """False also for a damaged one: it is made again."""
        _ = self._sharing
        try:
            with zipfile.ZipFile(self.writer.take(_partial_name(shard))) as archive:
                return archive.testzip() is None
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
            return False

    def write_partial(self, shard: int, made: ActivationsShard) -> None:
        summary = {} if made.summary is None else made.summary.to_dict()
        _ = self._sharing
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"pixels": made.pixels, "problems": json.dumps(made.problems), **summary}
        np.savez(buffer, **arrays)
        publish(self.writer.folder / _partial_name(shard), lambda file: file.write(buffer.getbuffer()))
        self.writer.give(_partial_name(shard))

    def remove_partials(self) -> None:
        """Unless another process is at this run: it may still need them, and removes them itself."""
        self.writer.take_back(PARTIALS)
        if not self.partials.is_dir():
            return
        self._sharing()
        with suppress(FileNotFoundError), locks.claimed(self.partials) as alone:
            if alone:
                shutil.rmtree(self.partials)

    @cached_property
    def _sharing(self) -> weakref.finalize:
        """The lock on the partials' folder; ends when called, or with this object."""
        while True:
            make_folder(self.partials)
            with suppress(FileNotFoundError):
                return weakref.finalize(self, os.close, locks.shared(self.partials))

    def _partial(self, shard: int, name: str) -> np.ndarray:
        with self._open_partial(shard) as arrays:
            return arrays[name]

    def _open_partial(self, shard: int) -> Any:
        return np.load(self.writer.take(_partial_name(shard)), allow_pickle=False)


def _partial_name(shard: int) -> str:
    """Within the run's folder."""
    return f"{PARTIALS}/activations-{shard:05d}.npz"
