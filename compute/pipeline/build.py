"""From a job to a committed run of a store: shard by shard, each skipped where it is there already.

A run that was interrupted goes on where it was, and its tables are the same bytes as an uninterrupted one's.
"""

from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from os import PathLike

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from threadpoolctl import threadpool_limits

from compute.pipeline.job import Job
from compute.pipeline.open_run import OpenRun
from compute.pipeline.shards import (
    OCCLUSION_SHARD_IMAGES,
    activations_shard,
    occlusion_shard,
    read_ahead,
    shard_ids,
)
from compute.progress import Progress
from compute.stages import embeddings, grid, neighbors
from compute.stages.channels import channels_table, top_patches_table
from compute.stages.layers import filters_table, layers_table
from featurestore.layout import parse_shard_file
from featurestore.manifest import Manifest
from featurestore.reader import Store
from featurestore.schemas import TABLES

PIXEL_SHARD = list(neighbors.METRICS).index("pixel")
SUMMARIES = ("channels", "top_patches", "layers", "filters", "problems")


def finished(job: Job, store: str | PathLike) -> Manifest | None:
    """The manifest of the job's run, now the store's current, where it is complete and undamaged, or None."""
    run = OpenRun(job, store)
    run.writer.drop_unreadable_manifest()
    shown = Store(store)
    if job.fingerprint not in shown.runs():
        return None
    manifest = shown.open(job.fingerprint).manifest
    if not all(run.writer.has_shard(*parse_shard_file(name)) for name in manifest.files):
        return None
    run.remove_partials()
    return manifest if _is_current(shown, job.fingerprint) else run.writer.commit(_fields(manifest))


def build(job: Job, store: str | PathLike, progress: Progress) -> Manifest:
    """Computes what is missing of the job's run and commits it. ValueError where no image can be read."""
    run = OpenRun(job, store)
    for stage in job.parameters.stages:
        with fixed_threads(job.parameters.threads):  # anew: numba sets OpenMP's number for all
            STAGES[stage](run, progress)
    images = run.read_all("images", ["split", "correct"])
    problems = run.read("problems", ["image_id"], 0).num_rows
    notes = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "timings": {stage: round(seconds, 2) for stage, seconds in progress.seconds.items()},
    }
    manifest = run.writer.commit(job.manifest_fields(accuracy(images), problems, notes))
    run.remove_partials()
    return manifest


def accuracy(images: pa.Table) -> dict[str, float]:
    """Share of correct predictions by split and of "all", of the images whose label is one of the classes."""
    judged = images.filter(images["correct"].is_valid())
    if not len(judged):
        return {}
    shares = judged.append_column("share", pc.cast(judged["correct"], pa.float64()))
    by_split = shares.group_by("split").aggregate([("share", "mean")]).sort_by("split").to_pylist()
    splits = {row["split"]: row["share_mean"] for row in by_split if row["split"] is not None}
    return {**splits, "all": pc.mean(shares["share"]).as_py()}


@contextmanager
def fixed_threads(number: int):
    """Every numerical library on `number` threads: sums are then always taken in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def _activations(run: OpenRun, progress: Progress) -> None:
    pixels_used = "neighbors" not in run.job.parameters.stages or run.has("neighbors", shard=PIXEL_SHARD)
    summarised = run.has(*SUMMARIES) and pixels_used
    there = {
        shard
        for shard in range(len(run.shards))
        if run.has("images", "features", shard=shard) and (summarised or run.has_partial(shard))
    }
    missing = [shard for shard in range(len(run.shards)) if shard not in there]
    pictures = read_ahead(run.job, [run.shards[shard] for shard in missing])
    with progress.stage("activations", len(run.job.items)) as stage, closing(pictures):
        stage.skip(sum(len(run.shards[shard]) for shard in there))
        for shard in missing:
            made = activations_shard(run.job, run.shards[shard], pictures, stage.advance)
            run.write_partial(shard, made)
            run.write("features", made.features, shard)
            run.write("images", made.images, shard)
    if not run.has(*SUMMARIES):
        _summaries(run)


def _summaries(run: OpenRun) -> None:
    """The tables that are merged from all shards."""
    job, model = run.job, run.job.model
    layers = model.layers.values()
    made = {name: TABLES[name].empty_table() for name in SUMMARIES}
    if run.readable.size and (summary := run.summary()) is not None:
        images = run.read_all("images", ["width", "height"])
        sizes = np.stack([images[side].fill_null(0).to_numpy() for side in ("width", "height")], 1)
        made["layers"] = layers_table(layers)
        made["channels"] = channels_table(summary, layers, job.group_names)
        made["top_patches"] = top_patches_table(summary, layers, model.preprocessing, sizes)
        made["filters"] = filters_table(model)
    problems = [
        {"image_id": row, "path": job.items[row].path, "reason": reason} for row, reason in run.problems()
    ]
    made["problems"] = pa.Table.from_pylist(problems, TABLES["problems"])
    for name, table in made.items():
        if not run.has(name):
            run.write(name, table)


def _neighbors(run: OpenRun, progress: Progress) -> None:
    with progress.stage("neighbors", len(neighbors.METRICS) * len(run.readable)) as stage:
        for shard, (space, metric) in enumerate(neighbors.METRICS.items()):
            if run.has("neighbors", shard=shard):
                stage.skip(len(run.readable))
                continue
            if space == "feature":
                points, graph = run.unit_features, run.graph(stage.advance)
            else:
                points = run.pixels()
                graph = neighbors.nearest(points, neighbors.NEIGHBORS, metric, stage.advance)
            found = neighbors.without_copies(graph, points, run.digests, metric, neighbors.NEIGHBORS)
            run.write("neighbors", neighbors.neighbors_table(space, run.readable, found), shard)


def _embeddings(run: OpenRun, progress: Progress) -> None:
    seed, threads = run.job.parameters.seed, run.job.parameters.threads
    missing = [
        shard for shard in range(len(embeddings.METHODS)) if not run.has("embeddings", "maps", shard=shard)
    ]
    with progress.stage("embeddings", len(embeddings.METHODS), "maps") as stage:
        stage.skip(len(embeddings.METHODS) - len(missing))
        if not missing:
            return
        principal = embeddings.principal_components(run.unit_features, seed)
        points = embeddings.Points(run.unit_features, run.graph(), principal, seed, threads)
        for shard in missing:
            method = tuple(embeddings.METHODS)[shard]
            made = embeddings.embed(method, points)
            rows = embeddings.embeddings_table(method, len(run.job.items), run.readable, made.coordinates)
            run.write("embeddings", rows, shard)
            run.write("maps", embeddings.maps_table(method, points, made), shard)
            stage.advance()


def _grid(run: OpenRun, progress: Progress) -> None:
    with progress.stage("grid", len(embeddings.METHODS), "maps") as stage:
        for shard, method in enumerate(embeddings.METHODS):
            if run.has("grids", shard=shard):
                stage.skip(1)
                continue
            plane = run.read("embeddings", ["x", "y"], shard)
            coordinates = np.stack([plane[axis].to_numpy() for axis in ("x", "y")], 1)[run.readable]
            seed = run.job.parameters.seed
            rows = grid.grids_table(method, coordinates, run.readable, run.unit_features, seed)
            run.write("grids", rows, shard)
            stage.advance()


def _occlusion(run: OpenRun, progress: Progress) -> None:
    targets = run.read_all("images", ["predicted"])["predicted"].to_pylist()
    with progress.stage("occlusion", len(targets)) as stage, fixed_threads(1):
        for shard, ids in enumerate(shard_ids(len(targets), OCCLUSION_SHARD_IMAGES)):
            if run.has("occlusion", shard=shard):
                stage.skip(len(ids))
            else:
                rows = occlusion_shard(run.job, ids, targets[ids.start : ids.stop], stage.advance)
                run.write("occlusion", rows, shard)


STAGES = {
    "activations": _activations,
    "neighbors": _neighbors,
    "embeddings": _embeddings,
    "grid": _grid,
    "occlusion": _occlusion,
}


def _is_current(store: Store, fingerprint: str) -> bool:
    try:
        return store.current() == fingerprint
    except ValueError:
        return False


def _fields(manifest: Manifest) -> dict:
    written_by_commit = {"fingerprint", "files", "schema_version"}
    return {
        each.name: getattr(manifest, each.name)
        for each in fields(manifest)
        if each.name not in written_by_commit
    }
