"""The one protocol of all reports: the parameters of one, what it is made from, and the `Report` it makes.

A report is declared as a live method is: a frozen dataclass whose fields are its parameters. The command
line, the dashboard's downloads, the shown command line and the contract test are made from that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from compute.images.sources import open_source
from compute.methods.base import CHANNEL, IMAGE, LAYER
from compute.models.model import Model
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import Originals, read_original
from compute.runtime.parameters import Parameters, command_line
from featurestore.places import Place
from featurestore.reader import Run

RUN, OTHER_RUN, OTHER_RUNS = "run", "other_run", "other_runs"
MODEL, OTHER_MODEL, STORED_IMAGE = "model", "other_model", "image_id"
"""With IMAGE, LAYER and CHANNEL, which live methods read too: what a report is made from."""

Ids = Sequence[int] | np.ndarray | None


@dataclass(frozen=True)
class ReportInputs:
    """What a report is made from; its `needs` and `takes` say which of these it reads.

    run, other_run: runs of stores.
    other_runs: of a report of many runs, all but the first.
    model, other_model: load the network of each run, which is done only where the report needs it.
    image_id: one of the run's images.
    image: the bytes of an image's file, of the run or not; without it, those of `image_id`.
    image_name: how a message says the image.
    layer, channel: a layer's name, and an index in it.
    ids: the images of the run that count; None for all.
    read: reads the file of one of the run's images.
    """

    run: Run | None = None
    other_run: Run | None = None
    model: Callable[[], Model] | None = None
    image_id: int | None = None
    image: bytes | None = None
    image_name: str = ""
    layer: str | None = None
    channel: int | None = None
    ids: Ids = None
    read: Originals = read_original
    other_runs: tuple[Run, ...] | None = None
    other_model: Callable[[], Model] | None = None

    def image_file(self) -> bytes:
        """Return the bytes of the image's file; ValueError where the run's image is gone or has changed."""
        return self.read(self.run, self.image_id) if self.image is None else self.image


@dataclass(frozen=True)
class ReportSpec(Parameters):
    """Base of all declared reports. Subclasses set the class variables, declare parameters and write `_make`.

    name: on the command line.
    title: for people.
    description: what the picture and the rows show, in a sentence or two.
    needs: the inputs it can't do without.
    takes: those it can use as well.
    has_picture: False where it is numbers and rows alone.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset({RUN})
    takes: ClassVar[frozenset[str]] = frozenset()
    has_picture: ClassVar[bool] = True

    def make(self, inputs: ReportInputs) -> Report:
        """Return the report; ValueError that says what is missing or wrong."""
        for need in sorted(self.needs):
            if not _given(inputs, need):
                raise ValueError(f"{self.name} needs {_SPOKEN[need]}")
        return self._make(inputs)

    def command(self, store: Place, run: Run, out: str, **inputs: Any) -> str:
        """Return the command line that writes this report of `run` to `out`.

        inputs: further options by their names.
        """
        named = {"store": store, "run": run.fingerprint, **inputs}
        return command_line(self.name, named | self.options(), out)

    def _make(self, inputs: ReportInputs) -> Report:
        raise NotImplementedError(f"{type(self).__name__} has no _make")


def originals_of(run: Run) -> Originals:
    """Return a reader of this run's images, which opens their source once, when the first is read."""
    source = cache(lambda: open_source(run.manifest.images["spec"]))
    return lambda run, image_id: read_original(run, image_id, source())


_SPOKEN = {
    RUN: "a store (--store)",
    OTHER_RUN: "a second store (--other-store)",
    OTHER_RUNS: "further stores (--other-stores)",
    MODEL: "a network (--model, or --store)",
    OTHER_MODEL: "the other run's network (--other-model, or --other-store)",
    IMAGE: "an image (--image FILE or, with --store, --image-id N)",
    STORED_IMAGE: "one of the store's images (--image-id)",
    LAYER: "a layer (--layer)",
    CHANNEL: "a channel (--channel)",
}


def _given(inputs: ReportInputs, need: str) -> bool:
    if need == IMAGE:
        return inputs.image is not None or inputs.image_id is not None
    return getattr(inputs, need) is not None
