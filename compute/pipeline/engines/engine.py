"""What the pipeline asks of an engine."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from compute.pipeline.open_run import OpenRun


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
