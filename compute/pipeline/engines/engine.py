"""What the pipeline asks of an engine, and the engine that computes shards in this process."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import compute_shards


class Engine(Protocol):
    """Computes shards of an open run and writes them into its folder. A context, on whose end its workers end
    too, whatever they were at: what they had not finished is computed by the same command, given again."""

    def compute(
        self, run: OpenRun, stage: str, shards: Sequence[int], advance: Callable[[int], None]
    ) -> None:
        """All of these shards. advance: called with the number of images just done. What goes wrong in a
        worker is raised here, ValueError and OSError as they are."""

    def __enter__(self) -> "Engine": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Local(AbstractContextManager):
    """The engine without workers: shards are computed here, one after the other."""

    def compute(
        self, run: OpenRun, stage: str, shards: Sequence[int], advance: Callable[[int], None]
    ) -> None:
        compute_shards(run, stage, shards, advance)

    def __exit__(self, *_: object) -> None:
        pass
