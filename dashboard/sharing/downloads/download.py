"""A picture of a page to download: its files, its numbers, and the command line that makes the same."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from compute.models.zoo import ModelSpec
from compute.reports.drawing.report import CSV, PARQUET, PNG, Report
from featurestore.places import Place
from featurestore.reader import Run

PICTURE_AND_NUMBERS, NUMBERS = (PNG, CSV, PARQUET), (CSV, PARQUET)


@dataclass(frozen=True)
class Download:
    """Nothing is read or drawn before it is asked for; what is drawn raises ValueError where it can't be.

    name: stem of its files. command: None where no command line makes it. formats: of the files it comes as.
    """

    name: str
    title: str
    make: Callable[[], Report]
    command: str | None
    formats: tuple[str, ...] = PICTURE_AND_NUMBERS

    @cached_property
    def report(self) -> Report:
        return self.make()

    def file(self, suffix: str) -> bytes:
        return self.report.file(suffix)

    @property
    def picture(self) -> bytes | None:
        """PNG, its recipe in the metadata; None for a download of numbers alone."""
        return self.file(PNG) if PNG in self.formats else None

    @property
    def table(self) -> pa.Table:
        return self.report.tabulate()

    @property
    def numbers(self) -> Mapping[str, Any]:
        return self.report.numbers


def command_line(command: str, store: Place, run: Run, out: str, **options: Any) -> str:
    """`python -m compute …` on this very run. options: None is left out; True and False: --x, --no-x."""
    asked = {"store": store, "run": run.fingerprint, **options}
    words = [word for name, value in asked.items() for word in _option(name.replace("_", "-"), value)]
    return shlex.join(["python", "-m", "compute", command, *words, "--out", out])


def path_said(store: Place) -> Place:
    """As a command line in the server's folder names it."""
    here = Path.cwd()
    if not isinstance(store, Path):
        return store
    return store.relative_to(here) if store.is_relative_to(here) else store


def own_code(run: Run) -> str | None:
    """What --model must name so that the command line runs the network, where it is code of the user's."""
    spec = ModelSpec.from_dict(run.manifest.model["spec"])
    return spec.model if spec.runs_user_code else None


def _option(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (f"--{name}" if value else f"--no-{name}",)
    return () if value in (None, "") else (f"--{name}", str(value))
