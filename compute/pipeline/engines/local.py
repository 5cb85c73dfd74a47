"""Shards in this process, one after the other."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import compute_shards


class Local(AbstractContextManager):
    """The engine without workers."""

    def compute(
        self, run: OpenRun, stage: str, shards: Sequence[int], advance: Callable[[int], None]
    ) -> None:
        compute_shards(run, stage, shards, advance)

    def __exit__(self, *_) -> None:
        pass
