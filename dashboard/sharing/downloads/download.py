"""What a page offers to download: files, numbers, and the command line that makes the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from compute.reports.base import ReportInputs, ReportSpec
from compute.reports.drawing.formats import CSV, PARQUET, PNG
from compute.reports.drawing.report import Report
from dashboard.data import runs
from featurestore.places import Place
from featurestore.reader import Run

PICTURE_AND_NUMBERS, NUMBERS = (PNG, CSV, PARQUET), (CSV, PARQUET)


@dataclass(frozen=True)
class Download:
    """A file or some that a page offers; nothing is read or drawn before it is asked for.

    name: stem of its files.
    title: for people.
    make: makes the report; it, and what is drawn, raise ValueError where that can't be done.
    command: the command line that makes the same; None where none does.
    formats: suffixes of the files it comes as.
    """

    name: str
    title: str
    make: Callable[[], Report]
    command: str | None
    formats: tuple[str, ...] = PICTURE_AND_NUMBERS

    @cached_property
    def report(self) -> Report:
        """Make the report, once."""
        return self.make()

    def file(self, suffix: str) -> bytes:
        """Return the bytes of a file with this suffix."""
        return self.report.file(suffix)

    @property
    def picture(self) -> bytes | None:
        """Return the PNG, with the recipe in its metadata; None where there are numbers alone."""
        return self.file(PNG) if PNG in self.formats else None

    @property
    def table(self) -> pa.Table:
        """Return the rows."""
        return self.report.tabulate()

    @property
    def numbers(self) -> Mapping[str, Any]:
        """Return the numbers, ready for JSON."""
        return self.report.numbers


def report_download(
    spec: ReportSpec,
    store: Place,
    inputs: ReportInputs,
    name: str,
    title: str,
    make: Callable[[], Report] | None = None,
    **options: Any,
) -> Download:
    """Return a declared report as a download: its command line and its files follow from the declaration.

    store: as the command line names it.
    name: stem of the files.
    make: makes the report where it isn't simply made here, such as in the queue.
    options: of the command line, beside the parameters and inputs.
    A selection of images has no command line: it lies in the dashboard's own folder beside the store.
    """
    command = None
    if inputs.ids is None:
        options |= {each: getattr(inputs, each) for each in ("image_id", "layer", "channel")}
        out = name + (PNG if spec.has_picture else CSV)
        command = spec.command(store, inputs.run, out, **options)
    formats = PICTURE_AND_NUMBERS if spec.has_picture else NUMBERS
    return Download(name, title, make or (lambda: spec.make(inputs)), command, formats)


def path_said(store: Place) -> Place:
    """Return a store as a command line in the server's folder names it."""
    here = Path.cwd()
    if not isinstance(store, Path):
        return store
    return store.relative_to(here) if store.is_relative_to(here) else store


def own_code(run: Run) -> str | None:
    """Return what --model must name to run the network where it is the user's own code; None elsewhere.

    None too where this server doesn't trust that code: whoever gives the command is to name it themselves.
    """
    code = runs.own_code(run)
    return None if code is None else code.model
