"""The units of work: what is computed of one shard of images, by the two stages that run the network over
all.

Each is a pure function of the job and the shard's image_ids. Which images a shard and a batch hold follows
from the sorted ids alone, so that a shard comes out the same, whoever computes it and when."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import pyarrow as pa
import torch

from compute.images.loading import Picture, ahead, read_picture
from compute.images.pixel_vectors import pixel_vectors
from compute.occlusion.maps import OcclusionMaps
from compute.pipeline.job import UNREAD, Job
from compute.pipeline.stages.activations import UNREADABLE_SCORES, UnderWay, feature_rows, image_rows
from compute.pipeline.stages.channels import ChannelValues, Summary, merge, summarise
from compute.pipeline.stages.occlusion import occlusion_table

SHARD_IMAGES = 512
OCCLUSION_SHARD_IMAGES = 128
"""Fewer: the network runs some fifty times for each."""

SUMMARISED_AT_ONCE = 128
"""Images; a summary costs as much for one as for many."""

Advance = Callable[[int], None]
"""Called with the number of images just done."""


@dataclass(frozen=True)
class ActivationsShard:
    """What the one forward pass makes of a shard of images.

    images, features: rows of these tables
    summary: of the readable images' channels, None without images or channels
    pixel_ids: (m,) ids of the readable images
    pixels: (m, P) float32, their pixel vectors
    problems: id and reason of each image that can't be read
    """

    images: pa.Table
    features: pa.Table
    summary: Summary | None
    pixel_ids: np.ndarray
    pixels: np.ndarray
    problems: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class _Begun:
    """A batch that the network has been given.

    ids: of its images
    pictures: of all of them
    readable: (m,) places of those that have a crop
    crops: (m, C, H, W)
    under_way: what the network gives for the crops; None without any
    """

    ids: range
    pictures: Sequence[Picture]
    readable: np.ndarray
    crops: torch.Tensor
    under_way: UnderWay | None


@dataclass(frozen=True)
class _Batch:
    """What one batch gives.

    pictures: without their crops
    logits, features: (n, K) and (n, D), rows of NaN where there are none
    good: (m,) ids of the images that have them
    pixels: (m, P), their pixel vectors
    channels: what their channels do, None for a network without convolutions
    """

    pictures: tuple[Picture, ...]
    logits: np.ndarray
    features: np.ndarray
    good: np.ndarray
    pixels: np.ndarray
    channels: ChannelValues | None


def shard_ids(number: int, size: int) -> list[range]:
    """Return the image ids of each shard of at most `size` images."""
    return _ranges(range(number), size)


def activations_shard(
    job: Job, ids: range, pictures: Iterator[Picture], advance: Advance
) -> ActivationsShard:
    """Run the network once over the images `ids`, whose pictures come next from `pictures`."""
    batches, summaries, waiting = [], [], []
    for batch in _batches(job, ids, pictures):
        waiting.append(batch)
        if sum(len(each.good) for each in waiting) >= SUMMARISED_AT_ONCE:
            summaries += _summaries(job, waiting)
            waiting = []
        batches.append(replace(batch, channels=None))
        advance(len(batch.pictures))
    summaries += _summaries(job, waiting)
    seen = [picture for batch in batches for picture in batch.pictures]
    return ActivationsShard(
        image_rows(
            ids.start,
            job.items[ids.start : ids.stop],
            seen,
            _joined(batches, "logits"),
            job.model.classes,
            job.model.output,
            job.labels_are_lists,
        ),
        feature_rows(ids.start, _joined(batches, "features")),
        reduce(merge, summaries) if summaries else None,
        _joined(batches, "good"),
        _joined(batches, "pixels"),
        tuple((row, picture.reason) for row, picture in zip(ids, seen, strict=True) if picture.reason),
    )


def read_ahead(job: Job, shards: Sequence[range]) -> Generator[Picture, None, None]:
    """Yield the pictures of all these shards in order, read and decoded ahead of the network."""
    rows = (row for ids in shards for row in ids)
    depth = 2 * job.one_pass.batch + job.readers
    return ahead(lambda row: _picture(job, row), rows, job.readers, depth)


def occlusion_shard(job: Job, ids: range, targets: Sequence[str | None], advance: Advance) -> pa.Table:
    """Return table `occlusion` of the images `ids`.

    targets: a class for each image, None where there is no prediction
    advance: called with the number of images just done

    On a CPU several batches run side by side, each meant to be on one thread: their many small operations
    would wait for each other's threads more than they compute.
    """
    size = job.occlusion_stage.images_at_once
    batches = _ranges(ids, size)
    there: list[int] = []
    chosen: list[str] = []
    maps: list[OcclusionMaps] = []

    def occlude(rows: range) -> tuple[list[int], list[str], list[OcclusionMaps]]:
        wanted = {row: target for row in rows if (target := targets[row - ids.start]) is not None}
        crops = [_crop(job, row) for row in wanted]
        names = list(wanted.values())
        return list(wanted), names, job.occlusion_stage.maps(crops, names)

    workers = job.parameters.threads if job.model.device.type == "cpu" else 1
    for rows, done in zip(batches, ahead(occlude, batches, workers, 2 * workers), strict=True):
        there += done[0]
        chosen += done[1]
        maps += done[2]
        advance(len(rows))
    return occlusion_table(there, chosen, maps)


def _picture(job: Job, row: int) -> Picture:
    """Read an image of the job.

    ValueError where it is not what it was when the job began, or is not there for this machine.
    """
    picture = read_picture(job.source, job.items[row], job.model.preprocessing)
    if (picture.sha256 or f"{UNREAD}{picture.reason}") != job.digests[row]:
        what = "its bytes are others" if picture.sha256 else picture.reason
        raise ValueError(
            f"{job.items[row].path} in {job.source.root} is not what it was when the run began: {what}"
        )
    return picture


def _crop(job: Job, row: int) -> torch.Tensor:
    """(C, H, W) in [0, 1]; ValueError where the image can't be decoded any more."""
    picture = _picture(job, row)
    if picture.crop is None:
        raise ValueError(f"{job.items[row].path} can't be read any more: {picture.reason}")
    return picture.crop


def _batches(job: Job, ids: range, pictures: Iterator[Picture]) -> Iterator[_Batch]:
    """What each batch gives, in order. A batch is begun before the one before it is asked for its values, so
    that a GPU always has something to do."""
    before = None
    for rows in _ranges(ids, job.one_pass.batch):
        begun = _begun(job, rows, [next(pictures) for _ in rows])
        if before is not None:
            yield _finished(job, before)
        before = begun
    if before is not None:
        yield _finished(job, before)


def _begun(job: Job, ids: range, pictures: Sequence[Picture]) -> _Begun:
    readable = np.array([place for place, picture in enumerate(pictures) if picture.reason is None], np.int64)
    crops = [picture.crop for picture in pictures if picture.crop is not None]
    if not crops:
        return _Begun(ids, pictures, readable, torch.zeros(0), None)
    stacked = torch.stack(crops)
    return _Begun(ids, pictures, readable, stacked, job.one_pass.begun(stacked))


def _finished(job: Job, begun: _Begun) -> _Batch:
    number, pictures = len(begun.ids), begun.pictures
    logits = np.full((number, len(job.model.classes)), np.nan, np.float32)
    features = np.full((number, job.feature_dim), np.nan, np.float32)
    if begun.under_way is None:
        none = np.zeros((0, job.pixel_dim), np.float32)
        return _Batch(tuple(pictures), logits, features, begun.readable, none, None)
    values = job.one_pass.finished(begun.under_way)
    good, failed = begun.readable[values.finite], set(begun.readable[~values.finite].tolist())
    logits[good], features[good] = values.logits[values.finite], values.features[values.finite]
    return _Batch(
        tuple(_without_crop(picture, place in failed) for place, picture in enumerate(pictures)),
        logits,
        features,
        begun.ids.start + good,
        pixel_vectors(begun.crops).numpy()[values.finite],
        None if values.channels is None else values.channels.rows(values.finite),
    )


def _summaries(job: Job, batches: Sequence[_Batch]) -> list[Summary]:
    """The one summary of the batches' images; none where there is nothing to summarise."""
    some = [batch for batch in batches if batch.channels is not None and len(batch.good)]
    if not some:
        return []
    known = np.concatenate([batch.logits[~np.isnan(batch.logits).any(1)] for batch in some])
    ids = _joined(some, "good")
    return [
        summarise(
            ChannelValues.joined([batch.channels for batch in some if batch.channels is not None]),
            ids,
            job.groups(ids, known),
        )
    ]


def _joined(batches: Sequence[_Batch], name: str) -> np.ndarray:
    return np.concatenate([getattr(batch, name) for batch in batches])


def _ranges(ids: range, size: int) -> list[range]:
    return [range(start, min(start + size, ids.stop)) for start in range(ids.start, ids.stop, size)]


def _without_crop(picture: Picture, failed: bool) -> Picture:
    return replace(picture, crop=None, reason=UNREADABLE_SCORES if failed else picture.reason)
