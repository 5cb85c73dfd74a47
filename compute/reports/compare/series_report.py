"""A series of runs over the same images as a report: a row a run, and curves over them."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from compute.reports.base import OTHER_RUNS, RUN, ReportInputs, ReportSpec
from compute.reports.compare.pictures import series_picture
from compute.reports.compare.series import MOST, ORDERS, SHORT, Measures, Series, series_of
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import of_run
from compute.runtime.parameters import parameter
from featurestore.reader import Run

NEIGHBORS = 10


@dataclass(frozen=True)
class SeriesSpec(ReportSpec):
    """How runs over the same images develop."""

    name: ClassVar[str] = "series"
    title: ClassVar[str] = "A series of runs over the same images"
    description: ClassVar[str] = (
        f"Puts 2 to {MOST} runs over the same images, such as the checkpoints of a training, in order. Of "
        "each it has the accuracy on the labelled images that all runs have, the overlap of the nearest "
        "neighbours and the linear CKA of the features, with the reference and with the run before, and what "
        "chance gives."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, OTHER_RUNS})

    order: str = parameter(
        "name", "by the stores' names, in which numbers are read as such, or by when they were made",
        choices=ORDERS,
    )  # fmt: skip
    reference: str = parameter(
        "", "the run that all are compared with: the beginning of its fingerprint; the first store's if empty"
    )
    k: int = parameter(NEIGHBORS, "how many nearest neighbours of each image", low=1, high=1000)

    def _make(self, inputs: ReportInputs) -> Report:
        return series_report(inputs, self)


def series_report(inputs: ReportInputs, asked: SeriesSpec, measures: Measures | None = None) -> Report:
    """Report on a series; ValueError for runs that make none, see `series_of`, and an unknown reference.

    measures: what is asked of the runs; anew where none are given.
    """
    runs = (inputs.run, *inputs.other_runs)
    reference = reference_of(runs, asked.reference)
    found = series_of(runs, reference, asked.k, asked.order, measures or Measures())
    first, last = found.steps[0], found.steps[-1]
    return Report(
        {
            "exhibit": "series",
            "order": asked.order,
            "k": asked.k,
            **of_run(reference),
            "runs": [of_run(step.run) for step in found.steps],
        },
        {
            "runs": len(found.steps),
            "reference": reference.fingerprint,
            "judged": found.judged,
            "accuracy_first": first.accuracy,
            "accuracy_last": last.accuracy,
            "overlap_first": first.overlap,
            "overlap_last": last.overlap,
            "cka_first": first.cka,
            "cka_last": last.cka,
        },
        lambda: series_picture(found, asked.k),
        lambda: series_table(found),
    )


def reference_of(runs: tuple[Run, ...], beginning: str) -> Run:
    """Return the one of the runs whose fingerprint begins like this, the first for ""; ValueError without."""
    for run in runs:
        if run.fingerprint.startswith(beginning):
            return run
    known = ", ".join(run.fingerprint[:SHORT] for run in runs)
    raise ValueError(f"no run of the series begins with {beginning!r}; choose from {known}")


def series_table(series: Series) -> pa.Table:
    """Return a row a run, in order; shares are 0 to 1, null where they can't be measured."""
    steps, shares = series.steps, pa.float64()
    names = ("accuracy", "overlap", "chance", "overlap_before", "cka", "cka_chance", "cka_before")
    columns = {name: pa.array([getattr(step, name) for step in steps], shares) for name in names}
    made = [str(step.run.manifest.notes.get("created", "")) or None for step in steps]
    return pa.table(
        {
            "name": [step.name for step in steps],
            "run": [step.run.fingerprint for step in steps],
            "made": pa.array(made, pa.string()),
            "is_reference": [at == series.reference for at in range(len(steps))],
            "images": [step.images for step in steps],
            **columns,
        }
    )
