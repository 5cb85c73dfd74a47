"""One of several parts of a job's shards, for processes that share nothing but the store's folder."""

from dataclasses import dataclass

from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import SHARDED


@dataclass(frozen=True)
class Part:
    """The `number`-th of `count` parts, counted from 1: every count-th shard of images."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """From such as "3/16"; ValueError for anything else."""
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise ValueError(f"part {text!r} must be such as 3/16: the third of sixteen, counted from 1")
        return cls(int(number), int(count))

    def shards(self, run: OpenRun, stage: str) -> list[int]:
        """Its shards of a stage: those whose images all lie in its shards of images. A shard that lies across
        two parts is nobody's, and left to `build`."""
        return [
            shard
            for shard, ids in enumerate(SHARDED[stage].shards(run))
            if all(each % self.count == self.number - 1 for each in run.shards_with(ids))
        ]


WHOLE = Part(1, 1)
