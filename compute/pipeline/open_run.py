"""A run while it is being computed: what is there already, and what the later stages read of it."""

import json
from collections.abc import Mapping
from functools import cached_property
from os import PathLike

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from compute.pipeline.job import Job
from compute.pipeline.neighbor_graphs import NeighborGraphs
from compute.pipeline.partials import Partials
from compute.pipeline.shards import OCCLUSION_SHARD_IMAGES, SHARD_IMAGES, ActivationsShard, shard_ids
from compute.pipeline.stages.channels import Summary, merge
from compute.pipeline.stages.embeddings import METHODS
from compute.pipeline.stages.showcase import ChannelsShard, shards_of_channels
from featurestore.layout import parse_shard_file, shard_file
from featurestore.manifest import Manifest
from featurestore.writing.opening import open_writer


class OpenRun:
    """A job's run in the store at `store`: a folder, or an address in object storage."""

    def __init__(self, job: Job, store: str | PathLike):
        self.job = job
        self.writer = open_writer(store, job.fingerprint)
        self.partials = Partials(self.writer)

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

    @cached_property
    def showcase_shards(self) -> list[ChannelsShard]:
        """Those of all layers of the network."""
        return shards_of_channels(self.job.model.layers.values())

    @property
    def showcase_asked_for(self) -> list[int]:
        """The shards of `showcase` that the job asks for."""
        asked = set(self.job.showcase)
        return [number for number, each in enumerate(self.showcase_shards) if each.layer in asked]

    @property
    def showcase_wanted(self) -> list[int]:
        """The shards of `showcase` that the job asks for, and those that the run was committed with: one of
        these that is damaged is made again, whoever asked for it."""
        manifest = self.writer.committed()
        files = [] if manifest is None else manifest.table_files("showcase")
        committed = [shard for _, shard in filter(None, map(parse_shard_file, files))]
        return sorted({*committed, *self.showcase_asked_for})

    def lacks_showcase(self, manifest: Manifest) -> bool:
        """Whether the job asks for a shard of `showcase` that the run was not committed with."""
        return any(shard_file("showcase", shard) not in manifest.files for shard in self.showcase_asked_for)

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
        """(n, D) float32 features of the readable images, of length 1; copies of a file have the same."""
        points, group = self.graphs.points("feature"), self.graphs.distinct("feature").group
        return points if len(points) == len(group) else points[group]

    @cached_property
    def graphs(self) -> NeighborGraphs:
        return NeighborGraphs(self)

    @property
    def has_activations(self) -> bool:
        """Whether all images' features, and what neighbours are made of beside them, are there."""
        return all(
            self.has("features", "images", shard=shard) and self.partials.has(activations(shard))
            for shard in range(len(self.shards))
        )

    @property
    def maps_missing(self) -> list[int]:
        """The shards of `embeddings` and `maps`, one a method, that are not there."""
        return [shard for shard in range(len(METHODS)) if not self.has("embeddings", "maps", shard=shard)]

    def summary(self) -> Summary | None:
        """Of all images' channels; None for a network without any."""
        found = None
        for shard in range(len(self.shards)):
            with self.partials.read(activations(shard)) as arrays:
                if "images" in arrays:
                    part = Summary.from_dict(arrays)
                    found = part if found is None else merge(found, part)
        return found

    def problems(self) -> list[tuple[int, str]]:
        """image_id and reason of each image that can't be read."""
        texts = [str(self.partial(shard, "problems")) for shard in range(len(self.shards))]
        return [tuple(problem) for text in texts for problem in json.loads(text)]

    def partial(self, shard: int, name: str) -> np.ndarray:
        """What a shard of activations has beside its tables: "pixels" or "problems"."""
        with self.partials.read(activations(shard)) as arrays:
            return arrays[name]

    def write_partial(self, shard: int, made: ActivationsShard) -> None:
        """Keep what is merged at the end, or what the neighbours need."""
        summary = {} if made.summary is None else made.summary.to_dict()
        arrays = {"pixels": made.pixels, "problems": json.dumps(made.problems), **summary}
        self.partials.write(activations(shard), arrays)


def activations(shard: int) -> str:
    """Name of a shard's partials."""
    return f"activations-{shard:05d}"
