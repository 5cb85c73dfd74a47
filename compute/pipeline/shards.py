"""The units of work: what is computed of one shard of images, by the two stages that run the network over
all.

Each is a pure function of the job and the shard's image_ids. Which images a shard and a batch hold follows
from the sorted ids alone, so that a shard comes out the same, whoever computes it and when."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pyarrow as pa
import torch

from compute.occlusion import OcclusionMaps
from compute.pipeline.job import READERS, Job
from compute.pixel_space import pixel_vectors
from compute.stages.activations import UNREADABLE_SCORES, batch_size, feature_rows, forward, image_rows
from compute.stages.channels import Summary, merge, summarise
from compute.stages.occlusion import occlusion_table
from compute.stages.reading import Picture, ahead, read_picture

SHARD_IMAGES = 512
OCCLUSION_SHARD_IMAGES = 128
"""Fewer: the network runs some fifty times for each."""

Advance = Callable[[int], None]
"""Called with the number of images just done."""


@dataclass(frozen=True)
class ActivationsShard:
    """images, features: rows of the tables. summary: of the readable images' channels, None without images or
    channels. pixel_ids (m,), pixels (m, P) float32: of the readable images. problems: image_id and reason of
    the others.
    """

    images: pa.Table
    features: pa.Table
    summary: Summary | None
    pixel_ids: np.ndarray
    pixels: np.ndarray
    problems: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class _Batch:
    """pictures: without their crops. logits, features: rows of NaN where there are none. pixels: of the
    others.
    """

    pictures: tuple[Picture, ...]
    logits: np.ndarray
    features: np.ndarray
    pixels: np.ndarray
    summary: Summary | None


def shard_ids(number: int, size: int) -> list[range]:
    """The image_ids of each shard."""
    return [range(start, min(start + size, number)) for start in range(0, number, size)]


def activations_shard(job: Job, ids: range, advance: Advance) -> ActivationsShard:
    """One forward pass over the images `ids`."""
    size = batch_size(job.model)
    batches = []
    for rows, pictures in _read(job, ids, size):
        batches.append(_run(job, rows, pictures, size))
        advance(len(rows))
    pictures = [picture for batch in batches for picture in batch.pictures]
    logits = np.concatenate([batch.logits for batch in batches])
    summaries = [batch.summary for batch in batches if batch.summary is not None]
    return ActivationsShard(
        image_rows(ids.start, job.items[ids.start : ids.stop], pictures, logits, job.model.classes),
        feature_rows(ids.start, np.concatenate([batch.features for batch in batches])),
        reduce(merge, summaries) if summaries else None,
        ids.start + np.flatnonzero(~np.isnan(logits).any(1)),
        np.concatenate([batch.pixels for batch in batches]),
        tuple((row, picture.reason) for row, picture in zip(ids, pictures, strict=True) if picture.reason),
    )


def occlusion_shard(job: Job, ids: range, targets: Sequence[str | None], advance: Advance) -> pa.Table:
    """Table `occlusion` of the images `ids`; targets: a class for each, None where there is no prediction.

    On a CPU several batches run side by side, and are meant to be on one thread each: its many small
    operations would wait for each other's threads more than they compute."""
    size = job.occluder.images_at_once
    batches = [range(start, min(start + size, ids.stop)) for start in range(ids.start, ids.stop, size)]
    there, chosen, maps = [], [], []

    def occlude(rows: range) -> tuple[list[int], list[str], list[OcclusionMaps]]:
        wanted = {row: target for row in rows if (target := targets[row - ids.start]) is not None}
        pictures = [read_picture(job.source, job.items[row], job.model.preprocessing) for row in wanted]
        names = list(wanted.values())
        return list(wanted), names, job.occluder.maps([picture.crop for picture in pictures], names)

    workers = job.parameters.threads if job.model.device.type == "cpu" else 1
    for rows, done in zip(batches, ahead(occlude, batches, workers, 2 * workers), strict=True):
        for kept, new in zip((there, chosen, maps), done, strict=True):
            kept += new
        advance(len(rows))
    return occlusion_table(there, chosen, maps)


def _read(job: Job, ids: range, size: int) -> Iterator[tuple[range, list[Picture]]]:
    """Batches of `size` images, read and decoded ahead of the network."""
    items = job.items[ids.start : ids.stop]
    pictures = ahead(
        lambda item: read_picture(job.source, item, job.model.preprocessing),
        items,
        READERS,
        2 * size + READERS,
    )
    for start in range(ids.start, ids.stop, size):
        rows = range(start, min(start + size, ids.stop))
        yield rows, [next(pictures) for _ in rows]


def _run(job: Job, ids: range, pictures: Sequence[Picture], size: int) -> _Batch:
    logits = np.full((len(ids), len(job.model.classes)), np.nan, np.float32)
    features = np.full((len(ids), job.feature_dim), np.nan, np.float32)
    readable = np.array([place for place, picture in enumerate(pictures) if picture.reason is None], np.int64)
    if not len(readable):
        return _Batch(tuple(pictures), logits, features, np.zeros((0, job.pixel_dim), np.float32), None)
    crops = torch.stack([pictures[place].crop for place in readable])
    values = forward(job.model, crops, size)
    good, failed = readable[values.finite], set(readable[~values.finite].tolist())
    logits[good], features[good] = values.logits[values.finite], values.features[values.finite]
    summary = None
    if values.channels is not None and len(good):
        summary = summarise(
            values.channels.rows(values.finite), ids.start + good, job.groups(ids.start + good, logits[good])
        )
    return _Batch(
        tuple(_without_crop(picture, place in failed) for place, picture in enumerate(pictures)),
        logits, features, pixel_vectors(crops[torch.from_numpy(values.finite)]).numpy(), summary,
    )  # fmt: skip


def _without_crop(picture: Picture, failed: bool) -> Picture:
    return replace(picture, crop=None, reason=UNREADABLE_SCORES if failed else picture.reason)
