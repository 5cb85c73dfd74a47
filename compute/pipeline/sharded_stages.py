"""The stages that are computed shard by shard, each shard by whoever gets it: this process, another one,
another machine. A shard is written as soon as it is done, and skipped where it is there already."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from compute.analysis.search import SPACES
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.open_run import OpenRun, activations
from compute.pipeline.shards import Advance, activations_shard, occlusion_shard, read_ahead
from compute.pipeline.stages.showcase import showcase_table

OF_ALL_IMAGES = ("channels", "top_patches", "problems")
"""Tables that are merged from what the network says of all images."""


IMAGES, CHANNELS = "images", "channels"


class ShardedStage(NamedTuple):
    """A stage that is computed shard by shard.

    shards: the image ids of each shard, or its channels
    is_there: whether a shard needs not be computed any more
    compute: computes these shards in order, and calls `Advance` as it goes
    wanted: numbers of those that the run is to have; without it, all
    unit: what a shard holds
    """

    shards: Callable[[OpenRun], list[range]]
    is_there: Callable[[OpenRun, int], bool]
    compute: Callable[[OpenRun, Sequence[int], Advance], None]
    wanted: Callable[[OpenRun], Sequence[int]] | None = None
    unit: str = IMAGES


def images_of(run: OpenRun, stage: str, shards: Sequence[int]) -> int:
    """Return how many images these shards hold, or how many of the stage's unit."""
    ids = SHARDED[stage].shards(run)
    return sum(len(ids[shard]) for shard in shards)


def compute_shard(run: OpenRun, stage: str, shard: int, advance: Advance) -> None:
    """Compute one shard, where it isn't there: the same bytes from every process of one environment."""
    if SHARDED[stage].is_there(run, shard):
        advance(images_of(run, stage, [shard]))
    else:
        compute_shards(run, stage, [shard], advance)


def compute_shards(run: OpenRun, stage: str, shards: Sequence[int], advance: Advance) -> None:
    """Compute these shards one after the other; the next one's images are decoded meanwhile."""
    with fixed_threads(run.job.parameters.threads):  # anew: numba sets OpenMP's number for all
        SHARDED[stage].compute(run, shards, advance)


def _has_activations(run: OpenRun, shard: int) -> bool:
    is_merged = run.has(*OF_ALL_IMAGES) and not run.graphs.is_needed("pixel")
    there = run.has("images", "features", shard=shard)
    return there and (is_merged or run.partials.has(activations(shard)))


def _activations(run: OpenRun, shards: Sequence[int], advance: Advance) -> None:
    with closing(read_ahead(run.job, [run.shards[shard] for shard in shards])) as pictures:
        for shard in shards:
            made = activations_shard(run.job, run.shards[shard], pictures, advance)
            run.write_partial(shard, made)
            run.write_missing({"features": made.features, "images": made.images}, shard)


def _occlusion(run: OpenRun, shards: Sequence[int], advance: Advance) -> None:
    with fixed_threads(1):
        for shard in shards:
            ids = run.occlusion_shards[shard]
            run.write("occlusion", occlusion_shard(run.job, ids, run.targets(ids), advance), shard)


def _showcase(run: OpenRun, shards: Sequence[int], advance: Advance) -> None:
    for shard in shards:
        rows = showcase_table(run.job.model, run.showcase_shards[shard], run.job.fingerprint, advance)
        run.write("showcase", rows, shard)


def _neighbors(run: OpenRun, shards: Sequence[int], advance: Advance) -> None:
    for shard in shards:
        run.graphs.write_shard(shard)
        advance(images_of(run, "neighbors", [shard]))


SHARDED = {
    "activations": ShardedStage(lambda run: run.shards, _has_activations, _activations),
    "neighbors": ShardedStage(
        lambda run: run.shards * len(SPACES),
        lambda run, shard: run.graphs.has_shard(shard),
        _neighbors,
    ),
    "occlusion": ShardedStage(
        lambda run: run.occlusion_shards, lambda run, shard: run.has("occlusion", shard=shard), _occlusion
    ),
    "showcase": ShardedStage(
        lambda run: [each.channels for each in run.showcase_shards],
        lambda run, shard: run.has("showcase", shard=shard),
        _showcase,
        lambda run: run.showcase_wanted,
        CHANNELS,
    ),
}


@dataclass(frozen=True)
class Part:
    """One of several parts of a job's shards, for processes that share nothing but the store.

    number: which part, counted from 1
    count: how many parts there are
    Part k of n has every n-th shard of images, and of channels, beginning with the k-th.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read a part from text such as 3/16; ValueError for anything else."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ValueError(f"part {text!r} must be such as 3/16: the third of sixteen, counted from 1")
        return cls(int(number), int(count))

    def shards(self, run: OpenRun, stage: str) -> list[int]:
        """Return the part's shards of a stage: those whose images all lie in its shards of images.

        A shard that lies across two parts belongs to none of them, and is left to `build`, as are approximate
        neighbours, which are not found shard by shard.
        """
        asked = SHARDED[stage]
        ids = asked.shards(run)
        wanted = range(len(ids)) if asked.wanted is None else asked.wanted(run)
        if asked.unit == CHANNELS:
            return [shard for shard in wanted if self._has(shard)]
        approximate = filter(run.job.is_approximate, SPACES)
        whole = {shard for space in approximate for shard in run.graphs.shards_of(space)}
        return [
            shard
            for shard in wanted
            if all(map(self._has, run.shards_with(ids[shard])))
            and not (stage == "neighbors" and shard in whole)
        ]

    def _has(self, shard: int) -> bool:
        return shard % self.count == self.number - 1


WHOLE = Part(1, 1)
