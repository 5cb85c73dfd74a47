"""From a job to a committed run of a store: shard by shard, each skipped where it is there already.

A run that was interrupted goes on where it was, and its tables are the same bytes as an uninterrupted one's.
"""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from os import PathLike

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.search import SPACES
from compute.pipeline.engines.engine import Engine, Local
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.job import Job, stages_left_out
from compute.pipeline.neighbor_graphs import LEAST_RECALL
from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import OF_ALL_IMAGES, SHARDED, WHOLE, Part, images_of
from compute.pipeline.stages import embeddings, grid, neighbors
from compute.pipeline.stages.channels import channels_table, top_patches_table
from compute.pipeline.stages.columns import columns_table
from compute.pipeline.stages.layers import filters_table, layers_table
from compute.pipeline.stages.precision_error import precision_error
from compute.runtime.progress import Progress, StageProgress
from featurestore.layout import PROGRESS
from featurestore.manifest import Manifest
from featurestore.reader import Store
from featurestore.schemas import TABLES

LOCAL = Local()
OF_THE_NETWORK = ("layers", "filters")


def finished(job: Job, store: str | PathLike) -> Manifest | None:
    """The manifest of the job's run, now the store's current, where it is complete and undamaged, or None."""
    run = OpenRun(job, store)
    if run.writer.damaged() or (manifest := run.writer.committed()) is None:
        return None
    if run.lacks_showcase(manifest):
        return None
    run.partials.remove()
    if (now := _at_its_places(manifest, job)) != manifest or not _is_current(Store(store), job.fingerprint):
        return run.writer.commit(_fields(now))
    run.writer.leave()
    return manifest


def build(job: Job, store: str | PathLike, progress: Progress, engine: Engine = LOCAL) -> Manifest:
    """Computes what is missing or damaged of the job's run and commits it. ValueError where no image can be
    read.

    What runs the network comes first, on the engine, whose workers end then; this process does the rest.
    What takes longest, the channels' pictures, is added to the run once it is committed without them.
    A committed run that is repaired gets its very bytes back, manifest included.
    """
    run = OpenRun(job, store)
    damaged = run.writer.drop_damaged()
    for name in damaged:
        progress.note(f"{name} is damaged or missing: made again")
    with progress.kept_in(run.writer.folder / PROGRESS):
        _compute_missing(run, progress, engine)
    run.partials.remove()
    if run.writer.committed() is None and job.showcase:
        _commit(run, progress)
        run = OpenRun(job, store)
    _showcase(run, progress, engine)
    manifest = _commit(run, progress)
    if damaged:
        progress.note(f"repaired {len(damaged)} files of run {job.fingerprint}: {', '.join(damaged)}")
    return manifest


def _commit(run: OpenRun, progress: Progress) -> Manifest:
    before = run.writer.committed()
    return run.writer.commit(
        _new_fields(run, progress) if before is None else _fields(_at_its_places(before, run.job))
    )


def _compute_missing(run: OpenRun, progress: Progress, engine: Engine) -> None:
    stages = run.job.parameters.stages
    with engine:
        _activations(run, progress, engine)
        if "neighbors" in stages or "embeddings" in stages:
            _neighbors(run, progress, engine)
        if "occlusion" in stages:
            _sharded(run, "occlusion", progress, engine)
    for stage in (name for name in stages if name in STAGES):
        with fixed_threads(run.job.parameters.threads):  # anew: numba sets OpenMP's number for all
            STAGES[stage](run, progress)


def build_part(
    job: Job, store: str | PathLike, progress: Progress, part: Part, engine: Engine = LOCAL
) -> None:
    """Computes what is missing of one part of the job's shards, as one of several processes that don't know
    of each other; `build` then does the rest and commits."""
    run = OpenRun(job, store)
    with engine:
        for stage in (name for name in SHARDED if name in job.stages):
            if stage == "neighbors" and not run.has_activations:
                progress.note("neighbours are left to the last command: other parts are not there yet")
            else:
                _sharded(run, stage, progress, engine, part)
    run.writer.leave()


def accuracy(images: pa.Table) -> dict[str, float]:
    """Share of correct predictions by split and of "all", of the images whose label is one of the classes."""
    judged = images.filter(images["correct"].is_valid())
    if not len(judged):
        return {}
    shares = judged.append_column("share", pc.cast(judged["correct"], pa.float64()))
    by_split = shares.group_by("split").aggregate([("share", "mean")]).sort_by("split").to_pylist()
    splits = {row["split"]: row["share_mean"] for row in by_split if row["split"] is not None}
    return {**splits, "all": pc.mean(shares["share"]).as_py()}


def _activations(run: OpenRun, progress: Progress, engine: Engine) -> None:
    _sharded(run, "activations", progress, engine)
    if not run.has(*OF_ALL_IMAGES):
        with fixed_threads(run.job.parameters.threads):
            run.write_missing(_of_all_images(run))
    if not run.has(*OF_THE_NETWORK):
        run.write_missing(_of_the_network(run))
    if run.job.columns and not run.has("columns"):
        run.write("columns", columns_table(run.job.columns, run.job.items))


def _sharded(run: OpenRun, name: str, progress: Progress, engine: Engine, part: Part = WHOLE) -> None:
    """What is missing of the part's shards of a stage, wherever the engine computes it."""
    shards = part.shards(run, name)
    absent = [shard for shard in shards if not SHARDED[name].is_there(run, shard)]
    total, left = (images_of(run, name, each) for each in (shards, absent))
    with progress.stage(name, total, SHARDED[name].unit) as stage:
        stage.skip(total - left)
        if absent:
            engine.compute(run, name, absent, stage.advance)


def _showcase(run: OpenRun, progress: Progress, engine: Engine) -> None:
    """What is missing of the channels' pictures, and how many show a channel that nothing wakes."""
    wanted = run.showcase_wanted
    if not wanted:
        return
    with engine:
        _sharded(run, "showcase", progress, engine)
    dead = sum(pc.sum(run.read("showcase", ["dead"], shard)["dead"]).as_py() for shard in wanted)
    if dead:
        progress.note(
            f"{dead} of {images_of(run, 'showcase', wanted)} channels stay dead: no picture was found that "
            "they answer to (column dead of table showcase)"
        )


def _of_all_images(run: OpenRun) -> dict[str, pa.Table]:
    job, layers = run.job, run.job.model.layers.values()
    made = {name: TABLES[name].empty_table() for name in OF_ALL_IMAGES}
    if run.readable.size and (summary := run.summary()) is not None:
        images = run.read_all("images", ["width", "height"])
        sizes = np.stack([images[side].fill_null(0).to_numpy() for side in ("width", "height")], 1)
        made["channels"] = channels_table(summary, layers, job.group_names)
        made["top_patches"] = top_patches_table(summary, layers, job.model.preprocessing, sizes)
    problems = [
        {"image_id": row, "path": job.items[row].path, "reason": reason} for row, reason in run.problems()
    ]
    made["problems"] = pa.Table.from_pylist(problems, TABLES["problems"])
    return made


def _of_the_network(run: OpenRun) -> dict[str, pa.Table]:
    model = run.job.model
    made = {name: TABLES[name].empty_table() for name in OF_THE_NETWORK}
    if model.layers:
        made["layers"] = layers_table(model.layers.values())
    if (filters := filters_table(model)) is not None:
        made["filters"] = filters
    return made


def _neighbors(run: OpenRun, progress: Progress, engine: Engine) -> None:
    """The neighbour graphs that are needed, and the tables that say which they are."""
    number = len(run.job.items)
    needed = [space for space in SPACES if run.graphs.is_needed(space)]
    with progress.stage("neighbors", number * len(SPACES)) as stage:
        stage.skip(number * (len(SPACES) - len(needed)))
        for space in needed:
            if _is_approximate(run, space, progress):
                stage.advance(number)
            else:
                _exact_graph(run, space, engine, stage)
            if "neighbors" in run.job.parameters.stages:
                with fixed_threads(run.job.parameters.threads):
                    _write_neighbors(run, space)


def _is_approximate(run: OpenRun, space: str, progress: Progress) -> bool:
    """Whether the space's graph, which is there then, is approximate."""
    if not run.job.is_approximate(space) or run.graphs.are_few(space):
        return False
    with fixed_threads(run.job.parameters.threads):
        recall = run.graphs.descend(space, progress.note)
    if recall < LEAST_RECALL and run.job.parameters.neighbors == "auto":
        progress.note(
            f"{space} neighbours: an approximate search finds only {recall:.1%} of them; searched exactly"
        )
        return False
    run.graphs.recalls[space] = recall
    return True


def _exact_graph(run: OpenRun, space: str, engine: Engine, stage: StageProgress) -> None:
    run.graphs.points(space)  # before the workers would all make them
    own = run.graphs.shards_of(space)
    absent = [shard for shard in own if not run.graphs.has_shard(shard)]
    stage.skip(images_of(run, "neighbors", own) - images_of(run, "neighbors", absent))
    if absent:
        engine.compute(run, "neighbors", absent, stage.advance)


def _write_neighbors(run: OpenRun, space: str) -> None:
    found = run.graphs.graph(space, run.digests, neighbors.NEIGHBORS)
    tables = {
        "neighbors": neighbors.neighbors_table(space, run.readable, found),
        "graphs": neighbors.graphs_table(space, run.graphs.recalls.get(space), len(run.graphs.points(space))),
    }
    run.write_missing(tables, list(SPACES).index(space))


def _embeddings(run: OpenRun, progress: Progress) -> None:
    seed, threads = run.job.parameters.seed, run.job.parameters.threads
    missing = run.maps_missing
    with progress.stage("embeddings", len(embeddings.METHODS), "maps") as stage:
        stage.skip(len(embeddings.METHODS) - len(missing))
        if not missing:
            return
        features = run.unit_features
        principal = embeddings.principal_components(features, seed)
        graph = run.graphs.graph("feature", np.arange(len(features)), embeddings.GRAPH_NEIGHBORS)
        points = embeddings.Points(features, graph, principal, seed, threads)
        for shard in missing:
            method = tuple(embeddings.METHODS)[shard]
            run.write_missing(_map_tables(run, method, points, progress), shard)
            stage.advance()


def _map_tables(
    run: OpenRun, method: str, points: embeddings.Points, progress: Progress
) -> dict[str, pa.Table]:
    """A method's part of `embeddings` and `maps`: empty where it comes to no map."""
    try:
        made = embeddings.embed(method, points)
    except embeddings.NoMap as error:
        progress.note(f"map left out: {error}")
        return {name: TABLES[name].empty_table() for name in ("embeddings", "maps")}
    rows = embeddings.embeddings_table(method, len(run.job.items), run.readable, made.coordinates)
    return {"embeddings": rows, "maps": embeddings.maps_table(method, points, made)}


def _grid(run: OpenRun, progress: Progress) -> None:
    with progress.stage("grid", len(embeddings.METHODS), "maps") as stage:
        for shard, method in enumerate(embeddings.METHODS):
            if run.has("grids", shard=shard):
                stage.skip(1)
                continue
            plane = run.read("embeddings", ["x", "y"], shard)
            if not len(plane):
                run.write("grids", TABLES["grids"].empty_table(), shard)
                stage.advance()
                continue
            coordinates = np.stack([plane[axis].to_numpy() for axis in ("x", "y")], 1)[run.readable]
            seed = run.job.parameters.seed
            rows = grid.grids_table(method, coordinates, run.readable, run.unit_features, seed)
            run.write("grids", rows, shard)
            stage.advance()


STAGES = {
    "embeddings": _embeddings,
    "grid": _grid,
}
"""Those that need all images at once."""


def _is_current(store: Store, fingerprint: str) -> bool:
    try:
        return store.current() == fingerprint
    except ValueError:
        return False


def _new_fields(run: OpenRun, progress: Progress) -> dict:
    images = run.read_all("images", ["split", "correct"])
    problems = run.read("problems", ["image_id"], 0).num_rows
    notes = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "timings": {stage: round(seconds, 2) for stage, seconds in progress.seconds.items()},
    }
    if left_out := stages_left_out(run.job.model) | _maps_left_out(run):
        notes["left_out"] = left_out
    if run.job.parameters.precision != "float32":
        notes["precision_error"] = _precision_error(run.job)
    return run.job.manifest_fields(accuracy(images), problems, notes)


def _maps_left_out(run: OpenRun) -> dict[str, str]:
    """Methods that came to no map, each with the reason."""
    if "embeddings" not in run.job.parameters.stages:
        return {}
    empty = (
        method
        for shard, method in enumerate(embeddings.METHODS)
        if not len(run.read("maps", ["method"], shard))
    )
    return {f"map {method}": embeddings.NO_MAP for method in empty}


def _precision_error(job: Job) -> dict[str, float]:
    with fixed_threads(job.parameters.threads):
        return precision_error(job.model, job.source, job.items, job.parameters.precision)


def _at_its_places(manifest: Manifest, job: Job) -> Manifest:
    """The manifest with the places where images and network are read now: they may have been moved since."""
    images = {**manifest.images, "spec": job.source.spec, "root": job.source.root}
    model = {
        **manifest.model,
        "spec": json.loads(json.dumps(dict(job.spec))),
    }  # as the manifest's file has it
    return replace(manifest, images=images, model=model)


def _fields(manifest: Manifest) -> dict:
    written_by_commit = {"fingerprint", "files", "schema_version"}
    return {
        each.name: getattr(manifest, each.name)
        for each in fields(manifest)
        if each.name not in written_by_commit
    }
