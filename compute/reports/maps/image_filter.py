"""Which images of a run a filter finds: the words of a search on the Map page, and of `--filter`."""

import numpy as np
import pyarrow as pa

from compute.analysis.image_search import COLUMNS, FURTHER, search, terms
from compute.reports.drawing.further_columns import with_column
from featurestore.reader import Run

FILTER = (
    "images alone that a search finds, in the words of the Map page: label:cat, probability:..0.5, "
    "columns.NAME:1..2"
)
"""What the parameter of a report says of itself."""


def searched(run: Run, text: str, images: pa.Table | None = None) -> np.ndarray:
    """Return the image_ids (n,) int64 that a search finds, sorted; ValueError for a malformed one.

    images: the run's table with COLUMNS, where it is at hand
    """
    further = tuple(run.manifest.columns)
    asked = {field.removeprefix(FURTHER) for field, _ in terms(text, further) if field.startswith(FURTHER)}
    table = run.table("images", COLUMNS) if images is None else images
    for name in further:
        if name in asked:
            table = with_column(table, run, name)
    return search(table, text)


def filtered(run: Run, text: str) -> np.ndarray | None:
    """Return the image_ids (n,) int64 that a filter finds; None where there is no filter, so that all are."""
    return searched(run, text) if text.strip() else None


def of_filter(text: str) -> dict[str, str]:
    """Return the part of a recipe that says by which words the images are filtered."""
    return {"filter": text} if text.strip() else {}
